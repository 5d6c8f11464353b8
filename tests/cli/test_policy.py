#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""What the site's policy refuses: which key says so with which value, the exit code, nothing made; and what it lets pass. Who
asks is table-driven: sudo's, pkexec's and doas's word for it, and this process's own user."""
import hashlib
import json
import os
import pwd
import re
import shutil
import subprocess

from support import MAYFLY, Keeper, OK, Site, Tap, one_line, record

tap = Tap()
LIFE = ["--ttl", "1h"]
NOBODY = pwd.getpwnam("nobody")


def policed(site, *lines):
    site.write("mayfly.toml", (site.toml() + "[sandbox]\nmemory = \"64M\"\ndisk = \"64M\"\n[policy]\n" + "\n".join(lines) + "\n").encode())


def refused(site, args, code, text, name, **more):
    calls = site.keeper_calls()
    done = site.mayfly(*args, **more)
    tap.check(done.returncode == code and one_line(done.stderr) and done.stderr.decode() == f"mayfly: {text}\n" and
              done.stdout == b"" and site.keeper_calls() == calls, name, (args, done))


def passes(site, args, name, **more):
    done = site.mayfly(*args, "-q", **more)
    tap.check(done.returncode == 0, name, (args, done))
    if done.returncode == 0:
        os.unlink([f for f in site.left() if "spec-of" in f][0])


with Site() as site:
    create = ["create", "web", *LIFE]
    sha = {name: hashlib.sha256(open(site.path(name), "rb").read()).hexdigest() for name in ("kernel", "image")}
    other = shutil.copy(site.path("image"), site.path("other.erofs"))
    os.makedirs(f"{site.state}/images")
    shutil.copy(other, f"{site.state}/images/dev.erofs")
    # (policy, options that pass, options that don't, the line)
    cases = [
        ("max_cpus = 2", ["-c", "2"], ["-c", "3"], "[policy] max_cpus = 2 refuses 3"),
        ('max_memory = "2G"', ["-m", "2G"], ["-m", "4G"], '[policy] max_memory = "2G" refuses 4G'),
        ('max_memory = "1536M"', ["-m", "1536M"], ["-m", "1538M"], '[policy] max_memory = "1536M" refuses 1538M'),
        ('max_disk = "1G"', ["--disk", "1G"], ["--disk", "1025M"], '[policy] max_disk = "1G" refuses 1025M'),
        ('images = ["default"]', [], ["--image", "dev"],
         f'[policy] images = ["default"] refuses {site.state}/images/dev.erofs (sha256:{sha["image"]})'),
        (f'images = ["dev", "{other}"]', ["--image", "dev"], [],
         f'[policy] images = ["dev", "{other}"] refuses {site.path("image")} (sha256:{sha["image"]})'),
        (f'images = ["{other}"]', ["--image", other], ["--image", "dev"],
         f'[policy] images = ["{other}"] refuses {site.state}/images/dev.erofs (sha256:{sha["image"]})'),
        (f'images = ["sha256:{sha["image"]}"]', ["--image", other], None, ""),
        (f'kernels = ["sha256:{sha["kernel"]}"]', [], None, ""),
        (f'kernels = ["sha256:{sha["image"]}"]', None, [],
         f'[policy] kernels = ["sha256:{sha["image"]}"] refuses {site.path("kernel")} (sha256:{sha["kernel"]})'),
        ('egress = "none"', ["--egress", "none"], ["--egress", "any"], '[policy] egress = "none" refuses any'),
        ('egress = "none"', [], ["--egress", "192.0.2.0/24"], '[policy] egress = "none" refuses 192.0.2.0/24'),
        ('egress = ["192.0.2.0/24"]', ["--egress", "192.0.2.128/25,192.0.2.7:443"], ["--egress", "192.0.0.0/16"],
         '[policy] egress = ["192.0.2.0/24"] refuses 192.0.0.0/16'),
        ('egress = ["192.0.2.0/24:443", "2001:db8::/32"]', ["--egress", "192.0.2.7:443", "--egress", "[2001:db8:1::/48]:80"],
         ["--egress", "192.0.2.7"], '[policy] egress = ["192.0.2.0/24:443", "2001:db8::/32"] refuses 192.0.2.7/32'),
        ('egress = ["0.0.0.0/0"]', ["--egress", "10.0.0.0/8"], ["--egress", "::/0"], '[policy] egress = ["0.0.0.0/0"] refuses ::/0'),
        ('egress = ["::/0"]', ["--egress", "2001:db8::1"], ["--egress", "0.0.0.0/0"], '[policy] egress = ["::/0"] refuses 0.0.0.0/0'),
    ]
    for policy, good, bad, text in cases:
        policed(site, policy)
        if good is not None:
            passes(site, [*create, *good], f"{policy} lets {' '.join(good) or 'the default'} pass")
        if bad is not None:
            refused(site, [*create, *bad], 2, text, f"and refuses {' '.join(bad) or 'the default'}")
            refused(site, [*create, *bad, "--dry-run"], 2, text, "with --dry-run as well")
            done = site.mayfly("run", *LIFE, *bad)
            tap.check(done.returncode == 2 and done.stderr.decode() == f"mayfly: {text}\n", "and so does run", done)
    policed(site, 'images = ["other.erofs"]')
    done = subprocess.run([MAYFLY, "--config", site.config, *create, "--image", "other.erofs"], cwd=site.dir, capture_output=True,
                          env=site.environment("ready"), timeout=60)
    tap.check(done.returncode == 2 and b'[policy] images = ["other.erofs"] refuses' in done.stderr,
              "a name of the policy is no file in the folder of who asks", done)
    os.rename(site.path("image"), site.path("image-of-today"))
    os.symlink("image-of-today", site.path("image"))
    for policy in ('images = ["default"]', f'images = ["{site.path("image")}"]', f'images = ["{site.path("image-of-today")}"]'):
        policed(site, policy)
        passes(site, create, f"{policy}: a link stands for what it leads to")
    policed(site)
    for options in (["-c", "8"], ["-m", "64G"], ["--disk", "16T"], ["--image", other], ["--egress", "any"], ["--egress", "::/0"]):
        passes(site, [*create, *options], f"control: without a policy {' '.join(options)} passes")

# ---- a configuration that contradicts itself, and values that are none ----

with Site() as site:
    for lines, text in [
        ('max_memory = "32M"', "sandbox.memory is more than policy.max_memory"),
        ('max_memory = "lots"', 'policy.max_memory: neither "none" nor a size in whole megabytes, such as "2G"'),
        ('max_memory = "3000K"', 'policy.max_memory: neither "none" nor a size in whole megabytes'),
        ('total_disk = "1M"', "policy.total_disk: less than one sandbox needs, or more than there is"),
        ('max_cpus = 9', "policy.max_cpus: out of range: 0 to 8"),
        ('images = ["../x"]', "policy.images: neither a name, nor an absolute path, nor sha256:"),
        ('images = ["sha256:abc"]', "policy.images: neither a name"),
        ('users = ["a b"]', "policy.users: not the name of an account"),
        ('users = "ada"', "policy.users: expected a list of names in quotes"),
        ('egress = "some"', 'policy.egress: neither "any", nor "none", nor a list of networks'),
        ('egress = ["any", "10.0.0.0/8"]', "policy.egress: any and none stand alone"),
        ('egress = ["10.0.0.1/8"]', "policy.egress: has bits set behind its prefix length"),
        ('egress = ["10.0.0.0/33"]', "policy.egress: not a network: write it as 192.0.2.0/24"),
        ('egress = ["10.0.0.0/8:0"]', "policy.egress: a port is a number of 1 to 65535"),
        ('egress = ["::ffff:1.2.3.4"]', "policy.egress: an IPv4 network is written as one"),
        ('egress = 3', "policy.egress: expected"),
        (f'users = [{", ".join(["%sx%d%s" % (chr(34), i, chr(34)) for i in range(17)])}]', "policy.users: too many: at most 16"),
    ]:
        policed(site, lines)
        done = site.mayfly("create", "web", *LIFE)
        tap.check(done.returncode == 2 and one_line(done.stderr) and text in done.stderr.decode(), f"refused: {lines[:40]}", done)
    policed(site)
    for word, text in [("", "not a list of networks"), ("10.0.0.0/8,any", "any and none stand alone"), ("x", "not a network"),
                       ("[10.0.0.0/8]:1", "brackets are for IPv6"), ("[2001:db8::/32]", "a port stands behind the brackets")]:
        refused_text = site.mayfly("create", "web", *LIFE, "--egress", word)
        tap.check(refused_text.returncode == 2 and one_line(refused_text.stderr) and text.encode() in refused_text.stderr,
                  f"--egress {word!r}", refused_text)
    done = site.mayfly("create", "web", *LIFE, "--net", "none", "--egress", "none")
    tap.check(done.returncode == 2 and b"leave out --egress" in done.stderr, "--net none and --egress contradict each other", done)

# ---- who ----

with Site() as site:
    me = pwd.getpwuid(os.getuid()).pw_name
    group = subprocess.run(["id", "-gn", "nobody"], capture_output=True, text=True, check=True).stdout.strip()
    said = {"SUDO_UID": str(NOBODY.pw_uid), "SUDO_USER": "nobody"}
    # (policy, environment, who is refused; None: nobody)
    whos = [
        ([], {}, None),
        ([f'users = ["{me}"]'], {}, None),
        (['users = ["ada"]'], {}, me),
        (['groups = ["ada"]'], {}, me),
        (['users = ["nobody"]'], {}, me),
    ]
    if os.getuid() == 0:
        whos += [
            (['users = ["nobody"]'], said, None),
            (['users = ["nobody"]'], {"SUDO_UID": str(NOBODY.pw_uid)}, None),
            (['users = ["nobody"]'], {"PKEXEC_UID": str(NOBODY.pw_uid)}, None),
            (['users = ["nobody"]'], {"DOAS_USER": "nobody"}, None),
            (['users = ["root"]'], said, "nobody"),
            (['users = ["root"]'], {"DOAS_USER": "nobody"}, "nobody"),
            (['users = ["root"]'], {"SUDO_UID": "0", "SUDO_USER": "root"}, None),
            (['users = ["root"]'], {"SUDO_UID": "4123456789"}, "#4123456789"),
            (['users = ["root"]'], {"SUDO_UID": "-1"}, None),
            (['users = ["ada"]', f'groups = ["x", "{group}"]'], said, None),
            (['users = ["ada"]', 'groups = ["x"]'], said, "nobody"),
        ]
    for policy, environment, who in whos:
        policed(site, *policy)
        env = {k: v for k, v in site.environment("ready").items() if k not in ("SUDO_UID", "SUDO_USER", "PKEXEC_UID", "DOAS_USER")}

        def ask(*args):
            return subprocess.run([MAYFLY, "--config", site.config, *args], capture_output=True, env={**env, **environment}, timeout=60)
        name = f"{' '.join(policy) or 'no rule'}, asked by {environment or me}"
        users = re.search(r"users = (\[.*?\])", " ".join(policy))
        groups = re.search(r"groups = (\[.*?\])", " ".join(policy))
        line = f"[policy] users = {users[1] if users else '[]'}, groups = {groups[1] if groups else '[]'} refuses {who}"
        done = ask("create", "web", *LIFE, "--dry-run")
        tap.check(done.returncode == 0 if who is None else done.returncode == 1 and done.stderr.decode() == f"mayfly: {line}\n",
                  f"{name}: {'passes' if who is None else 'refused'}", done)
        done = ask("doctor", "--only", "policy")
        tap.check(b"you may create" in done.stdout if who is None else line.encode() in done.stdout and b"note" in done.stdout,
                  "doctor says the same", done)
        if who is not None:
            site.add("old") if not os.path.exists(f"{site.state}/names/old") else None
            done = ask("renew", "old", *LIFE)
            tap.check(done.returncode == 1 and done.stderr.decode() == f"mayfly: old: {line}\n", "and renew", done)

# ---- what is there already: renew by today's policy; tests/e2e/test_policy has start and set ----

with Site() as site:
    policed(site)
    site.mayfly("create", "web", *LIFE, "-m", "1G", "--egress", "10.0.0.0/8", "-q")
    site.keep("web")
    shown = json.loads(site.mayfly("show", "web", "--format", "json").stdout)
    tap.check(shown["egress"] == ["10.0.0.0/8"], "show tells where it may send to", shown)
    table = site.mayfly("show", "web").stdout
    tap.check(re.search(rb"sends to +10\.0\.0\.0/8", table), "in words as well", table)
    for policy, text in [('max_memory = "512M"', '[policy] max_memory = "512M" refuses 1G'),
                         ('egress = "none"', '[policy] egress = "none" refuses 10.0.0.0/8'),
                         ('images = ["dev"]', f'[policy] images = ["dev"] refuses {site.path("image")} (sha256:')]:
        policed(site, policy)
        done = site.mayfly("renew", "web", *LIFE)
        tap.check(done.returncode == 2 and one_line(done.stderr) and done.stderr.decode().startswith(f"mayfly: web: {text}"),
                  f"{policy}: renew is measured by today's policy", done)
    policed(site, 'max_memory = "2G"')
    with Keeper(site, lambda request, client: client.send(record(OK))):
        done = site.mayfly("renew", "web", *LIFE)
        tap.check(done.returncode == 0, "what it lets pass is renewed", done)
tap.end()
