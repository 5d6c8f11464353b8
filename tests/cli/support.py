# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""A site in a temporary folder: configuration, files that look like kernel, initrd and image, and a keeper that plays."""
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAYFLY = f"{TREE}/build/bin/mayfly"
ID = "0123456789abcdef"

OK, ERROR, STEP, READY, ITEM, ENDED = range(1, 7)
RENEW, DESTROY, CONNECT, WAIT = range(1, 5)
CONSOLE, CONSOLE_SIZE = 6, 7
REQUEST = struct.Struct("<IIqIII41s187s")
OLD_REQUEST = struct.Struct("<IIqII41s191s")
HEAD = struct.Struct("<II17s41s446s")


def record(kind, code=0, text="", name="", ident=""):
    return HEAD.pack(kind, code, ident.encode(), name.encode(), text.encode())


class Tap:
    def __init__(self):
        self.n, self.failed = 0, 0

    def check(self, good, name, detail=""):
        self.n += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}", flush=True)
        if not good:
            print("\n".join(f"# {line}" for line in str(detail).splitlines()), flush=True)

    def end(self):
        print(f"1..{self.n}")
        sys.exit(1 if self.failed else 0)


class Site:
    """Use as a context. site.mayfly(…) runs the CLI with this site's configuration."""

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="mayfly-cli-")
        self.state, self.run = f"{self.dir}/state", f"{self.dir}/run"
        self.keeper_log = f"{self.dir}/keeper.log"
        self.write("kernel", b"\x7fELF\x02\x01" + bytes(12) + b"\x3e\x00" + bytes(100))
        self.write("image", bytes(1024) + b"\xe2\xe1\xf5\xe0" + bytes(100))
        self.write("initrd", b"070701" + bytes(104))
        self.keeper = self.write("keeper", open(f"{TREE}/tests/cli/fake_keeper.py", "rb").read(), 0o755)
        self.config = self.write("mayfly.toml", self.toml().encode())
        os.makedirs(self.state)
        with open("/proc/sys/kernel/random/boot_id") as boot_id:
            self.write("state/host-state", f"boot {boot_id.read()}".encode())
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)

    def path(self, name):
        return f"{self.dir}/{name}"

    def write(self, name, data, mode=0o600):
        with open(self.path(name), "wb") as file:
            file.write(data)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def toml(self):
        return "\n".join([
            "[paths]", f'state_dir = "{self.state}"', f'run_dir = "{self.run}"', f'keeper = "{self.keeper}"',
            f'monitor = "{self.keeper}"', f'kernel = "{self.path("kernel")}"', f'initrd = "{self.path("initrd")}"',
            f'image = "{self.path("image")}"', ""])

    def environment(self, mode):
        return {**os.environ, "FAKE_KEEPER": mode, "FAKE_KEEPER_LOG": self.keeper_log, "LC_ALL": "C.UTF-8"}

    def mayfly(self, *args, mode="ready", config=True, stdin=b"", timeout=60):
        command = [MAYFLY, *(["--config", self.config] if config else []), *args]
        return subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, env=self.environment(mode))

    def end_played(self, ident):
        """The keeper that plays on is no child of ours: end it by the id it was started with."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline") as file:
                    words = file.read().split("\0")
            except OSError:
                continue
            if ident in words and self.keeper in words:
                os.kill(int(pid), signal.SIGKILL)

    def keep(self, name):
        """The sandbox NAME (ID) with the spec of the last create, which no keeper has taken."""
        spec = [f for f in self.left() if "spec-of" in f][0]
        with open(spec, "rb") as file:
            data = file.read()
        asked = re.search(rb"spec-of-([0-9a-f]{16})$", spec.encode())[1]
        os.unlink(spec)
        self.add(name)
        with open(f"{self.state}/sandboxes/{ID}/spec", "wb") as file:
            file.write(data.replace(asked, ID.encode()))

    def start(self, *args, mode="ready", **more):
        return subprocess.Popen([MAYFLY, "--config", self.config, *args], env=self.environment(mode), **more)

    def keeper_calls(self):
        """But for the reap before a command: what add() makes looks half made, so that it is due."""
        calls = open(self.keeper_log).read().splitlines() if os.path.exists(self.keeper_log) else []
        return [call for call in calls if call != "--reap"]

    def left(self):
        """Everything below state and run directory that is no directory, but for what host up wrote."""
        found = []
        for top in (self.state, self.run):
            for folder, _, files in os.walk(top):
                found += [os.path.join(folder, name) for name in files]
        return [path for path in found if path != self.path("state/host-state") and "/state/ledger.db" not in path]

    def add(self, name, ident=ID):
        """A sandbox that is only a name and directories: enough to be found."""
        for folder in ("names", "sandboxes", "receipts", "spool"):
            os.makedirs(f"{self.state}/{folder}", exist_ok=True)
        os.makedirs(f"{self.state}/sandboxes/{ident}", mode=0o700, exist_ok=True)
        os.makedirs(f"{self.run}/{ident}", exist_ok=True)
        os.symlink(f"../sandboxes/{ident}", f"{self.state}/names/{name}")


class Keeper:
    """The far end of RUN_DIR/ID/ctl.sock in this process: answer(request, client) is called for each request."""

    def __init__(self, site, answer, ident=ID):
        self.requests = []
        self.path = f"{site.run}/{ident}/ctl.sock"
        self.answer = answer

    def __enter__(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            packet = client.recv(REQUEST.size + 1)
            if len(packet) == REQUEST.size:
                version, kind, deadline, port, force, timeout, who, reason = REQUEST.unpack(packet)
                request = {"version": version, "kind": kind, "deadline": deadline, "port": port, "force": force, "timeout": timeout,
                           "who": who.split(b"\0")[0].decode(), "reason": reason.split(b"\0")[0].decode()}
                self.requests.append(request)
                self.answer(request, client)
            client.close()

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
        os.unlink(self.path)


class OldKeeper(Keeper):
    """One that began before an upgrade: it knows version 1 of the requests alone."""

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            while packet := client.recv(REQUEST.size + 1):
                if len(packet) != OLD_REQUEST.size or packet[:4] != struct.pack("<I", 1):
                    client.send(record(ERROR, 2, "not a request of this version of mayfly"))
                    continue
                _, kind, deadline, port, force, who, reason = OLD_REQUEST.unpack(packet)
                request = {"kind": kind, "deadline": deadline, "port": port, "force": force,
                           "who": who.split(b"\0")[0].decode(), "reason": reason.split(b"\0")[0].decode()}
                self.requests.append(request)
                self.answer(request, client)
            client.close()


def pass_stream(client, play):
    """Answer a CONNECT with one end of a stream; play(other end) runs to its end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    client.sendmsg([record(OK)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", theirs.fileno()))])
    theirs.close()
    with ours:
        play(ours)


def receive(stream, count):
    """count bytes of a stream, fewer where it ends."""
    data = b""
    while len(data) < count and (more := stream.recv(count - len(data))):
        data += more
    return data


def frame(kind, data):
    """struct guest_frame and its bytes."""
    return struct.pack("<II", kind, len(data)) + data


def one_line(text):
    return text.count(b"\n") == 1 and text.endswith(b"\n")


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait(30)
