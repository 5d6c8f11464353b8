#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""Every wrong flag, value, name, size, life, file or key: one line that says what and where, the exit code, nothing made."""
import os
import shutil
import subprocess

from support import MAYFLY, Site, Tap, one_line

tap = Tap()
# (arguments, exit code, what the line says)
CASES = [
    ([], 2, "which verb?"),
    (["frobnicate"], 2, "frobnicate: no such verb"),
    (["--frob", "ls"], 2, "--frob: no such option"),
    (["--config"], 2, "--config: needs a value"),
    (["--config", "/nonexistent.toml", "ls"], 2, "/nonexistent.toml: No such file"),
    (["--format", "xml", "ls"], 2, "--format xml: neither table nor json"),
    (["help", "frob"], 2, "frob: no such verb"),
    (["version", "x"], 2, "version: too many words"),
    (["ssh-config", "--format", "json", "web"], 2, "--format: no such option here"),
    (["create"], 2, "create: the name is missing"),
    (["create", "a", "b"], 2, "one name, please"),
    (["create", ""], 2, "not a name"),
    (["create", "-n"], 2, "-n: no such option here"),
    (["create", "--", "-web"], 2, "-web: not a name"),
    (["create", "web_1"], 2, "web_1: not a name"),
    (["create", "../web"], 2, "../web: not a name"),
    (["create", "a" * 41], 2, "not a name"),
    (["create", "0123456789abcdef"], 2, "is as an id is"),
    (["create", "w\x1b[2Jb"], 2, "w\\x1b[2Jb: not a name"),
    (["create", "web", "--ttl"], 2, "--ttl: needs a value"),
    (["create", "web", "--ttl", "7"], 2, "--ttl 7: not a life"),
    (["create", "web", "--ttl", "-7d"], 2, "--ttl -7d: not a life"),
    (["create", "web", "--ttl", "0s"], 2, "--ttl 0s: not a life"),
    (["create", "web", "--ttl", "91d"], 2, '[site] max_ttl = "90d" refuses --ttl 91d'),
    (["create", "web", "--ttl", "99999999999999999999d"], 2, "not a life"),
    (["create", "web", "--until", "2020-01-01"], 2, "in the past; this site grants at most 90d"),
    (["create", "web", "--until", "2020-02-30"], 2, "not a date"),
    (["create", "web", "--until", "9999-01-01"], 2, '[site] max_ttl = "90d" refuses --until 9999-01-01'),
    (["create", "web", "--ttl", "1d", "--until", "2030-01-01"], 2, "give one of them"),
    (["create", "web", "-m", "12"], 2, "--memory 12: must be 16M to 64G, in steps of 2M"),
    (["create", "web", "-m", "17M"], 2, "in steps of 2M"),
    (["create", "web", "--memory", "128G"], 2, "--memory 128G: must be 16M to 64G"),
    (["create", "web", "--memory", "lots"], 2, "--memory lots: not a size"),
    (["create", "web", "--disk", "0"], 2, "--disk 0: not a size"),
    (["create", "web", "--disk", "1M"], 2, "--disk 1M: must be 64M to 16T"),
    (["create", "web", "--owner", "a b"], 2, "--owner a b: not a name"),
    (["create", "web", "--hostname", "a.b"], 2, "--hostname a.b: not a name"),
    (["create", "web", "-c", "0"], 2, "--cpus 0: must be a whole number, 1 to 8"),
    (["create", "web", "--cpus", "9"], 2, "--cpus 9: must be a whole number, 1 to 8"),
    (["create", "web", "--cpus", "1.5"], 2, "--cpus 1.5: must be a whole number"),
    (["create", "web", "--cpu-weight", "10001"], 2, "--cpu-weight 10001: must be a whole number, 1 to 10000"),
    (["create", "web", "--cpu-max", "0"], 2, "--cpu-max 0: must be a whole number, 1 to 800"),
    (["create", "web", "--cpu-max", "50%"], 2, "--cpu-max 50%: must be a whole number"),
    (["create", "web", "--io-read", "10M,burst=20M"], 2, "--io-read 10M,burst=20M: takes no burst"),
    (["create", "web", "--io-write", "fast"], 2, "--io-write fast: bytes must be a size of 4K to 1T"),
    (["create", "web", "--net-rx-rate", "burst=1M"], 2, "--net-rx-rate burst=1M: has a burst without its rate"),
    (["create", "web", "--net-tx-rate", "10M,,"], 2, "--net-tx-rate 10M,,: write it as 10M"),
    (["create", "web", "--disk-rate", "ops=0"], 2, "--disk-rate ops=0: operations must be a number"),
    (["create", "web", "--disk-rate", "10M,10M"], 2, "--disk-rate 10M,10M: says bytes twice"),
    (["create", "web", "--label", "env"], 2, "--label: env: the value is missing"),
    (["create", "web", "--label", "=x"], 2, "--label: =x: not a label"),
    (["create", "web", "--label", "a b=x"], 2, "--label: a b=x: not a label"),
    (["create", "web", "--label", "a=x\ny"], 2, "the value is one line"),
    (["create", "web", "--reason", "a\nb"], 2, "--reason: one line"),
    (["create", "web", "--reason", "x" * 200], 2, "--reason: too long: at most 199 bytes"),
    (["create", "web", "--person", "anna"], 2, "--person anna: no --ssh-key follows it"),
    (["create", "web", "--person", "", "--ssh-key", "/etc/passwd"], 2, "--person: 1 to 80 bytes"),
    (["create", "web", "--person", "a\nb", "--ssh-key", "/etc/passwd"], 2, "--person: 1 to 80 bytes"),
    (["create", "web", "--timeout", "5"], 2, "--timeout 5: not a time of 1s to 1d"),
    (["create", "web", "--timeout", "2d"], 2, "--timeout 2d: not a time of 1s to 1d"),
    (["run", "--timeout", "0s", "--", "true"], 2, "--timeout 0s: not a time"),
    (["create", "web", "--dry-run=yes"], 2, "--dry-run=yes: no such option here"),
    (["create", "web", "--kernel", "/nonexistent"], 2, "--kernel /nonexistent: No such file"),
    (["create", "web", "--kernel", "/etc/passwd"], 2, "--kernel /etc/passwd: not an uncompressed x86-64 ELF kernel"),
    (["create", "web", "--kernel", "/"], 2, "--kernel /: not a regular file"),
    (["create", "web", "--kernel", "/dev/zero"], 2, "not a regular file"),
    (["create", "web", "--image", "/nonexistent"], 2, "--image /nonexistent: No such file"),
    (["create", "web", "--image", "/etc/passwd"], 2, "--image /etc/passwd: not an erofs image"),
    (["create", "web", "--ssh-key", "/nonexistent"], 2, "--ssh-key: /nonexistent: No such file"),
    (["create", "web", "--ssh-key", "/etc/passwd"], 2, "--ssh-key: /etc/passwd:1: not a public key"),
    (["create", "web", "--ssh-key", "/dev/null"], 2, "not a regular file"),
    (["run", "a", "b"], 2, "one image, please"),
    (["run", "--"], 2, "the command is missing"),
    (["run", "-n", "a_b"], 2, "a_b: not a name"),
    (["run", "--ttl", "91d", "--", "true"], 2, '[site] max_ttl = "90d" refuses --ttl 91d'),
    (["run", "/nonexistent", "--", "true"], 2, "--image /nonexistent: No such file"),
    (["ls", "x"], 2, "ls: too many words"),
    (["ls", "--frob"], 2, "--frob: no such option"),
    (["ls", "--label", "a b"], 2, "--label a b: neither KEY nor KEY=VALUE"),
    (["show"], 2, "show: something is missing"),
    (["show", "web"], 3, "there is no sandbox web"),
    (["show", "web_1"], 2, "web_1: not a name"),
    (["show", "0123"], 3, "there is no sandbox 0123"),
    (["ssh"], 2, "ssh: the name is missing"),
    (["ssh", "web"], 3, "there is no sandbox web"),
    (["ssh", "--stdio", "web"], 3, "there is no sandbox web"),
    (["ssh", "--stdio", "web", "ls"], 2, "--stdio takes no command"),
    (["exec"], 2, "exec: the name is missing"),
    (["exec", "web"], 2, "exec: the command is missing"),
    (["exec", "web", "--"], 2, "exec: the command is missing"),
    (["exec", "-e", "FOO", "web", "--", "true"], 2, "--env FOO: not NAME=VALUE"),
    (["exec", "--timeout", "5", "web", "--", "true"], 2, "--timeout 5: not a time of 1s to 1d"),
    (["create", "web", "--image", "none"], 2, "--image none: neither the name of an image nor a file here"),
    (["create", "web", "--kernel", "none"], 2, "--kernel none: neither the name of a kernel nor a file here"),
    (["exec", "web", "--", "true"], 3, "there is no sandbox web"),
    (["logs"], 2, "logs: the name is missing"),
    (["logs", "web"], 3, "there is no sandbox web"),
    (["stop"], 2, "stop: the name is missing"),
    (["stop", "-t", "soon", "web"], 2, "--timeout soon: must be 0 to 3600 seconds"),
    (["stop", "-t", "-1", "web"], 2, "--timeout -1: must be 0 to 3600 seconds"),
    (["stop", "-t", "2h", "web"], 2, "--timeout 2h: must be 0 to 3600 seconds"),
    (["stop", "web"], 3, "there is no sandbox web"),
    (["start"], 2, "start: the name is missing"),
    (["start", "--all", "web"], 2, "start: --all stands alone"),
    (["start", "--foreground", "a", "b"], 2, "one name, please"),
    (["start", "web"], 3, "there is no sandbox web"),
    (["start", "--foreground", "web"], 3, "there is no sandbox web"),
    (["set", "web"], 2, "set what?"),
    (["set", "--memory", "1G"], 2, "set: the name is missing"),
    (["set", "a", "b", "--memory", "1G"], 2, "one name, please"),
    (["set", "web", "--label", "a=b"], 3, "there is no sandbox web"),
    (["renew", "web"], 2, "until when?"),
    (["renew", "--ttl", "1d"], 2, "renew: the name is missing"),
    (["renew", "web", "--ttl", "1d"], 3, "there is no sandbox web"),
    (["renew", "web", "--ttl", "91d"], 2, '[site] max_ttl = "90d" refuses --ttl 91d'),
    (["renew", "web", "--ttl", "1d", "--reason", "x" * 300], 2, "--reason: too long"),
    (["renew", "web", "--ttl", "1d", "--reason", "a\nb"], 2, "--reason: one line"),
    (["destroy"], 2, "destroy: the name is missing"),
    (["destroy", "web"], 3, "there is no sandbox web"),
    (["destroy", "--timeout", "soon", "web"], 2, "--timeout soon: not a time"),
    (["destroy", "--dry-run", "web"], 3, "there is no sandbox web"),
    (["renew", "--dry-run", "web", "--ttl", "1h"], 3, "there is no sandbox web"),
    (["destroy", "-x", "web"], 2, "-x: no such option"),
    (["rm", "web"], 3, "there is no sandbox web"),
    (["reap", "x"], 2, "reap: too many words"),
    (["verify"], 2, "verify: something is missing"),
    (["verify", "web"], 3, "there is no sandbox web, and no receipt"),
    (["host"], 2, "host: up or down"),
    (["host", "sideways"], 2, "host: up or down"),
    (["host", "up", "--force"], 2, "host: up or down"),
    (["doctor", "x"], 2, "doctor: too many words"),
    (["doctor", "--only", "luck"], 2, "--only luck: no such check"),
]
CONFIGS = [
    (b"[site\n", "bad.toml:1:6: "),
    (b"[site]\nttl = 1\n", "bad.toml:2:1: unknown key ttl in [site]"),
    (b"[site]\ndefault_ttl = 7\n", "bad.toml:2:1: site.default_ttl: expected a duration"),
    (b"[sandbox]\nmemory = \"1G\"\ncpus = 99\n", "bad.toml:3:1: sandbox.cpus: out of range"),
    (b"[limits]\nio_read = \"1M,burst=2M\"\n", "bad.toml:2:1: limits.io_read: takes no burst"),
    (b"[limits]\ndisk = 5\n", "bad.toml:2:1: limits.disk: expected a rate"),
    (b"[limits]\ncpu_max = 801\n", "bad.toml:2:1: limits.cpu_max: out of range: 0 to 800"),
    (b"\xff\xfe", "bad.toml:1:1: "),
    (b"x" * 70000, "bad.toml"),
]


