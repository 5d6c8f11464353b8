# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""A host of its own for one worker of the fault matrix, and what stands on it."""
import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = f"{TREE}/build"
MAYFLY = f"{BUILD}/bin/mayfly"
FAILCALL = f"{BUILD}/tests/chaos/failcall"
STATE, RUN, STAND = "/var/lib/mayfly", "/run/mayfly", "/tmp/stand"
KEPT = [f"{STATE}/{name}" for name in ("receipts", "clock", "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db-journal")]
INVENTORY = [f"{BUILD}/bin/mayfly-inventory"] + [word for path in KEPT for word in ("--except", path)]
CLONE_NEWCGROUP = 0x02000000
within_s = 1.0  # what goes with nobody's help has gone by then (faults --within)
# a cpio archive without a file in it, and what an erofs image begins with: the micro-guest reads neither
INITRD = b"070701" + b"0" * 40 + b"1" + b"0" * 47 + b"0000000B" + b"0" * 8 + b"TRAILER!!!\0\0\0\0"
IMAGE = b"\0" * 1024 + b"\xe2\xe1\xf5\xe0" + b"\0" * 3068
CONFIG = f"""[paths]
kernel = "{STAND}/kernel"
image = "{STAND}/image"
initrd = "{STAND}/initrd"
[jail]
cgroup = "prefer"
slots = 4
[sandbox]
memory = "16M"
disk = "64M"
stop_timeout = "2s"
"""


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def apart(cgroup):
    """Beyond tests/support/apart: accounts, cgroups and /sys of our own."""
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/mnt")
    for name in os.listdir("/etc"):
        if os.path.isfile(f"/etc/{name}") and os.path.getsize(f"/etc/{name}") < 1 << 17:
            shutil.copy2(f"/etc/{name}", "/mnt", follow_symlinks=True)
    mount("--move", "/mnt", "/etc")
    with open(f"{cgroup}/cgroup.procs", "w") as f:
        f.write(str(os.getpid()))
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWCGROUP) < 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["umount", "--recursive", "--lazy", "/sys"], check=True)  # the first cgroup2 that is mounted counts
    mount("-t", "sysfs", "sysfs", "/sys")
    mount("-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
    os.mkdir("/sys/fs/cgroup/harness")
    with open("/sys/fs/cgroup/harness/cgroup.procs", "w") as f:
        f.write(str(os.getpid()))
    os.makedirs("/sys/fs/cgroup/mayfly/keepers")  # host up makes them only where there are controllers


def processes(*names):
    """[pid] of those programs, zombies left out."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                head, tail = f.read().rsplit(")", 1)
        except OSError:
            continue
        if head.split("(", 1)[1] in names and tail.split()[0] not in "ZX":
            found.append(int(pid))
    return found


def links():
    return [name for _, name in socket.if_nameindex() if name.startswith("mf-")]


def tables():
    return subprocess.run(["nft", "list", "tables", "netdev"], stdout=subprocess.PIPE, text=True).stdout.splitlines()


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.005)
    return value


class Command:
    """One command of mayfly's; with `fault`, below failcall."""

    def __init__(self, words, fault=None, **env):
        self.words, self.fault = words, fault
        self.lines, self.rest = [], b""
        self.err = open(f"{STAND}/stderr", "w+b", buffering=0)
        command = [MAYFLY, "--config", f"{STAND}/config", *words]
        self.report = None
        report = -1
        if fault:
            self.report, report = os.pipe()
            command = [FAILCALL, str(report), *map(str, fault), *command]
        with open(f"{STAND}/stdout", "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=self.err,
                                            pass_fds=[report] if fault else [], env={**os.environ, **env})
        if fault:
            os.close(report)

    def read(self, seconds, until):
        """Lines of failcall's; True once until() or they have ended."""
        end = time.monotonic() + seconds
        while self.report is not None and not until():
            if not select.select([self.report], [], [], max(0, end - time.monotonic()))[0]:
                return False
            text = os.read(self.report, 1 << 16)
            if not text:
                os.close(self.report)
                self.report = None
                self.process.wait()
            *lines, self.rest = (self.rest + text).split(b"\n")
            self.lines += [line.decode().split() for line in lines]
        return True

    def first(self, word):
        return next((line for line in self.lines if line[0] == word), None)

    def code(self, seconds=60):
        """Its exit code; negative: the signal; None: it hangs."""
        if not self.fault:
            try:
                return self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                return None
        self.read(seconds, lambda: self.first("exit") or self.first("signal"))
        if line := self.first("exit"):
            return int(line[1])
        line = self.first("signal")
        return -int(line[1]) if line else None

    def gone(self, seconds):
        """Have it and all that it has started ended?"""
        return self.read(seconds, lambda: False)

    def pid(self):
        """mayfly's own, failcall's child."""
        if not self.fault:
            return self.process.pid
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            return int(f.read().split()[0])

    def said(self):
        return os.pread(self.err.fileno(), 4096, 0).decode(errors="replace").strip()

    def fired(self):
        return self.first("fired") is not None

    def close(self):
        self.err.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.report is not None:
            os.close(self.report)


class World:
    def __init__(self, cgroup):
        apart(cgroup)
        os.mkdir(STAND)
        for name, content in (("image", IMAGE), ("initrd", INITRD), ("config", CONFIG.encode())):
            with open(f"{STAND}/{name}", "wb") as f:
                f.write(content)
        shutil.copy(f"{BUILD}/tests/kvm/guest/agent.elf", f"{STAND}/kernel")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.plain("host", "up", codes=(0, 1))  # 1: no limits here
        self.plain("create", "-q", "--ttl", "1h", "web")
        self.plain("destroy", "-f", "web")
        self.plain("reap")
        self.base = self.look()
        self.live = None  # the same with a sandbox on it, while one stands

    def plain(self, *words, codes=(0,)):
        """A command without a fault; what it did wrong, or None."""
        command = Command(words)
        code = command.code()
        said = command.said()
        command.close()
        return None if code in codes else f"{' '.join(words)}: exit code {code}: {said}"

    def look(self):
        """The whole host, as lines."""
        return set(subprocess.run(INVENTORY, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines())

    def difference(self, base):
        """What is new or missing, once it has settled."""
        end = time.monotonic() + within_s
        while True:
            now = self.look()
            found = [f"+ {line}" for line in sorted(now - base)] + [f"- {line}" for line in sorted(base - now)]
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.02)

    def forget(self):
        """Receipts and ledger stay on purpose; each case is to find the same of them: none."""
        for path in KEPT:
            if path.endswith("receipts"):
                for name in os.listdir(path) if os.path.isdir(path) else []:
                    os.unlink(f"{path}/{name}")
            elif "ledger" in path and os.path.exists(path):
                os.unlink(path)

    def age_spool(self):
        """reap waits a minute for the keeper of a spec in the spool."""
        for name in os.listdir(f"{STATE}/spool") if os.path.isdir(f"{STATE}/spool") else []:
            os.utime(f"{STATE}/spool/{name}", (1, 1), follow_symlinks=False)

    def end_all(self):
        """After a leak: the next case begins with a clean host, or we give up."""
        for pid in processes("mayfly", "mayfly-keeper", "mayfly-vmm"):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not processes("mayfly", "mayfly-keeper", "mayfly-vmm"), 30)
        self.age_spool()
        self.plain("reap")
        self.plain("host", "up", codes=(0, 1))  # its directories too
        for path in ([f"{STATE}/{d}" for d in ("sandboxes", "names", "spool")] +
                     [f"{RUN}/slots"] + [f"{RUN}/{d}" for d in os.listdir(RUN) if len(d) == 16]):
            for name in os.listdir(path) if os.path.isdir(path) else []:
                if os.path.isdir(f"{path}/{name}") and not os.path.islink(f"{path}/{name}"):
                    shutil.rmtree(f"{path}/{name}")
                else:
                    os.unlink(f"{path}/{name}")
        self.forget()
        return not self.difference(self.base)
