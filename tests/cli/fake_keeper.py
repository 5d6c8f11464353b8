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
OK, ERROR, STEP, READY, ITEM = 1, 2, 3, 4, 5
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
        time.sleep(60)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.connect(f"\0mayfly-progress-{ident}")
    link.send(record(STEP, text="tap"))
    if mode == "die-late":
        sys.exit(1)
    if mode == "exists":
        link.send(record(ERROR, EXISTS, "a sandbox of this name exists already"))
        sys.exit(4)
    if mode == "hostile":
        link.send(record(ERROR, 1, "a\x1b[2Jb\nc"))
        sys.exit(1)
    if mode == "stranger":
        os.setresuid(65534, 65534, 65534)
    os.rename(spool, f"{state_dir}/spec-of-{ident}")
    link.send(record(READY))
    if "--foreground" in args:
        signal.signal(signal.SIGTERM, lambda *_: (note("SIGTERM"), os._exit(5 if mode == "residue" else 0)))
        while mode != "ends":
            signal.pause()


def tool():
    sys.stdin.buffer.read()
    out = sys.stdout.buffer
    if mode == "good-news":
        out.write(record(ITEM, 0, "gate: loaded", "web"))
    if mode == "bad-news":
        out.write(record(ITEM, 0, "tap: opens") + record(ITEM, 1, "virtualisation: none\x1b[31m. Mend: buy some"))
        out.write(record(ERROR, 1, "1 checks failed"))
        sys.exit(1)
    if mode == "residue":
        out.write(record(ITEM, 1, "the tap is there", "web") + record(ERROR, RESIDUE, "1 kinds are there"))
        sys.exit(5)
    if mode == "killed":
        out.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    out.write(record(OK))


note(" ".join(args))
if args[0] == "--start":
    start(args[1], args[3])
else:
    tool()
