#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""The verbs that talk to a sandbox that is there: through its control socket, or through the keeper as a tool."""
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import time

from support import (CONNECT, DESTROY, ENDED, ERROR, ID, ITEM, MAYFLY, OK, RENEW, Keeper, OldKeeper, Site, Tap, frame, one_line, pass_stream,
                     receive, record)

tap = Tap()


def agent(play):
    def answer(request, client):
        if request["kind"] == CONNECT and request["port"] == 2:
            pass_stream(client, play)
        else:
            client.send(record(ERROR, 1, "no such port"))
    return answer


def echo(stream):
    """START's texts to stdout, stdin to stderr, exit 3."""
    kind, length = struct.unpack("<II", receive(stream, 8))
    words = receive(stream, length)
    stream.sendall(frame(48, words[16:]))
    while (head := struct.unpack("<II", receive(stream, 8))) != (33, 0):
        stream.sendall(frame(49, receive(stream, head[1])))
    stream.sendall(frame(50, struct.pack("<II", 3, 0)))


with Site() as site:
    site.add("web")
    with Keeper(site, agent(echo)):
        done = site.mayfly("exec", "-u", "dev", "-w", "/srv", "-e", "A=1", "web", "--", "ls", "-l", stdin=b"some input")
        tap.check(done.returncode == 3 and done.stdout == b"dev\0/srv\0ls\0-l\0A=1\0" and done.stderr == b"some input",
                  "exec: user, directory, words, environment; streams; the exit code", done)
        done = site.mayfly("exec", ID, "true", "--ttl", "x")
        tap.check(done.returncode == 3 and done.stdout == b"\0\0true\0--ttl\0x\0",
                  "exec by id and without --: options behind the name are the command's", done)
    with Keeper(site, agent(lambda stream: stream.recv(1))):
        done = site.mayfly("exec", "web", "--", "x" * 70000)
        tap.check(done.returncode == 2 and one_line(done.stderr), "exec of too long a command: 2", done)
    with Keeper(site, lambda request, client: client.send(record(ERROR, 1, "it is ending\x1b[2J"))):
        done = site.mayfly("exec", "web", "--", "true")
        tap.check(done.returncode == 125 and one_line(done.stderr) and b"\x1b" not in done.stderr,
                  "exec that the keeper refuses: 125, in clean words", done)
    with Keeper(site, lambda request, client: None):
        done = site.mayfly("exec", "web", "--", "true")
        tap.check(done.returncode == 125 and b"went away" in done.stderr, "exec while the keeper goes: 125", done)
    with Keeper(site, lambda request, client: client.send(record(OK))):
        done = site.mayfly("exec", "web", "--", "true")
        tap.check(done.returncode == 125 and b"no stream" in done.stderr, "CONNECT without a descriptor: 125", done)
    with Keeper(site, lambda request, client: client.send(b"short")):
        done = site.mayfly("exec", "web", "--", "true")
        tap.check(done.returncode == 125 and one_line(done.stderr), "an answer of the wrong size: 125", done)


def banner(stream):
    stream.sendall(b"SSH-2.0-test\r\n")
    while data := stream.recv(4096):
        stream.sendall(data.upper())