def check(site, name, args, code, says, **more):
    done = site.mayfly(*args, **more)
    made = site.left() + [call for call in site.keeper_calls() if not call.startswith("--doctor")]
    good = (done.returncode == code and one_line(done.stderr) and says.encode() in done.stderr and
            done.stdout == b"" and not made)
    tap.check(good, name, f"exit {done.returncode}, want {code}\n{done.stderr.decode(errors='replace')}"
              f"{done.stdout.decode(errors='replace')}want: {says}\nmade: {made}")


with Site() as site:
    for args, code, says in CASES:
        words = [w if len(w) <= 30 else w[:27] + "..." for w in args]
        check(site, repr(" ".join(words))[1:-1], args, code, says)
    for text, says in CONFIGS:
        bad = site.write("bad.toml", text)
        check(site, f"configuration: {says}", ["--config", bad, "ls"], 2, says, config=False)

    key = site.write("id", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")
    check(site, "a private key for --ssh-key", ["create", "web", "--ssh-key", key], 2, f"{key}:1: this is a private key")
    fifo = site.path("fifo")
    os.mkfifo(fifo)
    for option in ("--ssh-key", "--kernel", "--image"):
        check(site, f"a FIFO for {option}", ["create", "web", option, fifo], 2, "not a regular file", timeout=10)
    os.unlink(site.path("initrd"))
    check(site, "no initrd", ["create", "web"], 2, "paths.initrd")

with Site() as site:
    site.add("web")
    done = site.mayfly("create", "web", "--ttl", "1h")
    tap.check(done.returncode == 4 and one_line(done.stderr) and not site.keeper_calls() and site.left() == [],
              "create of a name that is taken: exit 4, nothing made", done)
    for verb in (["exec", "web", "--", "true"], ["renew", "web", "--ttl", "1h"], ["ssh", "--stdio", "web"]):
        done = site.mayfly(*verb)
        want = {"exec": 125, "ssh": 255}.get(verb[0], 1)
        tap.check(done.returncode == want and one_line(done.stderr) and
                  (b"web is not running" in done.stderr or b"run: mayfly reap" in done.stderr),
                  f"{verb[0]} of one that does not run: exit {want}", done)

with Site() as site:
    os.chmod(site.dir, 0o755)
    os.chmod(site.config, 0o644)
    program = shutil.copy(MAYFLY, f"{site.dir}/mayfly")  # the tree may lie where an ordinary user can't look
    for verb in (["create", "web"], ["ls"], ["destroy", "web"], ["host", "up"], ["reap"]):
        done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                               program, "--config", site.config, *verb], capture_output=True)
        tap.check(done.returncode == 1 and one_line(done.stderr) and b"needs root" in done.stderr,
                  f"{verb[0]} without root says so", done)
tap.end()
