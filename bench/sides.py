# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""The two sides of the bench: each makes a guest, logs in, destroys it, and says what that took."""
import json
import os
import socket
import struct
import subprocess
import time

import kvmtrace

TREE = os.path.abspath(f"{os.path.dirname(__file__)}/..")
BIN = f"{TREE}/build/bin"
MEMORY_MB = 256
DISK_MB = 64
TOUCHED_MB = 48  # of its memory that a guest has written by its first login, in huge pages
BANNER_SECONDS = 120
EMPTY_SECONDS = 30


class Failed(Exception):
    """A side could not be measured."""


def now_ms():
    return time.monotonic() * 1000


# ---- the host's difference

class Host:
    """What the host holds before a side begins; afterwards it has to hold the same."""

    KEPT = ["--except", "/var/lib/mayfly/receipts", "--except", "/var/lib/mayfly/clock"]

    def __init__(self, folder):
        self.before = f"{folder}/before"
        with open(self.before, "w", encoding="utf-8") as f:
            subprocess.run([f"{BIN}/mayfly-inventory", *self.KEPT], stdout=f, check=True)

    def look(self):
        return subprocess.run([f"{BIN}/mayfly-inventory", *self.KEPT, "--since", self.before], text=True,
                              stdout=subprocess.PIPE, check=False)

    def until_empty(self, pids):
        """Cheap looks until the processes are gone, then whole ones. Returns what the one that saw nothing cost."""
        end = time.monotonic() + EMPTY_SECONDS
        while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < end:
            time.sleep(0.001)
        while True:
            begun = now_ms()
            look = self.look()
            if look.returncode == 0:
                return now_ms() - begun
            if time.monotonic() > end:
                raise Failed(f"something is left behind:\n{look.stdout}")


# ---- memory

def pss_kb(pid, has_guest=True):
    """PSS of a process in KiB less guest memory: the one anonymous mapping that is exactly as large."""
    total, left_out, skip = 0, 0, False
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as f:
        for line in f:
            words = line.split()
            if not words[0].endswith(":"):
                start, end = (int(part, 16) for part in words[0].split("-"))
                skip = has_guest and len(words) == 5 and end - start == MEMORY_MB << 20
                left_out += skip
            elif words[0] == "Pss:" and not skip:
                total += int(words[1])
    if left_out != has_guest:
        raise Failed(f"process {pid}: {left_out} mappings look like guest memory")
    return total


# ---- the sides

class Side:
    name = ""

    def measure(self, host):
        """One run: {figure: value}."""
        recording = kvmtrace.Recording()
        try:
            figures, pid, pids = self.measure_start(recording)
            self.login()
            time.sleep(1)
            figures["monitor_pss_kb"] = pss_kb(pid)
            figures |= self.more_memory()
        except BaseException:
            self.destroy()
            raise
        begun = now_ms()
        self.destroy()
        figures["destroy_ms"] = now_ms() - begun
        figures["look_ms"] = host.until_empty(pids)
        figures["empty_ms"] = now_ms() - begun
        return figures | self.after_destroy(figures)

    def measure_start(self, recording):
        begun = now_ms()
        self.create()
        figures = {"create_ms": now_ms() - begun}
        self.await_banner()
        figures["banner_ms"] = now_ms() - begun
        pid, pids = self.pids()
        boot = kvmtrace.Boot(recording.stop(), pid)
        figures |= {"start_ms": boot.fork * 1000 - begun, "entry_ms": boot.entry_ms(), "init_ms": boot.init_ms(), "entries": boot.entries()}
        return figures, pid, pids

    def exits(self):
        """What made the guest exit until mayfly-init: kvmtrace.Boot."""
        recording = kvmtrace.Recording(detail=True)
        try:
            self.create()
            self.await_banner()
            return kvmtrace.Boot(recording.stop(), self.pids()[0])
        finally:
            self.destroy()

    def await_banner(self):
        end = time.monotonic() + BANNER_SECONDS
        while time.monotonic() < end:
            try:
                if self.banner().startswith(b"SSH-2.0"):
                    return
            except OSError:
                pass
            time.sleep(0.005)
        raise Failed(f"{self.name}: no ssh banner within {BANNER_SECONDS} s")

    def more_memory(self):
        return {}

    def after_destroy(self, _figures):
        return {}


