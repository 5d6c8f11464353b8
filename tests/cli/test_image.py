#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""image and kernel: names, digests, who uses them; and what create makes of a name, a damaged file, or one it knows."""
import hashlib
import json
import os
import re
import subprocess
import time

from support import MAYFLY, Site, Tap, one_line

tap = Tap()
ERROR = "0123456789abcdef" * 4


def record_digest(path, digest=None):
    with open(path, "rb") as file:
        digest = digest or hashlib.sha256(file.read()).hexdigest()
    with open(f"{path}.sha256", "w") as file:
        file.write(f"{digest}  {os.path.basename(path)}\n")
    return digest


def listed(site, *words):
    done = site.mayfly(*words, "--format", "json")
    return json.loads(done.stdout) if done.returncode == 0 else done


with Site() as site:
    os.makedirs(site.run)
    for folder in ("state/images", "state/kernels", "images"):
        os.makedirs(site.path(folder))
    image = open(site.path("image"), "rb").read()
    kernel = open(site.path("kernel"), "rb").read()
    site.write("state/images/own.erofs", image + b"own")
    site.write("images/own.erofs", image + b"hidden")
    site.write("images/packaged.erofs", image + b"packaged")
    site.write("images/notes.txt", b"no image")
    site.write("state/kernels/dev.vmlinux", kernel + b"Linux version %s (x)\0Linux version 6.12.43-dev (x) y\0")
    digest = record_digest(site.path("images/packaged.erofs"))
    record_digest(site.path("state/images/own.erofs"), ERROR)

    rows = listed(site, "image", "ls")
    tap.check([(r["name"], r["path"], r["check"]) for r in rows] == [
        ("default", site.path("image"), "no digest"), ("own", site.path("state/images/own.erofs"), "damaged"),
        ("packaged", site.path("images/packaged.erofs"), "as made")],
        "image ls: the default, the site's own before a package's, each with its check", rows)
    tap.check(rows[2]["sha256"] == digest and rows[2]["size_bytes"] == len(image) + 8 and
              rows[1]["sha256"] == hashlib.sha256(image + b"own").hexdigest(), "digests are of what is there", rows)
    rows = listed(site, "kernel", "ls")
    tap.check([(r["name"], r["version"]) for r in rows] == [("default", None), ("dev", "6.12.43-dev")],
              "kernel ls: the version, as the kernel itself has it", rows)
    table = site.mayfly("image").stdout.decode()
    tap.check(re.search(rf"packaged +\S+ +\S+Z +{digest[:12]} +as made +0", table), "image without a word lists, too", table)
    shown = listed(site, "image", "show", "packaged")
    tap.check(shown["name"] == "packaged" and shown["used_by"] == [], "image show NAME", shown)
    shown = listed(site, "kernel", "show", site.path("state/kernels/dev.vmlinux"))
    tap.check(shown["name"] == "" and shown["version"] == "6.12.43-dev", "kernel show FILE", shown)

    done = site.mayfly("create", "web", "--ttl", "1h", "--image", "packaged", "--kernel", "dev")
    tap.check(done.returncode == 0, "create by names", done)
    site.keep("web")
    tap.check(listed(site, "image", "show", "packaged")["used_by"] == ["web"] and
              listed(site, "kernel", "show", "dev")["used_by"] == ["web"] and
              listed(site, "image", "show", "default")["used_by"] == [], "who uses them")
    shown = listed(site, "show", "web")
    tap.check(shown["image_sha256"] == digest and shown["image_vouched"] and not shown["kernel_vouched"] and
              shown["image"] == site.path("images/packaged.erofs"), "show has digests, and which are vouched for", shown)

    calls = len(site.keeper_calls())
    for words in (["create", "db"], ["create", "db", "--dry-run"], ["run"]):
        done = site.mayfly(*words, "--ttl", "1h", "--image", "own")
        tap.check(done.returncode == (125 if words[0] == "run" else 1) and one_line(done.stderr) and
                  ERROR.encode() in done.stderr and site.path("state/images/own.erofs").encode() in done.stderr and
                  hashlib.sha256(image + b"own").hexdigest().encode() in done.stderr and len(site.keeper_calls()) == calls,
                  f"{' '.join(words)} from a file that is not what it was made as: file, both digests, no keeper", done)
    site.write("state/images/own.erofs.sha256", b"what?\n")
    done = site.mayfly("create", "db", "--ttl", "1h", "--image", "own")
    tap.check(done.returncode == 1 and one_line(done.stderr) and b"own.erofs.sha256: not a digest" in done.stderr,
              "a digest that is none", done)
    for words, says in ((["create", "db", "--image", "none"], b"--image none: neither the name of an image nor a file here"),
                        (["image", "show", "none"], b"image none: neither the name"),
                        (["image", "show"], b"image: ls, or show"), (["kernel", "rm", "dev"], b"kernel: ls, or show"),
                        (["kernel", "show", "/etc/passwd"], b"kernel /etc/passwd: not an uncompressed")):
        done = site.mayfly(*words)
        wanted = 3 if words == ["image", "show", "none"] else 2
        tap.check(done.returncode == wanted and one_line(done.stderr) and says in done.stderr, f"{' '.join(words)}: refused", done)


