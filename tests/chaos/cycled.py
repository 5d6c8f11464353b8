# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""One place in which sandboxes live and die over and over, for tests/chaos/cycles; and what leaks there on purpose."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{HERE}/../support", f"{HERE}/../keeper"]
import counts as ct
from counts import RUN, STATE
from harness import BIN, TREE
from killed import alone, rejoin, wait_for
from stand import alive  # until its descriptors are gone; its command line goes long before

BOUND_S = 60  # for what a command or an end may take; the lab is slow
QUIET_S = 60  # at most
SLOTS = 16
NETLINK_NETFILTER = 12  # linux/netlink.h
NETWORK = """
ip netns add mf-internet
ip link add up0 type veth peer name out0 netns mf-internet
ip addr add 198.51.100.1/24 dev up0
ip link set up0 up
ip -n mf-internet addr add 198.51.100.2/24 dev out0
ip -n mf-internet link set out0 up
ip route add default via 198.51.100.2
"""
# what is done between READY and the end, and how it ends; cycle N takes the Nth pair
MIDDLES = ("nothing", "renew", "stop and start")
ENDS = ("destroy", "expiry", "keeper killed, reap")
WAYS = [(middle, end) for end in ENDS for middle in MIDDLES]
# what no mount can hold, or a mount need not
HELD = ("namespace mnt", "namespace user", "namespace net of a descriptor")
REASON = {"destroy": "destroyed", "expiry": "expired", "keeper killed, reap": "keeper-lost"}


class Wrong(Exception):
    pass


