#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 exists, 5 residue, 124 timed out; run, exec and ssh pass the guest's on,
125 (ssh: 255) is mayfly's own failure there. (124 by --timeout: test_request.py.)"""
import re
import struct
import subprocess

from support import CONNECT, DESTROY, ERROR, ID, MAYFLY, OK, Keeper, Site, Tap, one_line, pass_stream, record

tap = Tap()
text = subprocess.run([MAYFLY, "help"], capture_output=True, text=True, check=True).stdout
verbs = re.findall(r"^  ([a-z-]+) ", text, re.M)
# how a verb is asked about a sandbox, where it is about one
ABOUT = {"show": [], "ssh": [], "exec": ["--", "true"], "logs": [], "console": [], "stop": [], "start": [], "set": ["--reason", "x"],
         "renew": ["--ttl", "1h"], "destroy": [], "stats": [], "verify": [], "history": [], "who": None, "ports": None}
NO_SANDBOX = {"create", "run", "ls", "reap", "host", "doctor", "completion", "version", "help", "audit", "image", "kernel", "ssh-config", "cp"}
REST = {"ports": ["ls", "nobody"], "ssh-config": ["nobody"], "cp": ["nobody:/etc/hosts", "/dev/null"], "image": ["show", "nothing"],
        "kernel": ["show", "nothing"]}

tap.check(set(verbs) <= ABOUT.keys() | NO_SANDBOX, "every verb is in this table", set(verbs) - ABOUT.keys() - NO_SANDBOX)


def codes(site, *cases):
    for words, code, mode, lines in cases:
        done = site.mayfly(*words, mode=mode)
        tap.check(done.returncode == code and (lines is None or done.stderr.count(b"\n") == lines),
                  f"{code}: {' '.join(words)} ({mode})", done)


with Site() as site:
    for verb in verbs:
        done = site.mayfly(verb, "--no-such-option")
        tap.check(done.returncode == 2 and one_line(done.stderr) and not done.stdout, f"2: {verb} --no-such-option", done)
        words = [verb, "nobody", *ABOUT[verb]] if ABOUT.get(verb) is not None else [verb, *REST.get(verb, [])]
        if ABOUT.get(verb) is not None or verb in REST:
            done = site.mayfly(*words)
            tap.check(done.returncode == 3 and one_line(done.stderr), f"3: {' '.join(words)}", done)
    for verb in set(verbs) & {"destroy", "start", "stop", "stats"}:
        done = site.mayfly(verb, "nobody", "a_b", "noone")
        tap.check(done.returncode == 1 and done.stderr.count(b"\n") == 3, f"1: {verb} of three that fail differently: each is told", done)
        done = site.mayfly(verb, "nobody", "noone")
        tap.check(done.returncode == 3 and done.stderr.count(b"\n") == 2, f"3: {verb} of two that aren't there", done)
    codes(site,
          (["version"], 0, "ready", 0), (["help"], 0, "ready", 0), (["ls"], 0, "ready", 0), (["ports"], 0, "ready", 0),
          (["stats"], 0, "ready", 0), (["completion", "bash"], 0, "ready", 0), (["host", "up"], 0, "ready", 0),
          (["reap"], 0, "good-news", 0), (["reap"], 1, "killed", 1), (["host", "up"], 1, "killed", 1),
          (["verify", ID], 5, "residue", 1), (["doctor", "--only", "tap"], 0, "bad-news", 0),
          (["doctor", "--only", "virtualisation"], 1, "bad-news", 0), (["doctor", "--only", "luck"], 2, "ready", 1),
          (["create", "web", "--ttl", "1h"], 4, "exists", 1), (["create", "web", "--ttl", "1h"], 1, "hostile", 1),
          (["create", "web", "--ttl", "1h"], 1, "die", None), (["run", "--ttl", "1h", "--", "true"], 125, "die", None),
          (["run", "--ttl", "1h", "--", "true"], 7, "ready", None),
          (["run", "--ttl", "1h", "--", "true"], 4, "exists", None),
          (["create", "web", "--ttl", "1h", "-q"], 0, "ready", 0))


def agent(code):
    def play(stream):
        stream.recv(65536)
        stream.sendall(struct.pack("<IIII", 50, 8, code, 0))

    def answer(request, client):
        if request["kind"] == CONNECT:
            pass_stream(client, play)
        else:
            client.send(record(OK))
    return answer


with Site() as site:
    site.add("web")
    codes(site, (["exec", "web", "--", "true"], 125, "ready", 1), (["ssh", "--stdio", "web"], 255, "ready", 1),
          (["create", "web", "--ttl", "1h"], 4, "ready", 1))
    for code in (0, 1, 3, 125, 126, 127, 137, 255):
        with Keeper(site, agent(code)):
            codes(site, (["exec", "web", "--", "true"], code, "ready", 0))
    for code, wanted in ((5, 5), (1, 0)):  # the tool takes over from a keeper that fails otherwise
        with Keeper(site, lambda request, client: client.send(record(ERROR if request["kind"] == DESTROY else OK, code, "no"))):
            codes(site, (["destroy", "web"], wanted, "ready", None))
    with Keeper(site, lambda request, client: client.send(record(ERROR, 1, "no"))):
        codes(site, (["renew", "web", "--ttl", "1h"], 1, "ready", 1), (["destroy", "web"], 5, "residue", None))
    with Keeper(site, lambda request, client: client.send(record(OK))):
        codes(site, (["renew", "web", "--ttl", "1h"], 0, "ready", 0), (["destroy", "web"], 0, "ready", 0),
              (["destroy", "web", "nobody"], 3, "ready", 1))
with Site() as site:
    bad = site.write("bad.toml", b"[site]\nttl = 1\n")
    for verb in set(verbs) - {"help", "version", "completion"}:
        if verb not in ABOUT or ABOUT[verb] is None:
            continue
        done = site.mayfly("--config", bad, verb, "web", *ABOUT[verb], config=False)
        tap.check(done.returncode == 2 and one_line(done.stderr) and b"bad.toml:2:1" in done.stderr,
                  f"2: {verb} with a bad configuration", done)
    for words in (["ls"], ["help"], ["doctor"], ["nonsense"]):
        done = site.mayfly(*words)
        tap.check(b"\x1b" not in done.stdout + done.stderr, f"{words[0]}: no colour, no terminal's codes", done)
tap.end()