with Site() as site:
    site.add("web")
    with Keeper(site, lambda request, client: pass_stream(client, banner)) as keeper:
        done = site.mayfly("ssh", "--stdio", "web", stdin=b"hello" * 100000)
        tap.check(done.returncode == 0 and done.stdout == b"SSH-2.0-test\r\n" + b"HELLO" * 100000 and
                  keeper.requests[0]["port"] == 22, "ssh --stdio carries both ways to port 22, with half-close", len(done.stdout))
    # a PATH with an ssh that only says how it was called
    tool = f"{site.dir}/bin"
    os.mkdir(tool)
    site.write("bin/ssh", b'#!/bin/sh\nprintf "%s\\n" "$@"\nexit 17\n', 0o755)
    folder = f"{site.state}/sandboxes/{ID}"
    for name in ("known_hosts", "ssh-key"):
        open(f"{folder}/{name}", "w").close()
    done = site.mayfly("ssh", "web")
    tap.check(done.returncode == 255 and b"web is not running" in done.stderr and one_line(done.stderr),
              "ssh to one that isn't running: one line, and ssh isn't started", done)
    with Keeper(site, lambda request, client: None):
        done = subprocess.run([MAYFLY, "--config", site.config, "ssh", "web", "--", "ls", "-la"], capture_output=True, text=True,
                              env={**os.environ, "PATH": f"{tool}:{os.environ['PATH']}"})
    words = done.stdout.splitlines()
    tap.check(done.returncode == 17 and words[-4:] == ["--", "web", "ls", "-la"] and "StrictHostKeyChecking yes" in words and
              f"UserKnownHostsFile={folder}/known_hosts" in words and "IdentitiesOnly=yes" in words and
              f"ProxyCommand={MAYFLY} --config {site.config} ssh --stdio web" in words and
              words[words.index("-l") + 1] == "dev", "ssh: pinned host key, its own identity, our stdio; ssh's exit code", done)
    site.write(f"run/{ID}/known_hosts", b"")
    with Keeper(site, lambda request, client: None):
        done = subprocess.run([MAYFLY, "--config", site.config, "ssh", "-tA", "-L", "8080:localhost:80", "-o", "LogLevel=ERROR", "web", "-x"],
                              capture_output=True, text=True, env={**os.environ, "PATH": f"{tool}:{os.environ['PATH']}"})
    words = done.stdout.splitlines()
    tap.check(words[words.index("-t"):words.index("-l")] == ["-t", "-A", "-L", "8080:localhost:80", "-o", "LogLevel=ERROR"] and
              words[-3:] == ["--", "web", "-x"] and words.index("StrictHostKeyChecking yes") < words.index("-t"),
              "ssh's own options go to it, behind ours; what follows the name is the command's", words)
    done = site.mayfly("ssh-config", "web")
    text = done.stdout.decode()
    tap.check(done.returncode == 0 and text.startswith("Host web.mayfly\n") and f"    UserKnownHostsFile {site.run}/{ID}/known_hosts\n" in text and
              f"    ProxyCommand {MAYFLY} --config {site.config} ssh --stdio web\n" in text and "    HostKeyAlias web\n" in text and
              f"    IdentityFile {folder}/ssh-key\n" in text, "ssh-config of one", text)
    site.add("broken", "fedcba9876543210")
    done = site.mayfly("ssh-config")
    tap.check(done.returncode == 0 and b"Host web.mayfly\n" in done.stdout and b"\n# broken: its host key" in b"\n" + done.stdout and
              b"Host broken" not in done.stdout, "ssh-config of all: who can't be reached is a comment", done)
    done = site.mayfly("ssh-config", "nosuch")
    tap.check(done.returncode == 3 and one_line(done.stderr), "ssh-config of none: 3", done)
    os.unlink(site.path(f"run/{ID}/known_hosts"))
    os.unlink(f"{folder}/known_hosts")
    with Keeper(site, lambda request, client: None):
        done = site.mayfly("ssh", "web")
    tap.check(done.returncode == 255 and b"host key" in done.stderr, "ssh without a pinned host key refuses", done)

with Site() as site:
    site.add("web")
    with Keeper(site, lambda request, client: client.send(record(OK))) as keeper:
        before = int(time.time())
        done = site.mayfly("renew", "web", "--ttl", "2h", "--reason", "one more look")
        request = keeper.requests[0]
        tap.check(done.returncode == 0 and request["kind"] == RENEW and 7200 <= request["deadline"] - before <= 7210 and
                  request["reason"] == "one more look" and request["who"] != "", "renew: from now, who and why", (done, request))
    with Keeper(site, lambda request, client: client.send(record(ERROR, 1, "its date has come"))):
        done = site.mayfly("renew", "web", "--ttl", "2h")
        tap.check(done.returncode == 1 and b"its date has come" in done.stderr and done.stdout == b"",
                  "renew that the keeper refuses", done)


