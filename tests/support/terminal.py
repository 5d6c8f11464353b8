# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""A person at a terminal: the CLI on one side, keys and what is shown on the other."""
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from harness import BIN, Failed, expect


class Terminal:
    """The CLI on a terminal of its own."""

    def __init__(self, site, *args, rows=33, columns=111):
        self.master, self.slave = pty.openpty()
        self.size(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen([f"{BIN}/mayfly", "--config", site.config.name, *args], stdin=self.slave,
                                        stdout=self.slave, stderr=self.slave, start_new_session=True,
                                        env={**os.environ, "TERM": "xterm"},
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.out = b""

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def keys(self, data):
        os.write(self.master, data)

    def read_some(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.out += os.read(self.master, 65536)

    def expect(self, text, seconds=60):
        """What was shown up to and with this text; it is forgotten."""
        end = time.monotonic() + seconds
        while text not in self.out:
            expect(time.monotonic() < end, f"no {text!r} on the terminal: {self.out[-2000:]!r}")
            self.read_some(0.1)
        shown, self.out = self.out[:self.out.index(text) + len(text)], self.out[self.out.index(text) + len(text):]
        return shown

    def interrupt(self, words, wanted):
        """^C, and words for the shell that wanted answers: again if need be, for one that comes while a shell starts its
        command can be the shell's to lose."""
        for last in [False] * 9 + [True]:
            self.keys(b"\x03")
            self.keys(words)
            try:
                return self.expect(wanted, 6)
            except Failed:
                if last:
                    raise

    def end(self, seconds=60):
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read_some(0.05)
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait()
        while select.select([self.master], [], [], 0.1)[0]:
            self.out += os.read(self.master, 65536)
        restored = termios.tcgetattr(self.slave) == self.before
        os.close(self.master)
        os.close(self.slave)
        expect(restored, "the terminal isn't as it was")
        return code
