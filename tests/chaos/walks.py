# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""The ways through a sandbox's life that the fault matrix takes, and what is looked at after a fault on one of them."""
import os
import signal
import socket
import subprocess

import world as wd
from world import STATE, Command

CREATE = ("create", "-q", "--ttl", "1h", "--timeout", "30s", "-p", "127.0.0.1:18080:80", "web")
RENEW = ("renew", "web", "--ttl", "2h", "--reason", "because")
DESTROY = ("destroy", "-f", "web")
RUN = ("run", "-n", "web", "--ttl", "1h", "--timeout", "30s")
# exit codes that docs/man tells of; run's own failures are 125
CODES = {0, 1, 2, 3, 4, 5, 124, 125}


def ident():
    """The id of the sandbox web, or of one whose name is not there yet."""
    try:
        return os.path.basename(os.readlink(f"{STATE}/names/web"))
    except OSError:
        return next(iter(os.listdir(f"{STATE}/sandboxes")), None)


def kill_keeper(world):
    """The keeper dies; waited for, so that the next step finds it dead."""
    for pid in wd.processes("mayfly-keeper"):
        os.kill(pid, signal.SIGKILL)
    wd.wait_for(lambda: not wd.processes("mayfly-keeper"), 30)


def grow_old(world):
    """As if its date had come two hours ago."""
    if ident():
        subprocess.run([f"{wd.BUILD}/tests/keeper/hand", "deadline", STATE, ident(), "7200"], check=True)


def end_run(world):
    """The terminal of `run` says that it is enough."""
    for pid in wd.processes("mayfly"):
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass


# name: the steps of its life: (verb, command or function). "&": goes on beside the next steps.
LIVES = {
    "life": [("create", CREATE), ("renew", RENEW), ("destroy", DESTROY)],
    "stop": [("create", CREATE), ("stop", ("stop", "--force", "web")), ("start", ("start", "web")), ("destroy", DESTROY)],
    "gently": [("create", CREATE), ("stop", ("stop", "web")), ("destroy", ("destroy", "web"))],
    "run": [("run", RUN, "&"), ("run's end", end_run)],
    "dead": [("create", CREATE), ("", kill_keeper), ("reap", ("reap",))],
    "dead-destroy": [("create", CREATE), ("", kill_keeper), ("destroy dead", DESTROY)],
    "expired": [("create", CREATE), ("stop", ("stop", "--force", "web")), ("", grow_old), ("reap expired", ("reap",))],
    "host": [("host down", ("host", "down")), ("host up", ("host", "up"))],
}
# (life, step that runs with the fault): verbs whose calls are cases there. What stands elsewhere already isn't met twice.
POINTS = [
    ("life", "create", {"create", "renew", "destroy"}),
    ("life", "destroy", {"destroy"}),
    ("stop", "create", {"stop"}),
    ("stop", "stop", {"stop"}),
    ("stop", "start", {"start"}),
    ("gently", "create", {"stop", "destroy"}),
    ("run", "run", {"run", "run's end"}),
    ("dead", "reap", {"reap"}),
    ("dead-destroy", "destroy dead", {"destroy dead"}),
    ("expired", "reap expired", {"reap expired"}),
    ("host", "host down", {"host down"}),
    ("host", "host up", {"host up"}),
]
# commands that leave a running sandbox as it is, or a stopped one, or none
LIVE = {
    "renew": RENEW, "set": ("set", "web", "--label", "a=b"), "ls": ("ls", "-a"), "show": ("show", "web"), "ports": ("ports",),
    "history": ("history",), "who": ("who", "-a"), "verify": ("verify", "web"), "audit": ("audit",), "logs": ("logs", "web"),
    "stats": ("stats", "web"), "reap idle": ("reap",), "ssh-config": ("ssh-config",), "image ls": ("image", "ls"),
}
POINTS += [("live", verb, {verb}) for verb in LIVE]
SECONDS = 60


class Told:
    """Where `run` says that it is ready (sd_notify)."""

    def __init__(self):
        self.path = f"{wd.STAND}/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.socket.bind(self.path)

    def heard(self):
        try:
            return b"READY=1" in self.socket.recv(4096)
        except BlockingIOError:
            return False

    def wait(self, command):
        """Until it is ready, or has ended."""
        wd.wait_for(lambda: self.heard() or command.read(0, lambda: command.first("exit") or command.first("signal")), SECONDS)
        self.socket.close()