def destroyed(request, client):
    client.send(record(ITEM, 0, "step"))
    client.send(record(ENDED, 1, "destroyed"))
    client.send(record(OK))


with Site() as site:
    site.add("web")
    with Keeper(site, destroyed) as keeper:
        done = site.mayfly("destroy", "web")
        tap.check(done.returncode == 0 and done.stderr == b"" and keeper.requests[0]["kind"] == DESTROY and
                  keeper.requests[0]["force"] == 0 and not site.keeper_calls(), "destroy through the keeper", done)
        done = site.mayfly("rm", "-f", "web")
        tap.check(done.returncode == 0 and keeper.requests[1]["force"] == 1, "rm -f asks for no graceful stop", done)
    with OldKeeper(site, destroyed) as keeper:
        done = site.mayfly("destroy", "-f", "web")
        tap.check(done.returncode == 0 and keeper.requests[0]["kind"] == DESTROY and keeper.requests[0]["force"] == 1 and
                  not site.keeper_calls(), "destroy through a keeper from before an upgrade", (done, site.keeper_calls()))
    with OldKeeper(site, lambda request, client: client.send(record(OK))) as keeper:
        done = site.mayfly("renew", "web", "--ttl", "2h", "--reason", "one more look")
        tap.check(done.returncode == 0 and keeper.requests[0]["kind"] == RENEW and
                  keeper.requests[0]["deadline"] > time.time() + 7000 and keeper.requests[0]["reason"] == "one more look" and
                  keeper.requests[0]["who"] != "", "renew by it", (done, keeper.requests))
        done = site.mayfly("exec", "web", "true")
        tap.check(done.returncode == 125 and b"mayfly ssh" in done.stderr and one_line(done.stderr) and
                  len(keeper.requests) == 1, "its guest speaks another version too: the way that is left is named", done)
        done = site.mayfly("set", "web", "--balloon", "64M")
        tap.check(done.returncode == 1 and b"from before an upgrade" in done.stderr and one_line(done.stderr) and
                  len(keeper.requests) == 1, "what it can't do is said in one line", done)
    done = site.mayfly("destroy", "web")
    tap.check(done.returncode == 0 and site.keeper_calls() == [f"--destroy {ID}"], "destroy without a keeper: by the tool",
              (done, site.keeper_calls()))
    with Keeper(site, lambda request, client: None):
        done = site.mayfly("destroy", "web")
        tap.check(done.returncode == 0 and site.keeper_calls()[-1] == f"--destroy {ID} --force",
                  "destroy of one whose keeper goes away: by the tool, with force", (done, site.keeper_calls()))
    done = site.mayfly("destroy", "web", mode="residue")
    tap.check(done.returncode == 5 and b"web: 1 kinds are there" in done.stderr and b"the tap is there" in done.stderr,
              "destroy that leaves something: 5, and what", done)
    done = site.mayfly("destroy", "web", mode="killed")
    tap.check(done.returncode == 1 and b"killed by signal 9" in done.stderr, "a tool that dies is told", done)
    site.add("db", "fedcba9876543210")
    with Keeper(site, destroyed):
        done = site.mayfly("destroy", "nosuch", "web", "a_b", "db")
        tap.check(done.returncode == 1 and done.stderr.count(b"\n") == 2 and b"nosuch" in done.stderr and
                  b"a_b" in done.stderr and site.keeper_calls()[-1] == "--destroy fedcba9876543210",
                  "several: all that can be done is done, each failure is told", (done, site.keeper_calls()))

