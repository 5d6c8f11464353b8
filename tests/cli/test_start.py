#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""Starting keepers: what create and run make of a keeper that works, fails, dies, hangs or is somebody else."""
import os
import re
import signal
import subprocess
import time

from support import TREE, Site, Tap, one_line

tap = Tap()


def spool(site):
    return os.listdir(f"{site.state}/spool") if os.path.isdir(f"{site.state}/spool") else []


with Site() as site:
    done = site.mayfly("create", "web", "--ttl", "1h")
    tap.check(done.returncode == 0 and done.stdout == b"web\n" and done.stderr == b"",
              "create prints only the name, and nothing else off a terminal", done)
    size, mode = re.search(r"spec (\d+) (\d+)", "\n".join(site.keeper_calls())).groups()
    tap.check(int(size) > 20000 and mode == "600", "the spec is whole, and only root may read it", site.keeper_calls())
    spec = open([f for f in site.left() if "spec-of" in f][0], "rb").read()
    tap.check(spec.count(b"BEGIN EC PRIVATE KEY") == 2 and spec.count(b"ecdsa-sha2-nistp256 ") == 2,
              "without a key two pairs are made: the guest's and the user's")

for notes in (None, b"boot 00000000-0000-0000-0000-000000000000\n", b""):
    with Site() as site:
        os.unlink(site.path("state/host-state"))
        if notes is not None:
            site.write("state/host-state", notes)
        for verb, code in (("create", 1), ("run", 125)):
            done = site.mayfly(verb, *(["web"] if verb == "create" else []), "--ttl", "1h")
            tap.check(done.returncode == code and one_line(done.stderr) and b"run `mayfly host up`" in done.stderr and
                      not site.keeper_calls() and site.left() == [],
                      f"{verb} without this boot's host up ({notes}) makes nothing and names the mend", done)

with Site() as site:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", site.path("id")], check=True)
    done = site.mayfly("create", "web", "--ttl", "1h", "--ssh-key", site.path("id.pub"), "-q")
    spec = open([f for f in site.left() if "spec-of" in f][0], "rb").read()
    tap.check(done.returncode == 0 and done.stdout == b"" and spec.count(b"BEGIN EC PRIVATE KEY") == 1 and
              open(site.path("id.pub"), "rb").read() in spec, "with a key only the guest's is made; -q is quiet", done)

with Site() as site:
    done = site.mayfly("create", "web")
    match = re.search(rb"web ends at (\S+Z), this site's default life", done.stderr)
    tap.check(done.returncode == 0 and one_line(done.stderr) and match, "a missing life is told with its date", done)

for mode, code, says in [
    ("die", 1, b"the keeper ended before web was ready: fake-keeper: out of luck"),
    ("die-late", 1, b"the keeper ended before web was ready"),
    ("exists", 4, b"a sandbox of this name exists already"),
    ("hostile", 1, b"a\\x1b[2Jb\\x0ac"),
]:
    with Site() as site:
        done = site.mayfly("create", "web", "--ttl", "1h", mode=mode)
        tap.check(done.returncode == code and one_line(done.stderr) and says in done.stderr and done.stdout == b"" and
                  spool(site) == [], f"a keeper that plays {mode}: exit {code}, nothing in the spool", done)

with Site() as site:
    site.write("mayfly.toml", site.toml().replace(site.keeper, "/nonexistent").encode())
    done = site.mayfly("create", "web", "--ttl", "1h")
    tap.check(done.returncode == 1 and one_line(done.stderr) and b"/nonexistent" in done.stderr and spool(site) == [],
              "no keeper there: one line, nothing in the spool", done)


