# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""One place in which sandboxes are made and their processes killed, for tests/chaos/kills."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../support")
from harness import BIN, EXCEPT, TREE

NAME = "again"
STATE, RUN = "/var/lib/mayfly", "/run/mayfly"
DISK = 64 << 20
MAKE = ("--ttl", "10m", "--disk", "64M", "-p", "18080:80")
HANG_S = 60
# verbs whose death may leave a sandbox that rests until its date
MAY_REST = {"create", "start", "stop", "renew", "renew at rest"}
MARK = b"whose disk it is" * 32


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.01)


def alone():
    """Away from the lab's host, which is ours alone: what `host up` writes to and looks at is ours: /etc, and cgroup v2 from a group of our own on. Returns what to undo."""
    if os.path.exists("/lab"):
        return None
    etc = tempfile.mkdtemp(prefix="etc-", dir="/run")
    shutil.copytree("/etc", etc, symlinks=True, dirs_exist_ok=True)
    subprocess.run(["mount", "--bind", etc, "/etc"], check=True)
    for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(f"{top}/cgroup.procs") and os.path.exists(f"{top}/cgroup.controllers"):
            ours = f"{top}/kills-{os.urandom(4).hex()}"
            os.mkdir(ours)
            subprocess.run(["mount", "--bind", ours, top], check=True)
            return top, os.path.basename(ours)
    return "", ""


def removed(path):
    try:
        os.rmdir(path)
    except OSError:
        pass
    return not os.path.exists(path)


def rejoin(cgroup):
    """What alone() did is undone; cgroup is its answer."""
    if not cgroup:
        return
    top, ours = cgroup
    if top:
        removed(f"{top}/mayfly/keepers")
        removed(f"{top}/mayfly")
        subprocess.run(["umount", top], check=False)
        wait_for(lambda: removed(f"{top}/{ours}"), 30)
    subprocess.run(["umount", "/etc"], check=False)
    for name in os.listdir("/run"):
        if name.startswith("etc-"):
            shutil.rmtree(f"/run/{name}", ignore_errors=True)