class Mayfly(Side):
    name = "mayfly"

    def __init__(self, config):
        self.command = [f"{BIN}/mayfly", "--config", config]

    def cli(self, *arguments):
        return subprocess.run([*self.command, *arguments], check=True, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE).stdout

    def show(self):
        return json.loads(self.cli("show", "bench", "--format", "json"))

    def create(self):
        self.cli("create", "bench", "--ttl", "1h", "--memory", f"{MEMORY_MB}M", "--disk", f"{DISK_MB}M")

    def banner(self):
        with subprocess.Popen([*self.command, "ssh", "--stdio", "bench"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as child:
            greeting = os.read(child.stdout.fileno(), 7)
            child.kill()
        return greeting

    def pids(self):
        row = self.show()
        return row["monitor_pid"], [row["monitor_pid"], row["keeper_pid"]]

    def login(self):
        self.cli("ssh", "bench", "--", "true")

    def more_memory(self):
        return {"keeper_pss_kb": pss_kb(self.show()["keeper_pid"], False)}

    def destroy(self):
        self.cli("destroy", "-f", "bench")

    def after_destroy(self, figures):
        """What the kernel alone takes for what destroy lets go of."""
        bare_ms = float(subprocess.run([f"{TREE}/build/bench/bare", str(MEMORY_MB), str(TOUCHED_MB)], check=True, text=True,
                                       stdout=subprocess.PIPE).stdout)
        return {"bare_ms": bare_ms, "destroy_per_bare": figures["destroy_ms"] / bare_ms}

    def described(self):
        return (f"mayfly create bench --ttl 1h --memory {MEMORY_MB}M --disk {DISK_MB}M\n"
                "  the monitor gets no argument but a record: 64-bit entry, in-kernel irqchip, no PIT, no RTC, no serial line; virtio-mmio "
                "blk (image, read-only), blk (disk), net (tap), vsock, console, rng\n"
                f"  guest's command line: {self.cli('exec', 'bench', '--', 'cat', '/proc/cmdline').strip()}")


CONFIG = struct.Struct("<IIIIqq64s48s4s4s16s48sIIII")
GUEST_ADDRESS, HOST_ADDRESS = "10.9.9.1", "10.9.9.0"


def guest_config(authorized_keys, host_key):
    """struct guest_config of base/proto/guest.h, version 2, for the peer's guest: IPv4 and a disk."""
    head = CONFIG.pack(0x4D464743, 2, CONFIG.size, 1 | 4, int(time.time()) + 3600, time.time_ns(), b"bench", b"dev",
                       socket.inet_aton(GUEST_ADDRESS), socket.inet_aton(HOST_ADDRESS), bytes(16), bytes(48),
                       len(authorized_keys), len(host_key), 0, 0)
    return head + authorized_keys + host_key


def cpio(name, data):
    def member(member_name, member_data, mode):
        fields = [1, mode, 0, 0, 1, 0, len(member_data), 0, 0, 0, 0, len(member_name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + member_name + b"\0"
        head += bytes(-len(head) % 4)
        return head + member_data + bytes(-len(member_data) % 4)
    return member(name, data, 0o100600) + member(b"TRAILER!!!", b"", 0)


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Peer(Side):
    """QEMU microvm. Its keys, initrd and command line are made beforehand, in its favour."""
    name = "qemu-microvm"

    def __init__(self, folder):
        self.folder = folder
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", f"{folder}/{key}"], check=True)
        initrd = read(f"{TREE}/build/initrd.cpio")
        initrd += bytes(-len(initrd) % 4) + cpio(b"mayfly.config",
                                                 guest_config(read(f"{folder}/user.pub"), read(f"{folder}/host")))
        with open(f"{folder}/initrd", "wb") as f:
            f.write(initrd)
        with open(f"{folder}/argv", "wb") as f:
            subprocess.run([f"{TREE}/bench/peer-qemu-microvm", "--kernel", f"{TREE}/build/vmlinux", "--initrd",
                            f"{folder}/initrd", "--memory", str(MEMORY_MB), "--ro", f"{TREE}/build/base.erofs", "--disk",
                            f"{folder}/disk", "--tap", "mfpeer0", "--console", f"{folder}/console", "--print"],
                           stdout=f, check=True)

    def create(self):
        # its output goes to a file: QEMU stays, and would keep a pipe open
        with open(f"{self.folder}/log", "wb") as log:
            subprocess.run([f"{TREE}/bench/peer-create", self.folder, str(DISK_MB)], check=True, stdin=subprocess.DEVNULL,
                           stdout=log, stderr=log, start_new_session=True)

    def banner(self):
        with socket.create_connection((GUEST_ADDRESS, 22), timeout=0.05) as s:
            s.settimeout(BANNER_SECONDS)
            return s.recv(7)

    def pids(self):
        pid = int(read(f"{self.folder}/pid"))
        return pid, [pid]

    def login(self):
        subprocess.run(["ssh", "-F", "none", "-i", f"{self.folder}/user", "-o", "StrictHostKeyChecking=no", "-o",
                        "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", f"dev@{GUEST_ADDRESS}", "true"], check=True)

    def destroy(self):
        subprocess.run([f"{TREE}/bench/peer-destroy", self.folder], check=True)

    def described(self):
        return " ".join(f"'{word}'" if " " in word else word
                        for word in read(f"{self.folder}/argv").decode().splitlines())
