# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""A stage for network tests: this process in a network and mount namespace of its own plays the host, a second namespace
plays the world outside, and the test plays the guests, frame by frame, through the descriptors of their taps.

    outside 198.51.100.2, 2001:db8:1::2 ── up0 198.51.100.1, 2001:db8:1::1 [host] mf-… ── guest 10.83.0.N, fd6d:6600::N

The outside knows no route to the guests' addresses: what it answers was translated."""
import array
import contextlib
import ctypes
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/support")
from harness import TREE, Failed, expect, run  # noqa: E402

PLAYER = os.environ.get("MAYFLY_TEST_PLAYER", f"{TREE}/build/tests/net/player")
SURE = 30  # seconds for what must come: they pass only where it doesn't
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_REC_PRIVATE = 0x4000 | 0x40000
HEADER = 12  # virtio_net_hdr_v1
MARK_BASE = 0x4D460000
SO_MARK = 36

OUT4, OUT6 = "198.51.100.2", "2001:db8:1::2"
UP4, UP6 = "198.51.100.1", "2001:db8:1::1"
META4, META6 = "169.254.169.254", "fd00:ec2::254"
PORT = 7777


def call(function, *arguments):
    if getattr(LIBC, function)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{function}: {os.strerror(ctypes.get_errno())}")


def sh(*lines):
    for line in lines:
        run(*line.split(), check=True)


def sysctl(name, value):
    with open(f"/proc/sys/net/{name}", "w") as f:
        f.write(str(value))


def player(*arguments, check=True):
    return run(PLAYER, *arguments, check=check, timeout=30)


def answer(*arguments):
    return player(*arguments).stdout.strip()


def enter():
    """Leave the machine's network: from here on this process sees only what the test makes."""
    call("unshare", CLONE_NEWNET | CLONE_NEWNS)
    call("mount", b"none", b"/", None, MS_REC_PRIVATE, None)
    call("mount", b"sysfs", b"/sys", b"sysfs", 0, None)
    sh("ip link set lo up")


