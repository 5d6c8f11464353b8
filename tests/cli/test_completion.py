#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""completion as a shell uses it, and what mayfly makes of words that it doesn't know."""
import os
import re
import subprocess

from support import MAYFLY, Site, Tap, one_line

tap = Tap()
ASK = r"""
source "$1" || exit 9
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_mayfly "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
"""


def verbs():
    text = subprocess.run([MAYFLY, "help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  ([a-z-]+) ", text, re.M)


with Site() as site:
    scripts = {}
    for shell in ("bash", "zsh", "fish"):
        done = site.mayfly("completion", shell)
        scripts[shell] = site.write(f"completion.{shell}", done.stdout)
        tap.check(done.returncode == 0 and b"__complete" in done.stdout, f"completion {shell}", done)
        done = subprocess.run([shell, "-n", scripts[shell]], capture_output=True)
        tap.check(done.returncode == 0 and not done.stderr, f"{shell} reads it", done)
    done = site.mayfly("completion", "csh")
    tap.check(done.returncode == 2 and one_line(done.stderr), "completion of no shell of ours: 2", done)

    for name, ident in (("web", "0123456789abcdef"), ("worker", "1123456789abcdef"), ("db", "2123456789abcdef")):
        site.add(name, ident)

    def complete(*words, cwd="/"):
        done = subprocess.run(["bash", "-c", ASK, "bash", scripts["bash"], MAYFLY, "--config", site.config, *words],
                              capture_output=True, text=True, cwd=cwd)
        if done.returncode != 0 or done.stderr:
            return [f"exit code {done.returncode}: {done.stderr}"]
        return done.stdout.splitlines()

    def check(words, wanted):
        got = complete(*words)
        tap.check(sorted(got) == sorted(wanted), f"mayfly {' '.join(words)}<TAB>: {' '.join(wanted)}", got)

    everything = verbs()
    tap.check({"create", "stats", "completion"} <= set(everything), "verbs", everything)
    check([""], everything)
    # and the others: fish tells what would be offered, zsh whether it took the function
    done = subprocess.run(["fish", "--no-config", "-c", f"source {scripts['fish']}; complete -C '{MAYFLY} des'"], capture_output=True,
                          env={**os.environ, "HOME": site.path("."), "PATH": f"{os.path.dirname(MAYFLY)}:{os.environ['PATH']}"})
    tap.check(done.stdout.split(b"\t")[0] == b"destroy", "mayfly des<TAB> in fish", done)
    done = subprocess.run(["zsh", "-f", "-c", f"autoload -Uz compinit; compinit -u -D; source {scripts['zsh']}; print $_comps[mayfly]"],
                          capture_output=True, env={**os.environ, "HOME": site.path(".")})
    tap.check(done.stdout == b"_mayfly\n" and not done.stderr, "zsh takes it for mayfly's", done)
    check(["des"], ["destroy"])
    check(["help", "destr"], ["destroy"])
    for verb in ("show", "ssh", "exec", "logs", "renew", "destroy", "verify", "stats", "stop", "start", "set", "inspect", "rm", "ps"):
        check([verb, ""], ["db", "web", "worker"] if verb != "ps" else [])
    check(["destroy", "web", "w"], ["web", "worker"])
    check(["destroy", "-f", ""], ["db", "web", "worker"])
    check(["exec", "-u", "dev", "w"], ["web", "worker"])
    check(["cp", "we"], ["web:"])
    check(["cp", "-a", "nothing", "we"], ["web:"])
    check(["renew", "web", "--ttl", "7d", ""], [])
    check(["create", ""], [])
    check(["ports", ""], ["ls", "db", "web", "worker"])
    check(["ports", "ls", ""], ["db", "web", "worker"])
    check(["host", ""], ["up", "down"])
    check(["completion", "z"], ["zsh"])
    check(["doctor", "--o"], ["--only"])
    check(["renew", "--ttl", ""], [])
    for form in (["--format", "js"], ["--format", "=", "js"]):
        check(["ls", *form], ["json"])
    check(["ls", "--format", "="], ["json", "table"])
    check(["nonsense", ""], [])
    os.mkdir(site.path("some"))
    site.write("some/kernel.elf", b"")
    tap.check(complete("create", "x", "--kernel", "k", cwd=site.path("some")) == ["kernel.elf"], "a file is completed")
    tap.check(complete("image", "show", "defau") == ["default"], "the name of an image is")
    tap.check(complete("exec", "web", "--", "k", cwd=site.path("some")) == ["kernel.elf"], "behind -- files are")
    # each option of each verb: what help shows is what completes
    for verb in everything:
        text = site.mayfly("help", verb).stdout.decode()
        shown = re.findall(r"^  (?:-.,|   ) (--[a-z0-9-]+)", text, re.M)
        wide = [line for line in text.splitlines() if len(line) > 100]
        tap.check(not wide, f"help of {verb} fits into 100 columns", wide)
        tap.check(shown and sorted(complete(verb, "--")) == sorted(shown), f"options of {verb}", (complete(verb, "--"), shown))

    for words, says in ((["destory", "web"], "did you mean destroy?"), (["inspct"], "did you mean inspect?"),
                        (["help", "statss"], "did you mean stats?"), (["create", "x", "--tll=3d"], "did you mean --ttl?"),
                        (["ls", "--fromat", "json"], "did you mean --format?"), (["frobnicate"], "`mayfly help` lists them")):
        done = site.mayfly(*words)
        tap.check(done.returncode == 2 and one_line(done.stderr) and says.encode() in done.stderr and not done.stdout,
                  f"mayfly {' '.join(words)}: {says}", done)
    version = site.mayfly("version").stdout
    tap.check(site.mayfly("--version", config=False).stdout == version and version.startswith(b"mayfly "), "--version")
    for words in (["-h"], ["--help"], ["ls", "-h"], ["ls", "--help"], ["help", "ls"]):
        done = site.mayfly(*words, config=False)
        tap.check(done.returncode == 0 and done.stdout.startswith(b"usage: mayfly ") and not done.stderr,
                  f"mayfly {' '.join(words)}", done)
tap.end()