def start_silent(site):
    process = site.start("create", "web", "--ttl", "1h", mode="silent", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not site.keeper_calls() and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


with Site() as site:
    process = start_silent(site)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    ident = site.keeper_calls()[0].split()[1]
    tap.check(process.returncode == 1 and out == b"" and one_line(err) and
              f"--destroy {ident} --force" in site.keeper_calls() and spool(site) == [],
              "create that is broken off has the keeper's work destroyed", (out, err, site.keeper_calls()))
    site.end_played(ident)
    tap.check(os.listdir(f"{site.run}/progress") == [], "and its socket goes with it")

with Site() as site:
    process = start_silent(site)
    ident = site.keeper_calls()[0].split()[1]
    there = set(site.left())
    process.kill()
    process.communicate(timeout=60)
    site.end_played(ident)
    tap.check({f"{site.run}/progress/{ident}", f"{site.state}/spool/{ident}"} <= there <= set(site.left()),
              "create that is killed leaves a socket and a spec", (there, site.left()))
    site.write("mayfly.toml", site.toml().replace(site.keeper, f"{TREE}/build/bin/mayfly-keeper").encode())
    done = site.mayfly("reap")
    left = {os.path.basename(path) for path in site.left()}
    tap.check(done.returncode == 0 and left <= {"claim.lock", "reap.lock", "clock", "ledger.db", "ledger.db-wal", "ledger.db-shm", "flows.look", "uids.look"},
              "and a reap takes both away", (done, left))


def run(site, *args, mode="ready"):
    """mayfly run, started; returns once it has a command's first output, or waits for the sandbox's end."""
    process = site.start("run", "--ttl", "1h", *args, mode=mode, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    if args:
        process.stdout.read(len(b"hello\n"))
    deadline = time.monotonic() + 60
    while not args and "waited for" not in site.keeper_calls() and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


with Site() as site:
    done = site.mayfly("run", "--ttl", "1h", mode="die")
    tap.check(done.returncode == 125 and b"out of luck" in done.stderr and spool(site) == [],
              "run with a keeper that dies: 125", done)
    done = site.mayfly("run", "--ttl", "1h", mode="exists")
    tap.check(done.returncode == 4 and spool(site) == [], "run of a name that is taken: 4", done)
    done = site.mayfly("run", "--ttl", "1h", mode="ends")
    tap.check(done.returncode == 1, "run whose end nobody explains: failed", done)

for mode, code in (("poweroff", 0), ("expired", 124), ("panic", 1)):
    with Site() as site:
        done = site.mayfly("run", "--ttl", "1h", mode=mode)
        tap.check(done.returncode == code and "ended" in site.keeper_calls(), f"run of a guest that ends by {mode}: {code}", done)

with Site() as site:
    done = site.mayfly("run", "-n", "job", "--ttl", "1h", "--", "true")
    tap.check(done.returncode == 7 and done.stdout == b"hello\n" and site.keeper_calls()[-1] == "ended",
              "run with a command: its output, its exit code, and the sandbox has ended", (done, site.keeper_calls()))
    done = site.mayfly("run", "--ttl", "1h", site.path("image"), "--", "true", "--ttl", "x")
    tap.check(done.returncode == 7, "an image before the command; options behind -- are the command's", done)

with Site() as site:
    process = run(site, "--", "sleep")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    tap.check(process.returncode == 143 and site.keeper_calls()[-1] == "ended",
              "SIGTERM during a command: 143, after the sandbox has ended", (process.returncode, err, site.keeper_calls()))

for number in (signal.SIGTERM, signal.SIGINT):
    with Site() as site:
        process = run(site)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        tap.check(process.returncode == 0 and "SIGTERM" in site.keeper_calls(), f"{number.name} to run becomes the keeper's graceful stop",
                  (process.returncode, err, site.keeper_calls()))

with Site() as site:
    process = run(site, mode="residue")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    tap.check(process.returncode == 5 and b"mayfly verify" in err, "residue after run: 5", (process.returncode, err))

with Site() as site:
    process = run(site)
    keeper = int(open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()[0])
    process.kill()
    process.wait(60)
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{keeper}") and time.monotonic() < deadline:
        time.sleep(0.05)
    tap.check("SIGTERM" in site.keeper_calls() and not os.path.exists(f"/proc/{keeper}"),
              "run under SIGKILL takes its keeper along")
tap.end()
