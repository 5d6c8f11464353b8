# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""TAP, the programs under test, and looks at the host. Everything a test makes is made through this file, so that it
also goes through its clean-up."""
import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback

TREE = os.path.abspath(f"{os.path.dirname(__file__)}/../..")
BIN = f"{TREE}/build/bin"
# what stays on purpose
KEPT = ["/var/lib/mayfly/receipts", "/var/lib/mayfly/clock", "/var/lib/mayfly/ledger.db"]
EXCEPT = [word for path in KEPT for word in ("--except", path)]


class Failed(Exception):
    pass


def expect(truth, what):
    if not truth:
        raise Failed(what)


def equal(got, wanted, what):
    expect(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


def wait_for(what, seconds, condition):
    """The first true value of condition() within the time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def run(*command, check=False, timeout=300, **kwargs):
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout, **kwargs)
    if check and result.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit code {result.returncode}: {result.stderr.strip()} {result.stdout.strip()}")
    return result


sites = []


class Site:
    """A configuration of its own for one test program, and the host-wide part brought up for it."""

    def __init__(self, extra="", host=True):
        self.config = tempfile.NamedTemporaryFile("w", suffix=".toml", prefix="mayfly-test-", delete=False)
        self.config.write(extra)
        self.config.close()
        self.host = host
        sites.append(self)
        atexit.register(self.close)
        if host:
            self.mayfly("host", "up", check=True)

    def mayfly(self, *arguments, **kwargs):
        return run(f"{BIN}/mayfly", "--config", self.config.name, *arguments, **kwargs)

    def start(self, *arguments, **kwargs):
        return subprocess.Popen([f"{BIN}/mayfly", "--config", self.config.name, *arguments], text=True, **kwargs)

    def show(self, name):
        result = self.mayfly("show", name, "--format", "json")
        return json.loads(result.stdout) if result.returncode == 0 else None

    def names(self):
        result = self.mayfly("ls", "-a", "--format", "json", check=True)
        return [row["name"] for row in json.loads(result.stdout)]

    def evidence(self):
        """What is known of each sandbox, for the words of a failure: it goes when the test ends."""
        for name in self.names():
            row = self.show(name) or {}
            yield f"{name}: {row.get('state')}, last end: {row.get('last_end')}"
            for source in ("keeper", "console"):
                said = self.mayfly("logs", name, "--source", source, "--tail", "20").stdout.splitlines()
                yield from [line for line in said if line.strip()][-6:]

    def destroy_all(self):
        for name in self.names():
            self.mayfly("destroy", "-f", name)

    def close(self):
        if not os.path.exists(self.config.name):
            return
        try:
            self.destroy_all()
            if self.host:
                self.mayfly("host", "down")
        finally:
            os.unlink(self.config.name)


def forget_flows():
    """When the test ends: the connection tracker's entries of its own clients and servers go, which have no mark. Those of
    sandboxes have one, and stay for the look at what was left."""
    atexit.register(run, "conntrack", "-D", "-m", "0")


class Inventory:
    """The host at one moment; differences since then."""

    def __init__(self):
        self.before = self.look()

    def look(self):
        return set(run(f"{BIN}/mayfly-inventory", *EXCEPT, check=True).stdout.splitlines())

    def new(self):
        return sorted(self.look() - self.before)

    def expect_nothing(self, seconds=30, but=()):
        """Nothing is new and nothing is missing, within some seconds; `but` lists kinds that may differ."""
        def difference():
            now = self.look()
            return [line for line in sorted(now ^ self.before) if line.split()[0] not in but]
        end = time.monotonic() + seconds
        while left := difference():
            if time.monotonic() > end:
                raise Failed("left behind: " + "; ".join(left[:10]))
            time.sleep(0.1)


def process_alive(pid, start):
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] != "Z" and int(fields[19]) == start


def kill(pid, sig=signal.SIGKILL):
    os.kill(pid, sig)


def evidence():
    """Of a failure, as it stands now; another one's while it is gathered is none."""
    lines = []
    try:
        for site in sites:
            lines += site.evidence()
        if os.path.exists("/lab"):  # the host's kernel is the test's alone there, and KVM says in it what it can't go on with
            lines += run("dmesg").stdout.splitlines()[-3:]
    except Exception as problem:
        lines.append(str(problem))
    return "".join(f"\n# {ascii(line)[1:-1][:200]}" for line in lines[:40])


def main(*tests):
    """Run the test functions in order; each is one TAP line, named by its docstring."""
    only = sys.argv[1:]
    failed = 0
    chosen = [t for t in tests if not only or t.__name__ in only]
    print(f"1..{len(chosen)}", flush=True)
    for number, test in enumerate(chosen, 1):
        try:
            test()
            print(f"ok {number} - {test.__doc__}", flush=True)
        except Failed as problem:
            failed += 1
            print(f"not ok {number} - {test.__doc__}\n# {problem}{evidence()}", flush=True)
        except Exception:  # a broken test is a failed test
            failed += 1
            text = "\n".join("# " + line for line in traceback.format_exc().splitlines())
            print(f"not ok {number} - {test.__doc__}\n{text}{evidence()}", flush=True)
    sys.exit(1 if failed else 0)