with Site() as site:
    done = site.mayfly("reap", "--dry-run", mode="good-news")
    tap.check(done.returncode == 0 and done.stdout == b"web: gate: loaded\n" and site.keeper_calls() == ["--reap --dry-run"],
              "reap --dry-run prints the tool's findings", done)
    done = site.mayfly("host", "up")
    tap.check(done.returncode == 0 and site.keeper_calls()[-1] == "--host-up", "host up", done)
    done = site.mayfly("host", "down", "--force")
    tap.check(done.returncode == 0 and site.keeper_calls()[-1] == "--host-down --force", "host down --force", done)
    done = site.mayfly("verify", ID, mode="residue")
    tap.check(done.returncode == 5 and b"the tap is there" in done.stdout and
              one_line(done.stderr),
              "verify that finds something: 5", done)
    done = site.mayfly("doctor", mode="bad-news")
    tap.check(done.returncode == 1 and b"ok   tap: opens" in done.stdout and done.stderr == b"" and
              b"BAD  virtualisation: none\\x1b[31m. Mend" in done.stdout and b"did not run" not in done.stdout,
              "doctor: findings with their mend", done)
    done = site.mayfly("doctor", "--format", "json", mode="bad-news")
    found = json.loads(done.stdout)
    by_check = {row["check"]: row for row in found}
    tap.check(done.returncode == 1 and len(by_check) == len(found) and
              by_check["tap"] == {"check": "tap", "level": "ok", "text": "opens", "mend": None} and
              by_check["smt"] == {"check": "smt", "level": "note", "text": "on", "mend": "think"} and
              by_check["virtualisation"]["mend"] == "buy some" and by_check["image"]["level"] == "ok",
              "doctor in JSON", done)
    done = site.mayfly("doctor", "--only", "tap", mode="bad-news")
    tap.check(done.returncode == 0 and done.stdout == b"ok   tap: opens\n", "doctor --only", done)
    for words, mode in (([], "killed"), ([], "refuses"), (["--only", "tap"], "refuses"), ([], "ready")):
        done = site.mayfly("doctor", *words, mode=mode)
        tap.check(done.returncode == 1 and b"did not run" in done.stdout,
                  f"doctor {' '.join(words)} with a keeper that doesn't look ({mode})", done)

with Site() as site:
    done = site.mayfly("--format", "json", "ls")
    tap.check(done.returncode == 0 and json.loads(done.stdout) == [], "ls in JSON where nothing is", done)
    site.add("web")
    done = site.mayfly("ls", "-a", "--format", "json")
    tap.check([(e["id"], e["state"]) for e in json.loads(done.stdout)] == [(ID, "broken")], "ls -a shows what is broken", done)
    done = site.mayfly("ls")
    tap.check(done.returncode == 0 and one_line(done.stdout) and done.stdout.startswith(b"NAME"), "ls does not", done)
    done = site.mayfly("show", "web")
    tap.check(done.returncode == 0 and re.search(rb"state +broken", done.stdout), "show of a broken one", done)


def ring(text, size=4096, written=None):
    data = bytearray(size)
    start = max(0, len(text) - size)
    for i, byte in enumerate(text[start:], start):
        data[i % size] = byte
    return struct.pack("<QQ", len(text) if written is None else written, size) + bytes(data)


def logs_of_a_flood(site, path):
    """Output that is taken slowly, of a console that fills faster: whether it comes to an end."""
    out, into = os.pipe()
    fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, 4096)
    os.write(into, bytes(4096))
    logs = site.start("logs", "web", stdout=into)
    os.close(into)
    written = 4096
    with open(path, "r+b") as console:
        for _ in range(1000):
            written += 512
            os.pwrite(console.fileno(), written.to_bytes(8, "little"), 0)
            time.sleep(0.005)
            if logs.poll() is not None:
                break
            os.read(out, 256)
    os.close(out)
    logs.kill()
    return logs.wait() == 0