class Place:
    def __init__(self, linux):
        self.linux = linux
        self.cgroup = alone()
        self.dir = tempfile.mkdtemp(prefix="cycles-")
        base = 1900000000 + int.from_bytes(os.urandom(2), "big") * SLOTS
        self.uids = range(base, base + SLOTS)
        self.config = f"{self.dir}/mayfly.toml"
        with open(self.config, "w") as f:
            f.write(f'[paths]\nkeeper = "{BIN}/mayfly-keeper"\nmonitor = "{BIN}/mayfly-vmm"\n'
                    + ("" if linux else f'kernel = "{TREE}/build/tests/kvm/guest/agent.elf"\n')
                    + f'[jail]\nslots = {SLOTS}\nuid_base = {base}\ncgroup = "{"prefer" if self.cgroup else "require"}"\n'
                    f'[sandbox]\nmemory = "{"96M" if linux else "64M"}"\nstop_timeout = "3s"\n')
        self.inventory = [f"{BIN}/mayfly-inventory", *(word for path in [*ct.KEPT, self.dir] for word in ("--except", path))]
        if linux:
            subprocess.run(["sh", "-ec", NETWORK], check=True)
        self.mayfly("host", "up", codes=(0, 1))  # 1: no limits here
        if self.cgroup:  # host up finds no controllers on such a machine and makes no parent
            subprocess.run([f"{TREE}/build/tests/keeper/hand", "cgroup"], stdout=subprocess.DEVNULL, check=False)

    def close(self):
        for name in os.listdir(f"{STATE}/names"):  # where a life went wrong
            self.mayfly("destroy", "-f", name, codes=range(256))
        self.mayfly("reap", codes=range(256))
        self.mayfly("host", "down", "--force", codes=range(256))
        os.makedirs(STATE, exist_ok=True)  # whose it was before; without a receipt in it host down takes it along
        if self.linux:
            subprocess.run(["ip", "netns", "del", "mf-internet"], check=False)
            subprocess.run(["ip", "link", "del", "up0"], stderr=subprocess.DEVNULL, check=False)
        forget_connections()  # our own clients'
        shutil.rmtree(self.dir, ignore_errors=True)
        rejoin(self.cgroup)

    def mayfly(self, *words, codes=(0,)):
        done = subprocess.run([f"{BIN}/mayfly", "--config", self.config, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=BOUND_S, check=False)
        if done.returncode not in codes:
            raise Wrong(f"{' '.join(words)}: {done.returncode}: {done.stderr.strip()[-300:]}")
        self.said = done.stderr.strip()[-300:]
        return done.stdout

    # ---- one life ----

    def life(self, worker, way):
        """From create to nothing; says what went wrong by Wrong."""
        (middle, end), said = way, ""
        name, port = f"cycle-{worker}", 18080 + worker
        self.mayfly("create", "-q", "--ttl", "10m", "--disk", "64M", "-p", f"127.0.0.1:{port}:80", name)
        ident = os.readlink(f"{STATE}/names/{name}").rsplit("/", 1)[-1]
        self.use(name, port)
        if middle == "renew":
            self.mayfly("renew", name, "--ttl", "20m")
        elif middle == "stop and start":
            self.mayfly("stop", *([] if self.linux else ["-f"]), name)
            self.mayfly("start", name)
            if not self.keepers(ident):
                raise Wrong(f"{name}: start says that it did, and no keeper is there: {self.said}")
        if end == "destroy":
            self.mayfly("destroy", "-f", name)
        elif end == "expiry":
            self.mayfly("renew", name, "--ttl", "2s")  # whole seconds: 1 s may be over at once
        else:
            for pid in self.keepers(ident):
                os.kill(pid, signal.SIGKILL)
                if not wait_for(lambda: not alive(pid), BOUND_S):
                    raise Wrong(f"{name}: its keeper survives a SIGKILL")
            said = self.mayfly("reap")
        if not wait_for(lambda: not os.path.lexists(f"{STATE}/names/{name}") and not self.keepers(ident), BOUND_S):
            raise Wrong(f"{name}: still there after {end}: {self.mayfly('ls', '-a', '--format', 'json')} "
                        f"{ct.read(f'{STATE}/sandboxes/{ident}/journal')[-900:]} {said}")
        words = ct.read(f"{STATE}/receipts/{ident}").splitlines()[-1:]
        if not words or f"event gone {REASON[end]}" not in words[0]:
            raise Wrong(f"{name}: no receipt of {end}: {words}")

    def use(self, name, port):
        """A client at its published port; of a Linux also a command, and a packet to the world, which is tracked."""
        with socket.create_connection(("127.0.0.1", port), BOUND_S):
            pass
        if self.linux:
            self.mayfly("exec", name, "--", "sh", "-c", "nc -w 1 192.0.2.9 9 </dev/null; true")

    @staticmethod
    def keepers(ident):
        found = []
        for pid in ct.pids():
            words = ct.read(f"/proc/{pid}/cmdline").split("\0")
            if ident in words and "--start" in words and alive(pid):
                found.append(int(pid))
        return found

    def lives(self, numbers, workers, after=lambda: None):
        """All of them, several at once; what went wrong."""
        queue, wrong, lock = list(numbers), [], threading.Lock()

        def work(worker):
            while True:
                with lock:
                    if not queue or len(wrong) > 20:
                        return
                    way = WAYS[queue.pop(0) % len(WAYS)]
                try:
                    self.life(worker, way)
                    with lock:
                        after()
                except (Wrong, RuntimeError, OSError, subprocess.TimeoutExpired) as e:
                    with lock:
                        wrong.append(f"{', '.join(way)}: {e}")
        threads = [threading.Thread(target=work, args=(n,)) for n in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return wrong

    # ---- samples ----

    def look(self):
        return ct.Look(self.inventory, self.uids)

    def quiet(self, reference=None, until=None):
        """A look once nothing moves any more: as the reference, or twice the same; or once until(look)."""
        end = time.monotonic() + QUIET_S
        last = reference
        while True:
            now = self.look()
            good = until(now) if until else last is not None and not now.differs(last)
            if good or time.monotonic() > end:
                return now
            last = reference or now
            time.sleep(0.2)

    @staticmethod
    def kernel():
        return ct.kernel()


class Leaks:
    """One thing more a cycle, of each kind; and away with them."""

    def __init__(self, place):
        self.place, self.n = place, 0
        self.dir = f"{place.dir}/leaks"
        self.undos, self.fds, self.children, self.tracked = [], [], [], False
        os.mkdir(self.dir)
        for words in (("-t", "tmpfs", "tmpfs", self.dir), ("--make-private", self.dir)):  # a mount namespace is bound where that holds
            subprocess.run(["mount", *words], check=True)
        sh("""ip tuntap add cycleleaks mode tap
              ip link set cycleleaks up
              nft add table inet cycleleaks
              nft add chain inet cycleleaks c
              nft add chain inet cycleleaks out '{ type filter hook output priority 0; }'
              nft add rule inet cycleleaks out udp dport 9 ct mark set 7""")

    def close(self):
        self.undo()
        sh("ip link del cycleleaks; nft delete table inet cycleleaks")
        subprocess.run(["umount", self.dir], check=True)
        os.rmdir(self.dir)

    def sh(self, command, undo=None):
        sh(command)
        if undo:
            self.undos.append(undo)

    def undo(self):
        for undo in reversed(self.undos):
            sh(undo)
        for fd in self.fds:
            os.close(fd)
        for child in self.children:
            child.kill()
            child.wait()
        if self.tracked:
            forget_connections()
        self.undos, self.fds, self.children, self.tracked = [], [], [], False

    def child(self, *words):
        """Once it runs what it is to run."""
        self.children.append(subprocess.Popen([*words, "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE))
        self.children[-1].stdout.readline()
        self.children[-1].stdout.close()
        return self.children[-1]

    def bound(self, kind):
        """A namespace that a mount holds."""
        path = f"{self.dir}/{kind}-{self.n}"
        self.sh(f"touch {path}; unshare {'--fork ' if kind == 'pid' else ''}--{kind}={path} true", f"umount {path}; rm {path}")

    def held(self, kind):
        """A namespace that a descriptor holds, and nothing else."""
        child = self.child("unshare", "--mount" if kind == "mnt" else f"--{kind}")
        self.fds.append(os.open(f"/proc/{child.pid}/ns/{kind}", os.O_RDONLY))
        child.kill()
        child.wait()
        self.children.pop()

    def unlinked(self):
        """A file that nobody sees any more and somebody has open."""
        path = f"{STATE}/unlinked"
        self.fds.append(os.open(path, os.O_RDWR | os.O_CREAT))
        os.unlink(path)

    def track(self):
        """A packet that the connection tracker remembers, with a mark as sandboxes' have."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"x", ("127.0.0.1", 9))
        self.tracked = True

    def run(self, kind):
        """What kind leaks, once."""
        self.n += 1
        n, top = self.n, ct.cgroup_top()
        commands = {
            "link": (f"ip tuntap add leak{n} mode tap", f"ip link del leak{n}"),
            "address": (f"ip addr add 192.0.2.{n}/32 dev cycleleaks", f"ip addr del 192.0.2.{n}/32 dev cycleleaks"),
            "route": (f"ip route add 203.0.113.{n}/32 dev cycleleaks", f"ip route del 203.0.113.{n}/32"),
            "rule": (f"nft add rule inet cycleleaks c meta mark {n} accept", "nft flush chain inet cycleleaks c"),
            "cgroup": (f"mkdir {top}/mayfly/leak{n}", f"rmdir {top}/mayfly/leak{n}"),
            "mount": (f"mkdir {self.dir}/m{n}; mount -t tmpfs tmpfs {self.dir}/m{n}", f"umount {self.dir}/m{n}; rmdir {self.dir}/m{n}"),
            "file": (f"touch {STATE}/sandboxes/leak{n}", f"rm {STATE}/sandboxes/leak{n}"),
            "slot": (f"mkdir -p {RUN}/slots; touch {RUN}/slots/leak{n}", f"rm {RUN}/slots/leak{n}"),
        }
        if kind in commands:
            self.sh(*commands[kind])
        elif kind.startswith("namespace "):
            (self.held if kind in HELD else self.bound)(kind.split()[1])
        elif kind == "process":
            self.child()
        elif kind == "jailed process":
            self.child("setpriv", f"--reuid={self.place.uids[self.n % SLOTS]}", "--clear-groups")
        elif kind == "socket":
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("127.0.0.1", 0))
            self.fds.append(s.detach())
        elif kind == "conntrack":
            self.track()
        elif kind == "unlinked file":
            self.unlinked()
        elif kind == "fd":
            self.fds.append(os.open("/dev/null", os.O_RDONLY))
        else:
            raise KeyError(kind)


def forget_connections():
    """IPCTNL_MSG_CT_DELETE without a word of which: all of this network namespace."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as s:
        s.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 1, 1, 0, 0, 0, 0))


def sh(command):
    done = subprocess.run(["sh", "-ec", command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr.strip()}")