class Walk:
    """One case, or (without a fault: record) what its calls are."""

    def __init__(self, world, life, at, fault):
        self.world, self.life, self.at, self.fault = world, life, at, fault
        self.wrong = []
        self.spans = []  # (when, verb)
        self.command = None

    def say(self, text):
        self.wrong.append(text)

    # ---- looks ----

    def alone(self):
        """No keeper lives: soon no network and no monitor are there, without anybody's help (nobody reaps here)."""
        if wd.processes("mayfly-keeper"):
            return
        wd.wait_for(lambda: not wd.links() and not wd.processes("mayfly-vmm") and not wd.tables(), wd.within_s)
        left = wd.links() + wd.tables() + [f"monitor {pid}" for pid in wd.processes("mayfly-vmm")]
        if left and not wd.processes("mayfly-keeper"):
            self.say(f"still there {wd.within_s:g} s after the keeper's end: {left}")

    def judge(self, verb, code):
        """Exit code and words of the command that met the fault."""
        said = self.command.said() or os.path.getsize(f"{wd.STAND}/stdout")
        if code is None:
            self.say(f"{verb} hangs")
        elif code == -signal.SIGABRT and said:
            pass  # libc, or a module of its name services, was refused what no kernel refuses, and said so
        elif code < 0:
            self.say(f"{verb} was killed by signal {-code}")
        elif code not in CODES:
            self.say(f"{verb}: exit code {code}")
        elif code != 0 and not said:
            self.say(f"{verb}: exit code {code} without a word")
        elif code == 0 and verb.startswith("destroy") and ident():
            self.say("destroy says that it is gone, and it is not")
        elif code == 0 and verb == "create" and not ident():
            self.say("create says that it is there, and it is not")
        elif code == 0 and verb == "stop" and wd.processes("mayfly-vmm"):
            self.say("stop says that it is stopped, and it is not")

    # ---- a life ----

    def run_step(self, verb, what, beside):
        self.spans.append((wd.now(), verb))
        if callable(what):
            return what(self.world)
        with_fault = verb == self.at and self.command is None
        told = Told() if beside else None
        command = Command(what, self.fault if with_fault else None, **({"NOTIFY_SOCKET": told.path} if beside else {}))
        if with_fault:
            self.command = command
        if beside:
            return told.wait(command)
        code = command.code(SECONDS)
        if with_fault:
            self.judge(verb, code)
        else:
            command.close()

    def walk(self):
        for verb, what, *beside in LIVES[self.life]:
            self.run_step(verb, what, beside)
            if self.command and self.command.fired() and not wd.processes("mayfly-keeper"):
                break
        if self.life == "run" and self.command:
            self.judge("run", self.command.code(SECONDS))
        self.alone()
        self.settle()

    def settle(self):
        """Somebody tidies up; then nothing is there."""
        world = self.world
        for words in (DESTROY, ("reap",)):
            world.age_spool()
            if wrong := world.plain(*words, codes=(0, 3) if words == DESTROY else (0,)):
                self.say(f"afterwards {wrong}")
        if self.life == "host":
            world.plain("host", "up", codes=(0, 1))
        if not self.command.gone(30):
            self.say(f"processes stay: {wd.processes('mayfly', 'mayfly-keeper', 'mayfly-vmm')}")
        if left := world.difference(world.base):
            self.say(f"left: {left[:8]}")

    def close(self):
        fired = self.command.fired()
        lines, spans = self.command.lines, self.spans + [(float("inf"), "")]
        if self.wrong:
            self.world.end_all()
        self.command.close()
        self.world.forget()
        return fired, [(verb, line) for line in lines if line[0] == "call"
                       for (begin, verb), (end, _) in zip(spans, spans[1:]) if begin <= int(line[1]) < end]


class LiveWalk(Walk):
    """A command that changes nothing of what is there; the sandbox is made when it isn't there yet."""

    def begin(self):
        world = self.world
        if world.live:
            return
        for words in (CREATE, LIVE["set"], LIVE["renew"], LIVE["history"]):
            if wrong := world.plain(*words):
                raise RuntimeError(wrong)
        world.live = world.look()

    def end(self):
        self.world.live = None
        self.world.plain(*DESTROY, codes=(0, 3))
        self.world.end_all()

    def walk(self):
        self.begin()
        self.spans.append((wd.now(), self.at))
        self.command = Command(LIVE[self.at], self.fault)
        self.judge(self.at, self.command.code(SECONDS))
        if not self.command.gone(30):
            self.say("processes stay")
        if left := self.world.difference(self.world.live):
            self.say(f"changed: {left[:8]}")

    def close(self):
        fired = self.command.fired()
        calls = [(self.at, line) for line in self.command.lines if line[0] == "call"]
        if self.wrong:
            self.end()
        self.command.close()
        return fired, calls


def take(world, life, at, fault):
    """(fired, [(verb, call line)], what is wrong)"""
    walk = (LiveWalk if life == "live" else Walk)(world, life, at, fault)
    if life != "live" and world.live:
        LiveWalk.end(walk)
    walk.walk()
    fired, calls = walk.close()
    return fired, calls, walk.wrong
