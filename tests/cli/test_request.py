#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""What create is asked for: where it goes, what show, ls and --dry-run make of it, and what a wait looks like."""
import json
import os
import pty
import re
import subprocess
import threading
import time

from support import Keeper, OK, Site, Tap, one_line, record

tap = Tap()
EVERYTHING = ["--ttl", "1h", "-c", "1", "-m", "64M", "--owner", "anna", "--hostname", "inside", "--reason", "a course",
              "--label", "tier=web", "--label", "env=test", "--label", "env=prod", "--cpu-weight", "200", "--cpu-max", "50",
              "--io-read", "10M,ops=500", "--io-write", "5M", "--net-rx-rate", "1M,burst=4M", "--net-tx-rate", "ops=1000",
              "--disk-rate", "20M,ops=300,burst=64M,burst-ops=900"]


def key(site, name, comment):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", site.path(name)], check=True)
    line = subprocess.run(["ssh-keygen", "-lf", site.path(f"{name}.pub")], check=True, capture_output=True, text=True)
    return site.path(f"{name}.pub"), line.stdout.split()[1]


with Site() as site:
    (anna, anna_print), (site_key, site_print) = key(site, "anna", "anna@laptop"), key(site, "ci", "ci")
    with open(anna, "a") as file, open(site_key) as other:
        file.write(other.read().replace("ci\n", "\n"))
    done = site.mayfly("create", "web", *EVERYTHING, "--ssh-key", site_key, "--person", "Anna Berg", "--ssh-key", anna, "-q")
    tap.check(done.returncode == 0 and done.stderr == b"", "create takes every option", done)
    site.keep("web")
    shown = json.loads(site.mayfly("show", "web", "--format", "json").stdout)
    tap.check([(k["fingerprint"], k["person"], k["type"]) for k in shown["ssh_keys"]] ==
              [(site_print, "ci", "ssh-ed25519"), (anna_print, "Anna Berg", "ssh-ed25519"),
               (site_print, "Anna Berg", "ssh-ed25519")],
              "show lists persons with the fingerprints that ssh-keygen prints", shown["ssh_keys"])
    tap.check(shown["labels"] == {"env": "prod", "tier": "web"} and shown["reason"] == "a course" and
              shown["owner"] == "anna" and shown["hostname"] == "inside" and shown["cpus"] == 1 and
              shown["memory_bytes"] == 64 << 20, "labels (the last of a key), reason, owner, host name, size", shown)
    none = {"bytes_per_s": 0, "burst_bytes": 0, "ops_per_s": 0, "burst_ops": 0}
    tap.check(shown["limits"] == {
        "cpu_weight": 200, "cpu_max_percent": 50, "io_read": {**none, "bytes_per_s": 10 << 20, "ops_per_s": 500},
        "io_write": {**none, "bytes_per_s": 5 << 20}, "net_tx_rate": {**none, "ops_per_s": 1000},
        "net_rx_rate": {**none, "bytes_per_s": 1 << 20, "burst_bytes": 4 << 20},
        "disk_rate": {"bytes_per_s": 20 << 20, "burst_bytes": 64 << 20, "ops_per_s": 300, "burst_ops": 900}},
        "every limit is in the spec", shown["limits"])
    table = site.mayfly("show", "web").stdout.decode()
    for says in ("reason                  a course", "label                   env=prod", "host's limit on reads   10M,ops=500",
                 "disks at most           20M,ops=300,burst=64M,burst-ops=900", f"{anna_print} Anna Berg (ssh-ed25519)"):
        tap.check(says in table, f"show: {' '.join(says.split())[:40]}", table)
    tap.check("PRIVATE" not in table and "PRIVATE" not in json.dumps(shown), "show keeps private keys for itself")
    for words, listed in ((["--label", "env"], True), (["--label", "env=prod"], True), (["--label", "env=test"], False),
                          (["--label", "env=prod", "--label", "tier"], True), (["--label", "env", "--label", "none"], False)):
        names = [e["name"] for e in json.loads(site.mayfly("ls", "-a", *words, "--format", "json").stdout)]
        tap.check(names == (["web"] if listed else []), f"ls {' '.join(words)}", names)
    table = site.mayfly("ls", "-a").stdout.decode()
    tap.check("LABELS" in table and "env=prod, tier=web" in table, "ls -a shows the labels", table)

with Site() as site:
    with open(site.config, "a") as file:
        file.write('[limits]\ncpu_weight = 50\nnet_rx = "1M,burst=2M"\nio_write = "3M"\n')
    site.mayfly("create", "web", "--ttl", "1h", "--io-write", "none", "--cpu-weight", "60")
    site.keep("web")
    limits = json.loads(site.mayfly("show", "web", "--format", "json").stdout)["limits"]
    tap.check(limits["cpu_weight"] == 60 and limits["io_write"]["bytes_per_s"] == 0 and
              limits["net_rx_rate"]["burst_bytes"] == 2 << 20,
              "the site's limits hold where the command line says nothing", limits)

with Site() as site:
    path = site.write("id", b"command=\"/bin/sh\" ssh-ed25519 AAAA\n")
    done = site.mayfly("create", "web", "--ssh-key", path)
    tap.check(done.returncode == 2 and one_line(done.stderr) and f"{path}:1: ".encode() in done.stderr and site.left() == [],
              "options before a key are refused", done)

