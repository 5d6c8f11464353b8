#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""The verbs that take over the user's terminal: exec -t and console. A terminal of the test's own, a guest that plays."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time

from support import CONNECT, ERROR, MAYFLY, OK, Keeper, Site, Tap, one_line, pass_stream, record

tap = Tap()
STDIN, WINSIZE, SIGNAL, STDOUT, STDERR, EXIT = 33, 34, 35, 48, 49, 50


def receive(stream, count):
    data = b""
    while len(data) < count and (more := stream.recv(count - len(data))):
        data += more
    return data


def frame(kind, data):
    return struct.pack("<II", kind, len(data)) + data


def next_frame(stream):
    head = receive(stream, 8)
    if len(head) < 8:
        return None, b""
    kind, length = struct.unpack("<II", head)
    return kind, receive(stream, length)


class Agent:
    """The exec service: notes what comes; play(self, stream) goes on after START."""

    def __init__(self, play):
        self.play, self.start, self.frames = play, b"", []

    def answer(self, request, client):
        if request["kind"] == CONNECT and request["port"] == 2:
            pass_stream(client, self.serve)
        else:
            client.send(record(ERROR, 1, "no such port"))

    def serve(self, stream):
        kind, self.start = next_frame(stream)
        try:
            self.play(self, stream)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def await_frame(self, stream, wanted):
        while True:
            kind, data = next_frame(stream)
            self.frames.append((kind, data))
            if kind is None or kind == wanted:
                return data


class Terminal:
    """A terminal with the CLI on it; out collects what it shows."""

    def __init__(self, site, *args, rows=33, columns=111, stdout=None):
        self.master, self.slave = pty.openpty()
        self.size(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen([MAYFLY, "--config", site.config, *args], stdin=self.slave,
                                        stdout=stdout or self.slave, stderr=self.slave, start_new_session=True,
                                        env={**os.environ, "TERM": "xterm-test"},
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.out = b""

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, text, seconds=10):
        end = time.monotonic() + seconds
        while text not in self.out and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                self.out += os.read(self.master, 65536)
        return text in self.out

    def keys(self, data):
        os.write(self.master, data)

    def end(self, seconds=10):
        """Exit code; whether the terminal is as it was is in `restored`."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                self.out += os.read(self.master, 65536)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            code = "hangs"
        else:
            code = self.process.returncode
        while select.select([self.master], [], [], 0.05)[0]:
            self.out += os.read(self.master, 65536)
        self.restored = termios.tcgetattr(self.slave) == self.before
        os.close(self.master)
        os.close(self.slave)
        return code


def raw_shell(agent, stream):
    stream.sendall(frame(STDOUT, b"ready\r\n"))
    agent.keys = agent.await_frame(stream, STDIN)
    stream.sendall(frame(STDOUT, b"got it\r\n"))
    agent.resized = agent.await_frame(stream, WINSIZE)
    stream.sendall(frame(STDOUT, b"\x1b[31mlast words") + frame(EXIT, struct.pack("<II", 7, 0)))


def silent(agent, stream):
    stream.sendall(frame(STDOUT, b"ready\r\n"))
    agent.await_frame(stream, None)


def until_signal(agent, stream):
    stream.sendall(frame(STDOUT, b"ready\r\n"))
    agent.number = struct.unpack("<I", agent.await_frame(stream, SIGNAL))[0]
    stream.sendall(frame(EXIT, struct.pack("<II", 128 + agent.number, 0)))


with Site() as site:
    site.add("web")
    agent = Agent(raw_shell)
    with Keeper(site, agent.answer):
        terminal = Terminal(site, "exec", "-it", "-e", "A=b", "web", "--", "sh")
        ready = terminal.read_until(b"ready")
        raw = termios.tcgetattr(terminal.slave)
        terminal.keys(b"\x03")
        terminal.read_until(b"got it")
        terminal.size(50, 200)
        code = terminal.end()
    n_args, n_envs, flags, rows, columns = struct.unpack("<IIIHH", agent.start[:16])
    tap.check(ready and (n_args, n_envs, flags, rows, columns) == (1, 2, 1, 33, 111) and b"TERM=xterm-test\0" in agent.start,
              "exec -t asks for a terminal of ours' size and kind", agent.start)
    tap.check(not raw[3] & (termios.ICANON | termios.ECHO | termios.ISIG) and agent.keys == b"\x03",
              "keys go to the guest as they are, ^C too", (raw[3], agent.frames))
    tap.check(agent.resized == struct.pack("<HH", 50, 200), "a change of size is followed", agent.frames)
    tap.check(code == 7 and terminal.restored and b"last words\x1b[0m" in terminal.out,
              "the exit code is passed on, the terminal is as it was", (code, terminal.restored, terminal.out))

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        agent = Agent(silent)
        with Keeper(site, agent.answer):
            terminal = Terminal(site, "exec", "-t", "web", "--", "sh")
            terminal.read_until(b"ready")
            terminal.process.send_signal(number)
            code = terminal.end()
        tap.check(code == 128 + number and terminal.restored,
                  f"exec -t ended by {signal.Signals(number).name}: 128 + n, the terminal is as it was", (code, terminal.restored))

    agent = Agent(lambda agent, stream: stream.sendall(frame(STDOUT, b"ready")))
    with Keeper(site, agent.answer):
        terminal = Terminal(site, "exec", "-t", "web", "--", "sh")
        code = terminal.end()
    tap.check(code == 125 and terminal.restored and b"hung up" in terminal.out, "exec -t when the guest goes away: 125, in words",
              (code, terminal.out))

    for number in (signal.SIGINT, signal.SIGTERM):
        agent = Agent(until_signal)
        with Keeper(site, agent.answer):
            process = site.start("exec", "web", "--", "sleep", "60", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            process.stdout.read(5)
            process.send_signal(number)
            code = process.wait(10)
        tap.check(agent.number == number and code == 128 + number,
                  f"without a terminal {signal.Signals(number).name} is the command's", (agent.frames, code))
    agent = Agent(silent)
    with Keeper(site, agent.answer):
        process = site.start("exec", "-n", "web", "--", "deaf", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdout.read(5)
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        code = process.wait(10)
    tap.check(code == 130 and [f for f in agent.frames if f[0] == SIGNAL] == 2 * [(SIGNAL, struct.pack("<I", 2))] and
              (STDIN, b"") in agent.frames, "the third SIGINT in a row gives up; -n is an empty stdin", (code, agent.frames))
tap.end()