def relinked(site, times):
    """A dry run, while whose reading the image gets another name, so often."""
    path = site.path("image")
    process = site.start("create", "web", "--ttl", "1h", "--dry-run", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    seen, done = 0, 0
    while done < times and process.poll() is None:
        with open(f"/proc/{process.pid}/io") as file:
            read = int(file.readline().split()[1])
        if read > seen + (8 << 20):  # some turns of a loop into the next reading, or on in this one
            os.link(path, f"{path}.2")
            os.unlink(f"{path}.2")
            seen, done = read, done + 1
    _, err = process.communicate(timeout=60)
    return process.returncode, err, done


def reads(site):
    """How many bytes of the image a dry run reads."""
    trace = site.path("trace")
    subprocess.run(["strace", "-f", "-y", "-e", "trace=pread64", "-o", trace, MAYFLY, "--config", site.config, "create", "web",
                    "--ttl", "1h", "--dry-run"], check=True, capture_output=True, env=site.environment("ready"))
    lines = [line for line in open(trace) if f"<{site.path('image')}>" in line]
    return sum(int(line.rsplit("=", 1)[1].split()[0]) for line in lines)


with Site() as site:
    os.makedirs(site.run)
    size = 3 << 20
    path = site.path("image")
    with open(path, "ab") as file:
        file.truncate(size)
    fresh = reads(site)
    tap.check(fresh > size and reads(site) > size, "a file that has just changed is read each time", fresh)
    os.utime(path)  # the looks above may have been slow enough for one to be remembered
    time.sleep(3.1)
    counts = [reads(site) for _ in range(3)]
    tap.check(counts[0] > size and counts[1] == counts[2] < 100, "one that has settled is read once", counts)
    cache = f"{site.run}/digests"
    tap.check(os.stat(cache).st_mode & 0o777 == 0o600, "only root may read or write what is remembered")
    stamp = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(size - 1)
        file.write(b"x")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    tap.check(reads(site) > size, "one that changed is read again, whatever its modification time says")
    time.sleep(3.1)
    reads(site)
    tap.check(reads(site) < 100, "and then once more remembered")
    for name, spoil in (("another's", lambda: os.chown(cache, 65534, 65534)), ("writable by others", lambda: os.chmod(cache, 0o666)),
                        ("cut short", lambda: os.truncate(cache, 100)),
                        ("of another boot", lambda: subprocess.run(["sed", "-i", "s/[0-9a-f]-/x-/g", cache], check=True))):
        spoil()
        tap.check(reads(site) > size, f"a memory that is {name} is not believed")
        os.chmod(cache, 0o600)
        os.chown(cache, 0, 0)
    with open(path, "ab") as file:
        file.truncate(256 << 20)
    code, err, done = relinked(site, 1)
    tap.check(code == 0 and done == 1, "a file that gets another name while it is read is read once more", (code, err, done))
    code, err, done = relinked(site, 10000)
    tap.check(code == 1 and one_line(err) and b"changes while it is read: try again" in err,
              "one that changes all the time is refused", (code, err, done))
tap.end()