with Site() as site:
    done = site.mayfly("create", "web", *EVERYTHING, "--dry-run")
    tap.check(done.returncode == 0 and b"env=prod" in done.stdout and b"PRIVATE" not in done.stdout and
              not site.keeper_calls() and site.left() == [], "create --dry-run prints it all and makes nothing", done)
    done = site.mayfly("run", "--ttl", "1h", "--dry-run", "--", "true")
    tap.check(done.returncode == 0 and not site.keeper_calls() and site.left() == [], "so does run", done)
    site.add("web")
    done = site.mayfly("create", "web", "--ttl", "1h", "--dry-run")
    tap.check(done.returncode == 4 and done.stdout == b"", "--dry-run of a name that is taken: 4", done)
    os.unlink(site.path("state/host-state"))
    done = site.mayfly("create", "db", "--ttl", "1h", "--dry-run")
    tap.check(done.returncode == 1 and b"mayfly host up" in done.stderr, "--dry-run on a host that isn't up: 1", done)

with Site() as site:
    site.mayfly("create", "web", "--ttl", "1h")
    site.keep("web")
    before = len(site.keeper_calls())
    with Keeper(site, lambda request, client: client.send(record(OK))) as keeper:
        done = site.mayfly("destroy", "--dry-run", "web", "none")
        tap.check(done.returncode == 3 and b"web (" in done.stdout and b"with its disk" in done.stdout and
                  one_line(done.stderr) and not keeper.requests and len(site.keeper_calls()) == before,
                  "destroy --dry-run says what would go, and asks nobody", done)
        done = site.mayfly("renew", "--dry-run", "web", "--ttl", "1h")
        tap.check(done.returncode == 0 and b"web would end at " in done.stdout and not keeper.requests,
                  "renew --dry-run says the date, and asks nobody", done)
    wait = threading.Event()
    with Keeper(site, lambda request, client: wait.wait(60)) as keeper:
        started = time.monotonic()
        done = site.mayfly("destroy", "--timeout", "1s", "web")
        took = time.monotonic() - started
        wait.set()
        tap.check(done.returncode == 124 and 0.9 < took < 40 and b"not gone within 1 s" in done.stderr and
                  len(site.keeper_calls()) == before, "destroy --timeout: 124, and the keeper goes on", (took, done))


for mode in ("silent", "stuck"):
    with Site() as site:
        started = time.monotonic()
        done = site.mayfly("create", "web", "--ttl", "1h", "--timeout", "1s", mode=mode)
        took = time.monotonic() - started
        ident = site.keeper_calls()[0].split()[1]
        site.end_played(ident)
        tap.check(done.returncode == 124 and 0.9 < took < 40 and one_line(done.stderr) and b"within 1 s" in done.stderr and
                  f"--destroy {ident} --force" in site.keeper_calls() and os.listdir(f"{site.state}/spool") == [],
                  f"create --timeout with a {mode} keeper: 124, and what there is is destroyed", (took, done))


def on_terminal(site, mode, **environment):
    """create with a terminal for stderr: what was drawn."""
    ours, theirs = pty.openpty()
    env = {**site.environment(mode), "TERM": "xterm", **environment}
    process = subprocess.Popen(["build/bin/mayfly", "--config", site.config, "create", "web", "--ttl", "1h"], env=env,
                               stdout=subprocess.PIPE, stderr=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    drawn = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        drawn += piece
    os.close(ours)
    return process.wait(30), drawn


with Site() as site:
    code, drawn = on_terminal(site, "slow")
    tap.check(code == 0 and drawn.startswith(b"\r\x1b[Kstarting web") and b"starting web: tap\r\x1b[Kstarting web: guest\\x1b[2J" in drawn and
              drawn.endswith(b"\r\x1b[K") and b"\n" not in drawn,
              "a start of more than a second: one line on the terminal, drawn over, erased at the end", drawn)
with Site() as site:
    for _ in range(20):  # on a busy machine one start or another may not be quick
        began = time.monotonic()
        code, drawn = on_terminal(site, "ready")
        if time.monotonic() - began < 1:
            break
        for path in site.left():
            os.unlink(path)
    tap.check(code == 0 and drawn == b"", "a quick start draws nothing", drawn)
with Site() as site:
    code, drawn = on_terminal(site, "slow", TERM="dumb")
    tap.check(code == 0 and drawn == b"", "a terminal that can't erase is left alone", drawn)
with Site() as site:  # no verb has colours at all; NO_COLOR has nothing to switch off
    site.add("web")
    for words in (["ls"], ["ls", "-a"], ["doctor"], ["help"], ["image"], ["nonsense"]):
        process = subprocess.run(["script", "-qec", " ".join(["build/bin/mayfly", "--config", site.config, *words]), "/dev/null"],
                                 env={**site.environment("bad-news"), "TERM": "xterm", "NO_COLOR": "1"}, capture_output=True)
        tap.check(process.stdout and b"\x1b" not in process.stdout, f"{' '.join(words)} on a terminal: no colour", process)
with Site() as site:
    done = site.mayfly("create", "web", "--ttl", "1h", mode="slow")
    tap.check(done.returncode == 0 and done.stderr == b"", "off a terminal nothing is drawn", done)
tap.end()
