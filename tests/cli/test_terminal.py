#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""The verbs that take over the user's terminal: exec -t and console. A terminal of the test's own, a guest that plays."""
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

from support import (CONNECT, CONSOLE, CONSOLE_SIZE, ERROR, ID, MAYFLY, OK, Keeper, Site, Tap, frame, one_line,
                     pass_stream, receive, record)

tap = Tap()
STDIN, WINSIZE, SIGNAL, STDOUT, STDERR, EXIT = 33, 34, 35, 48, 49, 50


def next_frame(stream):
    head = receive(stream, 8)
    if len(head) < 8:
        return None, b""
    kind, length = struct.unpack("<II", head)
    return kind, receive(stream, length)


def soon(condition):
    """It comes, though perhaps only after a while."""
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)


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

    def read_until(self, text, seconds=60):
        end = time.monotonic() + seconds
        while text not in self.out and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                self.out += os.read(self.master, 65536)
        return text in self.out

    def keys(self, data):
        os.write(self.master, data)

    def end(self, seconds=60):
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
            code = process.wait(60)
        tap.check(agent.number == number and code == 128 + number,
                  f"without a terminal {signal.Signals(number).name} is the command's", (agent.frames, code))
    agent = Agent(silent)
    with Keeper(site, agent.answer):
        process = site.start("exec", "-n", "web", "--", "deaf", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdout.read(5)
        for number in (1, 2, 3):  # each once the one before has arrived: two at once would be one
            process.send_signal(signal.SIGINT)
            soon(lambda: number == 3 or sum(kind == SIGNAL for kind, _ in agent.frames) == number)
        code = process.wait(60)
    tap.check(code == 130 and [f for f in agent.frames if f[0] == SIGNAL] == 2 * [(SIGNAL, struct.pack("<I", 2))] and
              (STDIN, b"") in agent.frames, "the third SIGINT in a row gives up; -n is an empty stdin", (code, agent.frames))


class Console:
    """A guest's console: notes what is typed; writes what it is told to; hangs up at ^D."""

    def __init__(self, site, deaf=False):
        self.site, self.deaf, self.typed, self.sizes, self.streams = site, deaf, b"", [], 0

    def answer(self, request, client):
        if request["kind"] == CONSOLE:
            ours, theirs = socket.socketpair()
            client.sendmsg([record(OK)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", theirs.fileno()))])
            theirs.close()
            self.streams += 1
            threading.Thread(target=self.play, args=(ours,), daemon=True).start()
        elif request["kind"] == CONSOLE_SIZE:
            self.sizes.append((request["port"] >> 16, request["port"] & 0xffff))
            client.send(record(OK))

    def play(self, stream):
        def write(data):
            try:
                stream.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has detached; what it typed before is still to be read

        with stream:
            write(b"\x1b[1mlive\r\n")
            if self.deaf:
                time.sleep(100)
            while data := self.read(stream):
                self.typed += data
                if b"\x04" in data:
                    return
                write(b"[" + data + b"]")

    @staticmethod
    def read(stream):
        try:
            return stream.recv(4096)
        except ConnectionResetError:
            return b""


with Site() as site:
    site.add("web")
    text = b"boot\x1b[31m\nlogin:\n"
    site.write(f"run/{ID}/console", struct.pack("<QQ", len(text), 4096) + text + bytes(4096 - len(text)))
    guest = Console(site)
    with Keeper(site, guest.answer):
        terminal = Terminal(site, "console", "web", rows=40, columns=132)
        shown = terminal.read_until(b"live")
        early = terminal.out
        terminal.keys(b"ls\x03")
        terminal.read_until(b"\x03]")
        terminal.size(50, 200)
        soon(lambda: len(guest.sizes) == 2)
        terminal.keys(b"x\x1dy")
        code = terminal.end()
        soon(lambda: guest.typed == b"ls\x03x")
    tap.check(shown and early.index(b"Ctrl-] detaches") < early.index(b"boot\\x1b[31m") < early.index(b"login:") < early.index(b"\x1b[1mlive"),
              "console: how to leave, the backlog made harmless, then what is written now", early)
    tap.check(code == 0 and terminal.restored and guest.typed == b"ls\x03x" and b"detached from web" in terminal.out,
              "keys reach the guest, ^C too, up to the detach key; the terminal is as it was", (code, guest.typed, terminal.out))
    tap.check(guest.sizes == [(40, 132), (50, 200)], "the guest is told the size, and its change", guest.sizes)

    guest = Console(site)
    with Keeper(site, guest.answer):
        terminal = Terminal(site, "console", "--tail", "1", "--detach-key", "^a", "web")
        terminal.read_until(b"live")
        terminal.keys(b"\x1d")
        terminal.read_until(b"\x1d]")
        terminal.keys(b"\x01")
        code = terminal.end()
    tap.check(code == 0 and guest.typed == b"\x1d" and b"login" in terminal.out and b"boot" not in terminal.out,
              "another detach key, a shorter backlog", (code, guest.typed, terminal.out))

    guest = Console(site)
    with Keeper(site, guest.answer):
        terminal = Terminal(site, "console", "web")
        terminal.read_until(b"live")
        terminal.keys(b"\x04")
        code = terminal.end()
    tap.check(code == 0 and terminal.restored and b"web has ended" in terminal.out, "a console whose sandbox ends", (code, terminal.out))

    guest = Console(site)
    with Keeper(site, guest.answer):
        terminal = Terminal(site, "console", "web")
        terminal.read_until(b"live")
        terminal.process.send_signal(signal.SIGTERM)
        code = terminal.end()
    tap.check(code == 143 and terminal.restored, "a console ended by SIGTERM: the terminal is as it was", (code, terminal.restored))

    guest = Console(site, deaf=True)
    with Keeper(site, guest.answer):
        terminal = Terminal(site, "console", "web")
        terminal.read_until(b"live")
        for _ in range(200):
            terminal.keys(b"z" * 4000)
        terminal.keys(b"\x1d")
        code = terminal.end()
    tap.check(code == 0 and terminal.restored, "the detach key is seen while the guest takes no key", (code, terminal.out[-200:]))

    guest = Console(site)
    with Keeper(site, guest.answer):
        done = site.mayfly("console", "web", stdin=b"piped\x1d\n")
    soon(lambda: guest.typed == b"piped\x1d\n")
    tap.check(done.returncode == 0 and guest.typed == b"piped\x1d\n", "from a pipe every byte is the guest's", (done, guest.typed))
    for key in ("x", "ctrl-", "ctrl-ab", "^", "ctrl-m", "ctrl-1", ""):
        done = site.mayfly("console", "--detach-key", key, "web")
        tap.check(done.returncode == 2 and one_line(done.stderr), f"--detach-key {key!r}: refused", done)
    done = site.mayfly("console", "web")
    tap.check(done.returncode == 1 and one_line(done.stderr) and b"web is not running" in done.stderr,
              "the console of one that isn't running", done)
tap.end()
