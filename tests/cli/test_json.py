#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""Every verb that takes --format json has a schema, and what it prints holds to it. Real sandboxes: tests/e2e/test_json."""
import glob
import json
import os
import re
import subprocess
import sys

from support import ID, MAYFLY, OK, TREE, Keeper, Site, Tap, one_line, record

sys.path.insert(0, f"{TREE}/tests/support")
import schema

tap = Tap()


def help_of(*words):
    return subprocess.run([MAYFLY, "help", *words], capture_output=True, text=True, check=True).stdout


verbs = re.findall(r"^  ([a-z-]+) ", help_of(), re.M)
json_verbs = {verb for verb in verbs if "--format" in help_of(verb)}
# hook.json is what notices.hook reads: tests/keeper/test_notices
written = {os.path.basename(path)[:-5] for path in glob.glob(f"{schema.FOLDER}/*.json")} - {"hook"}
tap.check(json_verbs == written, "a schema for each verb with --format, and for no other", json_verbs ^ written)
with open(f"{TREE}/docs/json.md", encoding="utf-8") as f:
    page = f.read()
tap.check(all(f"`{verb}" in page for verb in written), "docs/json.md names them all", [v for v in written if f"`{v}" not in page])
seen = set()


def holds(site, verb, *words, code=0, mode="ready", **more):
    done = site.mayfly(verb, *words, "--format", "json", mode=mode, **more)
    wrong = schema.check(verb, done.stdout)
    tap.check(done.returncode == code and not wrong and (one_line(done.stderr) if code not in (0,) and verb != "doctor" else True),
              f"{verb} {' '.join(words)} ({mode}): exit {code}, as its schema says", (wrong, done))
    seen.add(verb)
    return json.loads(done.stdout) if done.stdout else None


# the validator finds what is wrong
for value, rule, part in ((1, {"type": "string"}, "is not string"), (True, {"type": "integer"}, "is not integer"),
                          ({}, {"required": ["a"]}, "a is missing"), ([1, "x"], {"items": {"type": "integer"}}, "[1]"),
                          ({"b": 1}, {"properties": {}, "additionalProperties": False}, "b is not in the schema"),
                          ("x", {"enum": ["y"]}, "none of"), ("x", {"pattern": "^y"}, "match"), (-1, {"minimum": 0}, "range"),
                          (1, {"anyOf": [{"type": "string"}, {"type": "null"}]}, "is not"), (1, {"oneOf": []}, "the schema has")):
    tap.check(part in " ".join(schema.problems(value, rule)), f"the validator sees {part}", schema.problems(value, rule))

with Site() as site:
    holds(site, "version")
    holds(site, "ls")
    holds(site, "ports")
    holds(site, "stats")
    holds(site, "history")
    holds(site, "who")
    holds(site, "audit", mode="ready")
    for verb in ("image", "kernel"):
        rows = holds(site, verb, "ls")
        tap.check([row["name"] for row in rows] == ["default"], f"{verb} ls", rows)
        holds(site, verb, "show", "default")
    plan = holds(site, "create", "web", "--ttl", "1h", "--label", "a=b", "--dry-run")
    tap.check(plan and plan["name"] == "web" and plan["labels"] == {"a": "b"}, "create --dry-run", plan)
    holds(site, "destroy", "web", code=3)
    holds(site, "doctor", mode="bad-news", code=1)
    holds(site, "doctor", "--only", "tap", mode="bad-news")
    holds(site, "reap", mode="good-news")
    holds(site, "reap", "--dry-run", mode="good-news")
    holds(site, "host", "up", mode="good-news")
    holds(site, "host", "down", mode="ready")
    found = holds(site, "verify", ID, mode="residue", code=5)
    tap.check(found == [{"name": None, "id": ID, "kind": None, "object": None, "identity": None, "made": None, "absent": None,
                        "absent_by": None, "ok": False, "now": "the tap is there", "now_by": None}], "verify's finding", found)
    for verb in ("start", "stop"):
        holds(site, verb, "nobody", code=3)
    site.add("web")
    # a guest's worst bytes, one line without an end, and what a keeper says
    site.write(f"state/sandboxes/{ID}/console-tail", b"boot\r\n\xff\xed\xa0\x80\xf5\x80\x80\x80\xc0\xaf\x1b[2J\0\"\n" + b"\xff" * 5000 + b"\nmayfly-init: up\nlast")
    site.write(f"state/sandboxes/{ID}/keeper.log", b"2026-01-01T00:00:00Z info: made\n2026-01-02T00:00:00Z info: \xe2\x82\xac\nodd\n")

    def logs(*words):
        done = site.mayfly("logs", "web", "--format", "json", *words)
        lines = done.stdout.decode().splitlines()
        wrong = [schema.check("logs", line) for line in lines]
        tap.check(done.returncode == 0 and not any(wrong), f"logs {' '.join(words)}: each line as its schema says", (wrong, done))
        seen.add("logs")
        return [tuple(json.loads(line).values()) for line in lines]
    got = logs()
    tap.check([text for _, _, text in got[:2] + got[4:]] == ["boot", r'\xff\xed\xa0\x80\xf5\x80\x80\x80\xc0\xaf\x1b[2J?"', "mayfly-init: up", "last"] and
              [len(text) for _, _, text in got[2:4]] == [4 * 4096, 4 * 904] and {row[:2] for row in got} == {("console", None)},
              "a console's lines, made harmless", [(s, t, len(text), text[:80]) for s, t, text in got])
    tap.check(logs("--tail", "1") == [("console", None, "last")], "the last one")
    tap.check(logs("--source", "agent") == [("agent", None, "mayfly-init: up")], "the agent's")
    tap.check(logs("--source", "keeper", "--since", "2026-01-02T00:00Z") ==
              [("keeper", "2026-01-02T00:00:00Z", "info: \u20ac"), ("keeper", None, "odd")], "the keeper's with their times")

    def answer(request, client):
        client.send(record(OK))
    with Keeper(site, answer):
        found = holds(site, "renew", "web", "--ttl", "2h")
        tap.check(found and found["name"] == "web" and found["id"] == ID and not found["dry_run"], "renew", found)
        found = holds(site, "destroy", "web", "nobody", code=3)
        tap.check([(row["name"], row["id"], row["ok"]) for row in found] == [("web", ID, True), ("nobody", None, False)],
                  "destroy of two: each is told", found)
    for words in (["show", "nobody"], ["ls", "x"], ["renew", "nobody", "--ttl", "1h"], ["create", "a_b"]):
        done = site.mayfly(*words, "--format", "json")
        tap.check(done.returncode in (2, 3) and done.stdout == b"" and one_line(done.stderr),
                  f"{' '.join(words)}: an error is one line on stderr, and nothing on stdout", done)
    done = site.mayfly("ls", "--format", "yaml")
    tap.check(done.returncode == 2 and b"neither table nor json" in done.stderr, "--format yaml", done)
tap.check(written - seen == {"show", "set"}, "every schema was held against output here, or (show, set) in tests/e2e/test_json",
          written - seen)
tap.end()
