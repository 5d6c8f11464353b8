# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""A place of its own for the keeper's tests: a network namespace, a state and a run directory, a stand-in monitor."""
import array
import atexit
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = f"{TREE}/build"
HAND = f"{BUILD}/tests/keeper/hand"
STANDIN = f"{BUILD}/tests/keeper/standin"
SLOTS = 16
# tests that run at once don't meet; a pid would not do: each run may have a pid namespace of its own
MARK = int.from_bytes(os.urandom(4), "big")
UID_BASE = 1900000000 + MARK % 65536 * SLOTS
OK, ERROR, STEP, READY, ITEM, ENDED = 1, 2, 3, 4, 5, 6
RENEW, DESTROY, CONNECT, WAIT, STOP, BALLOON = 1, 2, 3, 4, 5, 8
REASONS = ["", "destroyed", "expired", "guest-poweroff", "guest-reboot", "guest-halt", "guest-panic", "oom", "seccomp",
           "monitor-crash", "keeper-lost", "host-reboot", "stopped", "create-failed", "host-stopped"]
RECORD = struct.Struct("II17s41s446s")
VERSION = 2
REQUEST = struct.Struct("IIqIII41s187s")

count = 0
failed = 0


def alone():
    """Go on in a network namespace of our own."""
    if os.environ.get("STAND_ALONE") != str(os.getpid()):
        os.environ["STAND_ALONE"] = str(os.getpid())
        os.execvp("unshare", ["unshare", "--net", "--", sys.executable] + sys.argv)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):  # as host up leaves it
        with open(f"/proc/sys/net/{name}", "w") as f:
            f.write("1")


def ok(good, name, detail=""):
    global count, failed
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)
    if not good:
        failed += 1
        for line in str(detail).splitlines():
            print(f"# {line}", flush=True)
    return good


def finish():
    print(f"1..{count}")
    sys.exit(1 if failed else 0)


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while True:
        if condition():
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.01)


def text(raw):
    return raw.split(b"\0", 1)[0].decode(errors="replace")


def decode(raw):
    kind, code, ident, name, words = RECORD.unpack(raw)
    return kind, code, text(ident), text(name), text(words)


def records(raw):
    """All of a tool's answer."""
    return [decode(raw[i:i + RECORD.size]) for i in range(0, len(raw), RECORD.size)]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def request(kind, deadline=0, port=0, force=0, timeout=0, who=b"", reason=b""):
    return REQUEST.pack(VERSION, kind, deadline, port, force, timeout, who, reason)