class Place:
    def __init__(self, within, linux):
        self.within, self.linux = within, linux
        self.cgroup = alone()
        self.dir = tempfile.mkdtemp(prefix="kills-")
        self.config = f"{self.dir}/mayfly.toml"
        self.wrong, self.armed, self.tracing = [], None, False
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(f"{self.dir}/notify")
        paths = f'[paths]\nkeeper = "{BIN}/mayfly-keeper-inject"\nmonitor = "{BIN}/mayfly-vmm"\n'
        if not linux:
            paths += f'kernel = "{TREE}/build/tests/kvm/guest/agent.elf"\n'
        with open(self.config, "w") as f:
            f.write(f'{paths}[jail]\nslots = 16\nuid_base = {1900000000 + int.from_bytes(os.urandom(2), "big") * 16}\n'
                    f'cgroup = "{"prefer" if self.cgroup else "require"}"\n[sandbox]\nmemory = "{"96M" if linux else "64M"}"\n'
                    'stop_timeout = "3s"\n')
        self.cli("host", "up")
        if self.cgroup:  # host up finds no controllers on such a machine and makes no parent
            subprocess.run([f"{TREE}/build/tests/keeper/hand", "cgroup"], stdout=subprocess.DEVNULL, check=False)
        for _ in range(2):  # what the first sandbox of a host makes for good
            self.must("create", NAME, *MAKE)
            self.must("destroy", "-f", NAME)
        self.must("reap")
        self.clean()
        wait_for(lambda: not self.ours(), HANG_S)  # a keeper answers before it has gone
        self.before = self.look()

    def close(self):
        self.cli("destroy", "-f", NAME)
        self.cli("reap")
        self.cli("host", "down", "--force")
        shutil.rmtree(self.dir, ignore_errors=True)
        rejoin(self.cgroup)

    # ---- commands ----

    def environ(self, armed, notify):
        words = {**os.environ, "MAYFLY_INJECT_DIR": self.dir}
        if notify:
            words["NOTIFY_SOCKET"] = f"{self.dir}/notify"
        if armed and self.armed:
            words["MAYFLY_INJECT"] = self.armed
        return words

    def start(self, *words, armed=False):
        self.said = open(f"{self.dir}/said", "w+")
        return subprocess.Popen([f"{BIN}/mayfly-inject", "--config", self.config, *words], stdin=subprocess.DEVNULL,
                                stdout=self.said, stderr=self.said, env=self.environ(armed, words[0] == "run"))

    def ended(self, process, what):
        try:
            code = process.wait(HANG_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.wrong.append(f"{what} hangs")
            code = None
        self.said.seek(0)
        self.text = self.said.read().strip()
        self.said.close()
        return code

    def cli(self, *words, armed=False):
        return self.ended(self.start(*words, armed=armed), words[0])

    def must(self, *words):
        code = self.cli(*words)
        if code != 0:
            self.wrong.append(f"{words[0]}: {code}: {self.text[-300:]}")
        return code == 0

    def trigger(self, *words):
        """The command that the case is about."""
        self.begin()
        return self.cli(*words, armed=True)

    def begin(self):
        if self.tracing:
            with open(f"{self.dir}/trace", "w"):
                pass

    def pid(self, role):
        try:
            with open(f"{self.dir}/{role}") as f:
                return int(f.read() or 0)
        except (OSError, ValueError):
            return 0

    def keeper_lives(self):
        try:
            with open(f"/proc/{self.pid('keeper')}/stat") as f:
                return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False

    def kill_keeper(self):
        os.kill(self.pid("keeper"), 9)
        wait_for(lambda: not self.keeper_lives(), HANG_S)

    def state(self):
        """Of our sandbox: None where there is none."""
        ls = subprocess.run([f"{BIN}/mayfly", "--config", self.config, "ls", "-a", "--format", "json"], capture_output=True,
                            text=True, timeout=HANG_S)
        if ls.returncode != 0:
            self.wrong.append(f"ls: {ls.stderr[-200:]}")
            return None
        return next((row["state"] for row in json.loads(ls.stdout) if row["name"] == NAME), None)

    def ident(self):
        return os.readlink(f"{STATE}/names/{NAME}").rsplit("/", 1)[-1]

    # ---- the verbs ----

    def create_armed(self):
        return self.cli("create", NAME, *MAKE, armed=not (self.armed or "").split(" ", 1)[-1].startswith("cli "))

    def create(self):
        self.trigger("create", NAME, *MAKE)

    def run(self):
        while self.heard():
            pass
        self.begin()
        process = self.start("run", "-n", NAME, "--ttl", "10m", armed=True)
        wait_for(lambda: process.poll() is not None or self.heard(), HANG_S)
        if process.poll() is None:
            process.terminate()
        self.ended(process, "run")

    def heard(self):
        try:
            return b"READY=1" in self.notify.recv(256, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False

    def rest(self):
        self.must("create", NAME, *MAKE)
        self.must("stop", "-f", NAME)
        if not self.linux and not self.wrong:  # nobody but us writes there
            with open(f"{STATE}/sandboxes/{self.ident()}/disk", "r+b") as f:
                f.seek(DISK - len(MARK))
                f.write(MARK)

    def begin_again(self):
        self.rest()
        self.trigger("start", NAME)

    def stop(self):
        self.create_armed()
        self.trigger("stop", NAME)

    def renew(self):
        self.create_armed()
        self.trigger("renew", NAME, "--ttl", "20m")

    def renew_at_rest(self):
        self.rest()
        self.trigger("renew", NAME, "--ttl", "20m")

    def destroy(self):
        self.create_armed()
        self.trigger("destroy", "-f", NAME)

    def dead(self):
        self.must("create", NAME, *MAKE)
        self.kill_keeper()

    def destroy_dead(self):
        self.dead()
        self.trigger("destroy", NAME)

    def reap_dead(self):
        self.dead()
        self.trigger("reap")

    def reap_expired(self):
        self.rest()
        subprocess.run([f"{TREE}/build/tests/keeper/hand", "deadline", STATE, self.ident(), "660"], check=True)
        self.trigger("reap")

    def expire(self):
        self.create_armed()
        self.cli("renew", NAME, "--ttl", "2s")  # one second could be over before the keeper hears of it
        self.begin()
        wait_for(lambda: not self.keeper_lives(), HANG_S)

    VERBS = {"create": create, "run": run, "start": begin_again, "stop": stop, "renew": renew, "renew at rest": renew_at_rest,
             "destroy": destroy, "destroy of a dead one": destroy_dead, "reap of a dead one": reap_dead,
             "reap of an expired one": reap_expired, "expiry": expire}

    # ---- afterwards ----

    def look(self):
        out = subprocess.run([f"{BIN}/mayfly-inventory", *EXCEPT, "--except", self.dir], stdout=subprocess.PIPE, text=True, check=True)
        return {line for line in out.stdout.splitlines() if not line.startswith(f"process {os.getpid()} ")}

    def beyond(self):
        """What is there that may not be, with nobody's help."""
        def may_stay(line):
            kind, text = line.split(" ", 1)
            return kind == "cgroup" and "/mayfly/" in text or kind == "file" and text.startswith((STATE, RUN))
        return [line for line in sorted(self.look() ^ self.before) if not may_stay(line)]

    @staticmethod
    def ours():
        """Keepers and CLIs, also one that has only been forked and isn't known yet."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/stat") as f:
                    comm, rest = f.read().split("(", 1)[1].rsplit(")", 1)
            except OSError:
                continue
            if comm in ("mayfly-keeper-i", "mayfly-inject") and rest.split()[0] not in "ZX":
                found.append(int(entry))
        return found

    def steady(self):
        """Its keeper has gone, or holds a sandbox that runs. One look misses who is forked while it goes on, by one that ends then."""
        return not any(self.ours() for _ in range(3)) or (self.keeper_lives() and self.state() == "running")

    def settle(self, verb):
        if not wait_for(self.steady, HANG_S):
            self.wrong.append("its keeper hangs")
        if self.keeper_lives():
            if verb not in MAY_REST and verb != "expiry":
                wait_for(lambda: not self.keeper_lives(), HANG_S if verb == "run" else 5)
        if self.keeper_lives():
            self.must("destroy", "-f", NAME)
        elif not wait_for(lambda: not self.beyond(), self.within):
            self.wrong.append(f"there after {self.within:g} s without help: {'; '.join(self.beyond()[:6])}")
        self.reaped(verb)
        if not wait_for(lambda: self.look() == self.before, self.within):
            now = self.look()
            self.wrong.append("left: " + "; ".join([f"+{line}" for line in sorted(now - self.before)[:8]] +
                                                   [f"-{line}" for line in sorted(self.before - now)[:4]]))

    def reaped(self, verb):
        spool = f"{STATE}/spool"
        for name in os.listdir(spool):
            os.utime(f"{spool}/{name}", (1, 1), follow_symlinks=False)  # reap waits a minute for its keeper
        if self.must("reap") and re.search(r"^BAD", self.text, re.M):
            self.wrong.append(f"reap: {self.text[-300:]}")
        state = self.state()
        if state is None:
            return
        if state != "stopped" or verb not in MAY_REST:
            self.wrong.append(f"after reap it is {state}")
        elif not self.disk_is_whole(verb):
            self.wrong.append("its disk is not whole")
        self.must("destroy", NAME)

    def disk_is_whole(self, verb):
        with open(f"{STATE}/sandboxes/{self.ident()}/disk", "rb") as f:
            f.seek(DISK - len(MARK))
            end = f.read()
        return len(end) == len(MARK) and (self.linux or verb not in ("start", "renew at rest") or end == MARK)

    def clean(self):
        for name in ("met", "keeper", "cli", "trace", "said"):
            try:
                os.unlink(f"{self.dir}/{name}")
            except FileNotFoundError:
                pass

    def recover(self):
        """After something went wrong: can the next case begin clean?"""
        if self.keeper_lives():
            self.kill_keeper()
        self.cli("destroy", "-f", NAME)
        self.cli("reap")
        return wait_for(lambda: self.look() == self.before, 30)

    def case(self, verb, point, victims):
        self.wrong, self.armed = [], f"{victims} {point}"
        self.clean()
        self.VERBS[verb](self)
        fired = os.path.exists(f"{self.dir}/met")
        self.settle(verb)
        if verb in ("create", "run"):  # the others begin with it
            self.must("create", NAME, *MAKE)
            self.must("destroy", "-f", NAME)
        return {"case": [verb, point, victims], "fired": fired, "wrong": self.wrong}

    def plan(self, verb):
        """Run it undisturbed: the points it meets, whose they are, who lives there."""
        self.wrong, self.armed, self.tracing = [], None, True
        self.clean()
        self.VERBS[verb](self)
        with open(f"{self.dir}/trace") as f:
            lines = [line.rstrip("\n").split("\t") for line in f]
        self.tracing = False
        self.clean_trace()
        self.settle(verb)
        if self.wrong:
            sys.exit(f"{verb}, undisturbed: {self.wrong}")
        points = {}
        for role, point, alive in lines:
            found = points.setdefault(point, {"verb": verb, "point": point, "role": role, "alive": []})
            found["alive"] += [who for who in alive.split("+") if who and who not in found["alive"]]
        return points.values()

    def clean_trace(self):
        os.unlink(f"{self.dir}/trace")


def main(cases, within, linux):
    place = Place(within, linux)
    try:
        if place.wrong:
            sys.exit(f"in a clean place: {place.wrong}")
        for verb in Place.VERBS if not cases else []:
            for point in place.plan(verb):
                print(json.dumps(point), flush=True)
        for case in cases or []:
            result = place.case(*case.split("/"))
            print(json.dumps(result), flush=True)
            if result["wrong"] and not place.recover():
                return 1  # the rest needs another place
    finally:
        place.close()
    return 0