class Outside:
    """The other namespace: an echo on UDP port PORT, an accepting TCP socket there, and an ear for everything."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "-n", "sleep", "600"])
        host = os.stat("/proc/self/ns/net").st_ino
        while os.stat(f"/proc/{self.process.pid}/ns/net").st_ino == host:
            time.sleep(0.01)
        sh(f"ip link add up0 type veth peer name out0 netns {self.process.pid}", "ip link set up0 up",
           f"ip addr add {UP4}/24 dev up0", f"ip -6 addr add {UP6}/64 dev up0 nodad",
           f"ip route add {META4} via {OUT4}", f"ip -6 route add {META6} via {OUT6}")
        inside = f"nsenter -t {self.process.pid} -n "
        sh(*(inside + line for line in (
            "ip link set lo up", "ip link set out0 up", f"ip addr add {OUT4}/24 dev out0",
            f"ip -6 addr add {OUT6}/64 dev out0 nodad", f"ip addr add {META4}/32 dev out0",
            f"ip -6 addr add {META6}/128 dev out0 nodad")))
        self.heard = []
        self.sockets = self._there(self._open)
        threading.Thread(target=self._serve, daemon=True).start()
        wait_link()

    def _there(self, make):
        """Run make() in the other namespace; sockets stay where they were made."""
        box = []

        def thread():
            with open(f"/proc/{self.process.pid}/ns/net") as ns:
                call("setns", ns.fileno(), CLONE_NEWNET)
            box.append(make())
        worker = threading.Thread(target=thread)
        worker.start()
        worker.join()
        return box[0]

    def _open(self):
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        ear.bind(("out0", 3))
        echo = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        for s in (echo, tcp):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            s.bind(("::", PORT))
        tcp.listen(16)
        return ear, echo, tcp

    def _serve(self):
        ear, echo, _ = self.sockets
        while True:
            for s in select.select([ear, echo], [], [])[0]:
                if s is ear:
                    self.heard.append(s.recv(65536))
                else:
                    data, peer = s.recvfrom(65536)
                    with contextlib.suppress(OSError):  # no route back: nothing was translated
                        s.sendto(b"echo:" + data, peer)

    def send(self, data, address, family=socket.AF_INET):
        def make():
            with socket.socket(family, socket.SOCK_DGRAM) as s:
                s.sendto(data, address)
        self._there(make)

    def route(self, *lines):
        sh(*(f"nsenter -t {self.process.pid} -n " + line for line in lines))

    def has_heard(self, marker, seconds=0.0):
        return soon(lambda: any(marker in frame for frame in list(self.heard)), seconds)

    def close(self):
        self.process.kill()
        self.process.wait()


def soon(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def wait_link():
    def up():
        with open("/sys/class/net/up0/operstate") as f:
            return f.read().strip() == "up"
    expect(soon(up, 60), "up0 is up")


class Sandbox:
    """A tap, held by a player process; the test has a copy of its descriptor and speaks as the guest."""

    def __init__(self, number, mode="-", keep_fd=True):
        self.id = f"{number:08x}{'5a' * 4}"
        self.tap = "mf-" + self.id[:8]
        self.table = "mayfly_" + self.id
        self.number = number
        self.mac = b"\x02\x6d" + struct.pack(">I", number)
        self.host4, self.ip4 = f"10.83.0.{2 * number}", f"10.83.0.{2 * number + 1}"
        self.ip6 = f"fd6d:6600::{number + 1:x}"
        self.mark = MARK_BASE + number
        ours, theirs = socket.socketpair() if keep_fd else (None, None)
        self.process = subprocess.Popen(
            [PLAYER, "hold", self.id, f"box{number}", str(number), mode, *([str(theirs.fileno())] if keep_fd else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[theirs.fileno()] if keep_fd else [], text=True)
        expect(self.process.stdout.readline().startswith("ready"), f"player holds {self.tap}")
        self.fd = None
        if keep_fd:
            _, control, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(4))
            self.fd = array.array("i", control[0][2])[0]
            ours.close()
            theirs.close()
        with open(f"/sys/class/net/{self.tap}/address") as f:
            self.gateway_mac = bytes.fromhex(f.read().strip().replace(":", ""))
        # addresses of the guest as the host would learn them
        mac = self.mac.hex(":")
        sh(f"ip neigh replace {self.ip4} lladdr {mac} dev {self.tap} nud permanent",
           f"ip -6 neigh replace {self.ip6} lladdr {mac} dev {self.tap} nud permanent")

    def send(self, frame):
        os.write(self.fd, getattr(frame, "header", b"\0" * HEADER) + frame)

    def frames(self, seconds):
        """Everything that arrives within the time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                yield os.read(self.fd, 65536)[HEADER:]

    def gets(self, marker, seconds=0.3):
        return any(marker in frame for frame in self.frames(seconds))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    # ---- frames of this guest; every part can be given otherwise

    def ether(self, kind, payload, mac=None, to=None):
        return (to or self.gateway_mac) + (mac or self.mac) + struct.pack(">H", kind) + payload

    def ip(self, dst, protocol, payload, src=None, **ether):
        if ":" in dst:
            src = socket.inet_pton(socket.AF_INET6, src or self.ip6)
            dst = socket.inet_pton(socket.AF_INET6, dst)
            payload = with_checksum(protocol, src + dst + struct.pack(">II", len(payload), protocol), payload)
            head = struct.pack(">IHBB", 6 << 28, len(payload), protocol, 255 if protocol == 58 else 64) + src + dst
            return self.ether(0x86DD, head + payload, **ether)
        src, dst = socket.inet_aton(src or self.ip4), socket.inet_aton(dst)
        payload = with_checksum(protocol, src + dst + struct.pack(">HH", protocol, len(payload)), payload)
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0) + src + dst
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        return self.ether(0x0800, head + payload, **ether)

    def udp(self, dst, data, port=PORT, sport=40000, **ip):
        return self.ip(dst, 17, struct.pack(">HHHH", sport, port, 8 + len(data), 0) + data, **ip)

    def large_tcp(self, dst, data, **ip):
        """Three segments' worth of TCP in one frame, to be cut and checksummed by the host."""
        payload = data.ljust(3000, b".")
        frame = self.ip(dst, 6, struct.pack(">HHIIBBHHH", 41001, PORT, 1000, 1, 0x50, 0x18, 1024, 0, 0) + payload, **ip)
        return offloaded(frame, 16, gso_type=4 if ":" in dst else 1, gso_size=1000)

    def tcp_syn(self, dst, port=PORT, sport=41000, **ip):
        return self.ip(dst, 6, struct.pack(">HHIIBBHHH", sport, port, 1000, 0, 0x50, 2, 1024, 0, 0), **ip)

    def icmp6(self, kind, body, dst="ff02::1", **ip):
        return self.ip(dst, 58, struct.pack(">BBH", kind, 0, 0) + body, **ip)

    def arp(self, operation, sender_ip, target_ip, sender_mac=None, **ether):
        body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + (sender_mac or self.mac)
        body += socket.inet_aton(sender_ip) + b"\0" * 6 + socket.inet_aton(target_ip)
        return self.ether(0x0806, body, **ether)

    # ---- what a guest can tell about the world

    def reaches(self, dst, seconds=0.5, marker=None):
        """Does a UDP datagram to dst come back as an echo? Sent anew now and then, for neighbours take a moment."""
        marker = marker or new_marker()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.send(self.udp(dst, marker))
            if self.gets(b"echo:" + marker, min(0.2, seconds)):
                return True
        return False

    def connects(self, dst, port=PORT, seconds=0.4):
        """Does a TCP SYN get a SYN-ACK, be it late? Sent anew now and then."""
        end, sports = time.monotonic() + seconds, []
        while time.monotonic() < end:
            sports.append(42000 + next_number() % 10000)
            self.send(self.tcp_syn(dst, port, sports[-1]))
            if any(is_syn_ack(frame, port, sport) for frame in self.frames(min(0.4, seconds)) for sport in sports):
                return True
        return False


