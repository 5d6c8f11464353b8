# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""Each system call of a command fails once (tests/chaos/failcall): what was called, and how the command answers when one of them fails."""
import collections
import concurrent.futures
import errno
import os
import subprocess

import stand as st

FAILCALL = f"{st.BUILD}/tests/chaos/failcall"
FEWER = 8 if os.path.exists("/lab") else 1  # of the cases in the lab, where each takes half a second
ERRNOS = (errno.EIO, errno.ENOMEM, errno.EMFILE)
# not failures of a look: memory's own, and how a program begins and ends
NOT = {"brk", "mmap", "munmap", "mprotect", "exit_group", "exit", "execve", "arch_prctl", "set_tid_address", "set_robust_list", "rseq",
       "rt_sigaction", "rt_sigprocmask", "rt_sigreturn"}
# of a journal or receipt: what isn't written has no line there
WRITES = {"write", "fdatasync", "lseek", "ftruncate"}


def numbers():
    with open(f"{st.BUILD}/tests/chaos/unistd_64.h") as f:  # the lab has no headers
        found = (line.split() for line in f if line.startswith("#define __NR_"))
        return {int(number): name.removeprefix("__NR_") for _, name, number in found}


NAMES = numbers()


def begin(argv, *fault, **kw):
    """(Popen, the file of failcall's lines) of a command: fault is "record", or "inject", role, nr, index, errno."""
    report, write = os.pipe()
    process = subprocess.Popen([FAILCALL, str(write), *map(str, fault), *argv], pass_fds=[write], **kw)
    os.close(write)
    return process, os.fdopen(report)


def run(argv, *fault, data=b"", seconds=60, **kw):
    """(exit code, or None where a signal ended it; its output; failcall's lines, in words) of a command that ends by itself."""
    process, report = begin(argv, *fault, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **kw)
    with report, concurrent.futures.ThreadPoolExecutor(1) as pool:
        out = pool.submit(process.communicate, data, seconds)
        told = [line.split() for line in report]
        out = out.result()[0]
    return next((int(line[1]) for line in told if line[0] == "exit"), None), out, told


def tool(verb, config, *fault):
    """(exit code, records, failcall's lines) of a command of mayfly-keeper's that answers in records; config: what it reads."""
    code, out, told = run([f"{st.BUILD}/bin/mayfly-keeper", *verb], *fault, data=config)
    return code, st.records(out), told


def fired(told):
    return any(line[0] == "fired" for line in told)


def calls(told, every=False, but=(), after=0):
    """[(role, nr, index)] of a recorded run, but for what only starts the programs (and is called as in but): of each call the first,
    the middle and the last, or every one. after: only what was called then, in CLOCK_MONOTONIC's ns."""
    found = collections.defaultdict(list)
    for line in told:
        if line[0] == "call" and line[5] == "0" and int(line[1]) >= after and NAMES.get(int(line[3])) not in NOT | set(but):
            found[line[2], int(line[3])].append(int(line[4]))
    cases = []
    for (role, nr), indices in sorted(found.items()):
        indices = sorted(set(indices))
        cases += [(role, nr, i) for i in (indices if every else sorted({indices[0], indices[len(indices) // 2], indices[-1]}))]
    return cases


def errnos(found):
    """[(call, the errno that it fails with)]"""
    return [(call, ERRNOS[n % len(ERRNOS)]) for n, call in enumerate(found)]


def name(case, number):
    role, nr, index = case
    return f"{NAMES[nr]} {index} of {role}: {errno.errorcode[number]}"
