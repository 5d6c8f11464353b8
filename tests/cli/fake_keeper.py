#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""Plays mayfly-keeper towards the CLI. FAKE_KEEPER says how; each call is noted in FAKE_KEEPER_LOG."""
import os
import signal
import socket
import struct
import sys
import time

HEAD = struct.Struct("<II17s41s446s")
REQUEST = struct.Struct("<IIqIII41s187s")
OK, ERROR, STEP, READY, ITEM, ENDED, NOTE = range(1, 8)
CONNECT, WAIT = 3, 4
NOT_FOUND, EXISTS, RESIDUE = 3, 4, 5
mode = os.environ["FAKE_KEEPER"]
args = sys.argv[1:]


def record(kind, code=0, text="", name=""):
    return HEAD.pack(kind, code, b"", name.encode(), text.encode())


def note(text):
    with open(os.environ["FAKE_KEEPER_LOG"], "a") as log:
        log.write(text + "\n")


def start(ident, state_dir):
    spool = f"{state_dir}/spool/{ident}"
    mode_bits = os.stat(spool).st_mode & 0o777
    note(f"spec {os.path.getsize(spool)} {mode_bits:o}")
    if mode == "die":
        print("fake-keeper: out of luck", file=sys.stderr)
        sys.exit(1)
    if mode == "silent":
        time.sleep(600)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.connect(f"{os.path.dirname(state_dir)}/run/progress/{ident}")
    link.send(record(STEP, text="tap"))
    if mode == "slow":
        time.sleep(1.6)
        link.send(record(STEP, text="guest\x1b[2J"))
        time.sleep(0.4)
    if mode == "stuck":
        time.sleep(600)
    if mode == "die-late":
        sys.exit(1)
    if mode == "exists":
        link.send(record(ERROR, EXISTS, "a sandbox of this name exists already"))
        sys.exit(4)
    if mode == "hostile":
        link.send(record(ERROR, 1, "a\x1b[2Jb\nc"))
        sys.exit(1)
    if "--foreground" in args:
        run_dir = f"{os.path.dirname(state_dir)}/run/{ident}"
        os.makedirs(run_dir)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(f"{run_dir}/ctl.sock")
        listener.listen(8)
    os.rename(spool, f"{state_dir}/spec-of-{ident}")
    link.send(record(READY))
    if "--foreground" in args:
        live(listener)


def play_agent(stream):
    kind, length = struct.unpack("<II", stream.recv(8, socket.MSG_WAITALL))
    words = stream.recv(length, socket.MSG_WAITALL)[16:].split(b"\0")
    stream.sendall(struct.pack("<II", 48, 6) + b"hello\n")
    if words[2] == b"sleep":
        while stream.recv(4096):  # whatever it is told, until nobody listens
            pass
        return
    stream.sendall(struct.pack("<IIII", 50, 8, 7, 0))


def live(listener):
    """The control socket of a sandbox that runs: CONNECT gets an agent; WAIT is answered at the end."""
    waiters = []
    ends = {"poweroff": 3, "expired": 2, "panic": 6}

    def end(reason):
        for waiter in waiters:
            waiter.send(record(ENDED, reason, "so it went"))
            waiter.send(record(OK))
        note("ended")
        os._exit(5 if mode == "residue" else 0)

    signal.signal(signal.SIGTERM, lambda *_: (note("SIGTERM"), end(12)))
    while mode != "ends":
        client, _ = listener.accept()
        kind = REQUEST.unpack(client.recv(REQUEST.size))[1]
        if kind == WAIT:
            waiters.append(client)
            note("waited for")
            if mode in ends:
                end(ends[mode])
        if kind == CONNECT:
            ours, theirs = socket.socketpair()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                theirs.close()
                play_agent(ours)
                os._exit(0)
            client.sendmsg([record(OK)],
                           [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", theirs.fileno()))])


def tool():
    sys.stdin.buffer.read()
    out = sys.stdout.buffer
    if mode == "good-news":
        out.write(record(ITEM, 0, "gate: loaded", "web"))
    if mode == "bad-news":
        out.write(record(ITEM, 0, "tap: opens") + record(NOTE, 0, "smt: on. Mend: think"))
        out.write(record(ITEM, 1, "virtualisation: none\x1b[31m. Mend: buy some"))
        out.write(record(ERROR, 1, "1 checks failed"))
        sys.exit(1)
    if mode == "residue":
        out.write(record(ITEM, 1, "the tap is there", "web") + record(ERROR, RESIDUE, "1 kinds are there"))
        sys.exit(5)
    if mode == "refuses":
        sys.exit(2)
    if mode == "killed":
        out.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    out.write(record(OK))


note(" ".join(args))
if args[0] == "--start":
    start(args[1], args[3])
else:
    tool()