class Stand:
    def __init__(self, **host):
        alone()
        self.dir = tempfile.mkdtemp(prefix="mk")
        os.chmod(self.dir, 0o755)
        self.state, self.run = f"{self.dir}/state", f"{self.dir}/run"
        for name in ("kernel", "initrd", "image"):
            with open(f"{self.dir}/{name}", "w") as f:
                f.write(f"{name}\n")
        monitor = f"{self.dir}/monitor"
        shutil.copy(STANDIN, monitor)
        os.chmod(monitor, 0o755)
        self.host = {"host.state_dir": self.state, "host.run_dir": self.run, "host.monitor": monitor,
                     "uid_base": UID_BASE}
        self.host.update(host)
        self.keepers = []
        self.closed = False
        atexit.register(self.close)
        self.next = int.from_bytes(os.urandom(4), "big")
        self.hand("gate", self.host)
        self.parent = self.hand("cgroup", {}).decode()  # ours to remove

    def hand(self, verb, words, **kw):
        args = [HAND, verb] + [f"{k}={v}" for k, v in words.items()]
        return subprocess.run(args, check=True, stdout=subprocess.PIPE, timeout=60, **kw).stdout

    def spec(self, name, **words):
        self.next += 1
        ident = f"{self.next & 0xffffffff:08x}{MARK:08x}"
        all_words = dict(self.host, id=ident, name=name)
        for file in ("kernel", "initrd", "image"):
            all_words[file] = f"{self.dir}/{file}"
        all_words.update(words)
        self.hand("spec", all_words)
        return ident

    def start(self, ident, seconds=60, foreground=True, program="mayfly-keeper", extra=(), before=(), **kw):
        """Start a keeper, before: as whose command, and follow its progress to the end: (keeper's Popen, last record, steps)."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(f"{self.run}/progress/{ident}")
        listener.listen()
        listener.settimeout(seconds)
        args = [*before, f"{BUILD}/bin/{program}", "--start", ident, "--state-dir", self.state, *extra]
        if foreground:
            args.append("--foreground")
        keeper = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, **kw)
        self.keepers.append(keeper)
        steps, last = [], None
        try:
            conn, _ = listener.accept()
            conn.settimeout(seconds)
            while True:
                raw = conn.recv(1024)
                if not raw:
                    break
                last = decode(raw)
                steps.append(last[4])
                if last[0] in (ERROR, READY):
                    break
            conn.close()
        except OSError:
            pass
        os.unlink(f"{self.run}/progress/{ident}")  # first, as the CLI does: a name without a listener is a reap's to remove
        listener.close()
        return keeper, last, steps

    def create(self, name, **words):
        ident = self.spec(name, **words)
        keeper, last, steps = self.start(ident)
        if not last or last[0] != READY:
            raise RuntimeError(f"{name} did not start: {last} {keeper.stderr.read()}")
        return ident, keeper

    def tool(self, *args, program="mayfly-keeper"):
        config = self.hand("config", self.host)
        done = subprocess.run([f"{BUILD}/bin/{program}", *args], input=config, stdout=subprocess.PIPE, timeout=120)
        return done.returncode, records(done.stdout)

    def ask(self, ident, kind, deadline=0, port=0, force=0, who="tester", reason="because", raw=None, seconds=60,
            timeout=0):
        """One request; the records of its answer and the descriptor passed (or None)."""
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(seconds)
        s.connect(f"{self.run}/{ident}/ctl.sock")
        s.send(raw if raw is not None else request(kind, deadline, port, force, timeout, who.encode(), reason.encode()))
        records, fd = [], None
        while True:
            data, anc, _, _ = s.recvmsg(1024, socket.CMSG_SPACE(4))
            for level, typ, value in anc:
                if level == socket.SOL_SOCKET and typ == socket.SCM_RIGHTS:
                    fd = array.array("i", value[:4])[0]
            if not data:
                break
            records.append(decode(data))
            if records[-1][0] in (OK, ERROR):
                break
        s.close()
        return records, fd

    def ask_as(self, uid, ident, kind, deadline):
        """One request as a member of the socket's group (0 here) who isn't root: the first record of the answer."""
        back = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        os.chdir(f"{self.run}/{ident}")
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(60)
        os.seteuid(uid)
        try:
            s.connect("ctl.sock")
            s.send(request(kind, deadline, who=b"member", reason=b"because"))
        finally:
            os.seteuid(0)
            os.fchdir(back)
            os.close(back)
        record = decode(s.recv(1024))
        s.close()
        return record

    def monitor(self, ident):
        """pid of the monitor, by the journal."""
        for line in self.journal(ident):
            words = line.split()
            if words[1:3] == ["fact", "monitor"]:
                return int(dict(w.split("=") for w in words[4:])["pid"])
        return None

    def journal(self, ident):
        for path in (f"{self.state}/sandboxes/{ident}/journal", f"{self.state}/receipts/{ident}"):
            if os.path.exists(path):
                with open(path) as f:
                    return f.read().splitlines()
        return []

    def ended(self, ident):
        """The reason in the receipt's last line, "" without one."""
        lines = self.journal(ident)
        words = lines[-1].split() if lines else []
        return words[3] if len(words) > 3 and words[1:3] in (["event", "gone"], ["event", "stopped"]) else ""

    def end_reason(self, ident):
        """Of its `end`, "" without one."""
        try:
            with open(f"{self.state}/sandboxes/{ident}/end", "rb") as f:
                return REASONS[int.from_bytes(f.read(8)[4:], "little")]
        except FileNotFoundError:
            return ""

    # ---- what the world shows ----

    def taps(self):
        return [n for n in os.listdir("/sys/class/net") if n.startswith("mf-")] if os.path.isdir("/sys/class/net") else []

    def links(self):
        out = subprocess.run(["ip", "-o", "link"], stdout=subprocess.PIPE, text=True).stdout
        return [line.split(": ")[1] for line in out.splitlines() if ": mf-" in line]

    def tables(self):
        out = subprocess.run(["nft", "list", "tables", "netdev"], stdout=subprocess.PIPE, text=True).stdout
        return out.split("\n")[:-1]

    def monitors(self):
        found = []
        for pid in os.listdir("/proc"):
            if not pid.isdigit():
                continue
            try:
                with open(f"/proc/{pid}/status") as f:
                    uid = [int(line.split()[1]) for line in f if line.startswith("Uid:")][0]
            except (OSError, IndexError):
                continue
            if UID_BASE <= uid < UID_BASE + SLOTS and alive(pid):
                found.append(int(pid))
        return found

    def files(self):
        """Everything below state and run directory but what belongs to the host, receipts and directories."""
        found = []
        for top in (self.state, self.run):
            for where, dirs, names in os.walk(top):
                for n in names + [d for d in dirs if os.path.islink(f"{where}/{d}")]:
                    path = os.path.relpath(f"{where}/{n}", self.dir)
                    if not path.startswith(("state/receipts/", "state/ledger.db")) and path not in (
                            "run/claim.lock", "run/reap.lock", "run/digests", "run/flows.look", "run/uids.look", "state/clock"):
                        found.append(path)
                found += [os.path.relpath(f"{where}/{d}", self.dir) for d in dirs if len(d) == 16]
        return found

    def cgroups(self):
        found = []
        for root in ("/sys/fs/cgroup/mayfly", "/sys/fs/cgroup/unified/mayfly"):
            if os.path.isdir(root):
                found += [d for d in os.listdir(root) if len(d) == 16 and d.endswith(f"{MARK:08x}")]
        return found

    def left(self):
        """What a sandbox may not leave."""
        found = [f"link {x}" for x in self.links()] + [f"table {x}" for x in self.tables()]
        found += [f"process {x}" for x in self.monitors()] + [f"file {x}" for x in self.files()]
        return found + [f"cgroup {x}" for x in self.cgroups()]

    def close(self):
        if self.closed:
            return
        self.closed = True
        for keeper in self.keepers:
            if keeper.poll() is None:
                keeper.send_signal(signal.SIGKILL)
            keeper.wait(60)
            keeper.stderr.close()
        self.tool("--reap")
        for keeper_pid in self.monitors():
            ok(False, f"process {keeper_pid} is left")
        if self.parent:
            try:
                os.rmdir(self.parent)
            except OSError:
                pass  # somebody else uses it by now
        shutil.rmtree(self.dir, ignore_errors=True)