class OffloadedFrame(bytes):
    """A frame with something other than zeros in front of it."""
    header = b""


def offloaded(frame, csum_offset, gso_type=0, gso_size=0, csum_start=None):
    """The frame, its checksum and segmentation left to the host (struct virtio_net_hdr_v1)."""
    start = csum_start or (54 if frame[12:14] == b"\x86\xdd" else 34)
    frame = OffloadedFrame(frame)
    frame.header = struct.pack("<BBHHHHH", 1, gso_type, start + 20 if gso_type else 0, gso_size, start, csum_offset, 0)
    return frame


def is_syn_ack(frame, port, sport):
    if frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
        return False
    tcp = frame[14 + (40 if frame[12:14] == b"\x86\xdd" else 20):]
    return tcp[:4] == struct.pack(">HH", port, sport) and tcp[13] & 0x12 == 0x12


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def with_checksum(protocol, pseudo, payload):
    at = {17: 6, 6: 16, 58: 2}.get(protocol)
    if at is None:
        return payload
    payload = payload[:at] + b"\0\0" + payload[at + 2:]
    return payload[:at] + struct.pack(">H", checksum(pseudo + payload) or 0xFFFF) + payload[at + 2:]


_number = 0


def next_number():
    global _number
    _number += 1
    return _number


def new_marker():
    return f"<marker {next_number():06d}>".encode()


class Services:
    """What listens on the host itself: UDP and TCP on PORT, every address."""

    def __init__(self):
        self.got = []
        self.udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.tcp = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        for s in (self.udp, self.tcp):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("::", PORT))
        self.tcp.listen(16)
        self.udp.setblocking(False)

    def has_got(self, marker, seconds=0.3):
        def look():
            try:
                while True:
                    self.got.append(self.udp.recv(65536))
            except BlockingIOError:
                return any(marker in data for data in self.got)
        return soon(look, seconds)

    def close(self):
        self.udp.close()
        self.tcp.close()


class Stack:
    """Sees the frames of a tap that passed its ingress rules: packet sockets for one protocol each come behind them."""

    def __init__(self, tap, protocols=(0x0800, 0x86DD, 0x0806, 0x88CC)):
        self.sockets = []
        for protocol in protocols:
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
            s.bind((tap, protocol))
            s.setblocking(False)
            self.sockets.append(s)
        self.got = []

    def saw(self, marker, seconds=0.05):
        def look():
            for s in self.sockets:
                try:
                    while True:
                        self.got.append(s.recv(65536))
                except BlockingIOError:
                    pass
            return any(marker in frame for frame in self.got)
        return soon(look, seconds)

    def close(self):
        for s in self.sockets:
            s.close()


def tool_missing():
    return [t for t in ("ip", "nft", "nsenter", "unshare") if not shutil.which(t)]


__all__ = [n for n in dir() if not n.startswith("_")]