def on_terminal(site, *args):
    """Output of the CLI on a terminal of its own."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(MAYFLY, [MAYFLY, "--config", site.config, *args])
    data = b""
    try:
        while more := os.read(fd, 65536):
            data += more
    except OSError:
        pass
    os.close(fd)
    os.waitpid(pid, 0)
    return data


with Site() as site:
    site.add("web")
    console = f"run/{ID}/console"
    done = site.mayfly("logs", "web")
    tap.check(done.returncode == 1 and b"web has written nothing yet" in done.stderr, "logs of one without a console", done)
    site.write(console, ring(b"boot\x1b[31m\nlogin\n"))
    done = site.mayfly("logs", "web")
    tap.check(done.stdout == b"boot\x1b[31m\nlogin\n", "logs into a pipe are what was written", done)
    text = on_terminal(site, "logs", "web")
    tap.check(b"boot\\x1b[31m" in text and b"\x1b" not in text, "logs on a terminal are escaped", text)
    long = b"".join(b"line %d\n" % i for i in range(3000))
    site.write(console, ring(long))
    done = site.mayfly("logs", "web")
    tap.check(done.stdout == long[-4096:], "a ring that has turned: its last bytes, in order", len(done.stdout))
    done = site.mayfly("logs", "--tail", "2", "web")
    tap.check(done.stdout == b"line 2998\nline 2999\n", "logs --tail", done)
    site.write(console, ring(b"one\r\nmayfly-init: two\r\nnot mayfly-init: three\nmayfly-init: four\nmayfly-init: half"))
    done = site.mayfly("logs", "--source", "agent", "web")
    tap.check(done.stdout == b"mayfly-init: two\r\nmayfly-init: four\nmayfly-init: half", "logs --source agent", done)
    done = site.mayfly("logs", "--source", "agent", "--tail", "1", "web")
    tap.check(done.stdout == b"mayfly-init: half", "logs --source agent --tail", done)
    site.write(console, ring(b"x" * 10000 + b"\n\0\n", size=65536))
    done = site.mayfly("logs", "--tail", "2", "web")
    tap.check(done.stdout == b"x" * (10000 - 8192) + b"\n?\n", "a long line counts as several, a NUL is no end", done.stdout[:100])
    done = site.mayfly("logs", "--source", "keeper", "web")
    tap.check(done.returncode == 1 and b"has said nothing yet" in done.stderr, "a keeper without a log", done)
    log = f"state/sandboxes/{ID}/keeper.log"
    site.write(log + ".old", b"2026-01-01T00:00:00Z created\n")
    site.write(log, b"2026-01-02T00:00:00Z warning: \x1b[2J\n2026-01-03T00:00:00Z last\n")
    done = site.mayfly("logs", "--source", "keeper", "web")
    tap.check(done.stdout.count(b"\n") == 3 and done.stdout.startswith(b"2026-01-01"), "the keeper's log, the older file first", done)
    done = site.mayfly("logs", "--source", "keeper", "--since", "2026-01-02T12:00Z", "web")
    tap.check(done.stdout == b"2026-01-03T00:00:00Z last\n", "logs --since a date", done)
    done = site.mayfly("logs", "--source", "keeper", "--since", "1h", "web")
    tap.check(done.returncode == 0 and done.stdout == b"", "logs --since a duration", done)
    for bad in (["--tail", "-1"], ["--tail", "x"], ["--since", "yesterday", "--source", "keeper"], ["--source", "guest"]):
        done = site.mayfly("logs", *bad, "web")
        tap.check(done.returncode == 2 and one_line(done.stderr), f"logs {' '.join(bad)}: refused in one line", done)
    for name, data in [("a head from nowhere", ring(b"x", written=2**64 - 1)), ("an empty file", b""),
                       ("only a head", bytes(16)), ("a half head", bytes(5))]:
        site.write(console, data)
        done = site.mayfly("logs", "web", timeout=60)
        tap.check(done.returncode in (0, 1) and len(done.stdout) <= 4096, f"logs of {name}: bounded", done.returncode)
    site.write(console, ring(b"x" * 4096))
    tap.check(logs_of_a_flood(site, site.path(console)), "logs of a guest that writes faster than we print come to an end")
    os.unlink(site.path(console))
    open(f"{site.state}/sandboxes/{ID}/console-tail", "wb").write(b"the last words\n")
    done = site.mayfly("logs", "-f", "web")
    tap.check(done.returncode == 0 and done.stdout == b"the last words\n", "logs of one that has stopped", done)
tap.end()
