# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""What a host holds, as numbers, and the rule by which they are flat.

Two kinds, judged apart:
- counts of what belongs to this place alone (its namespaces, its cgroups; in the lab the whole machine): exact. Once all is
  quiet each sample has to equal the first one behind the warm-up, number by number.
- counts of the whole kernel (slab caches, kernel memory, open files): others work there too, caches are kept and freed late.
  A count grows when both its slope over the samples (Theil and Sen: the median of all pairs' slopes) and the rise of its least
  value from the first to the last third of them are above a bound a cycle. A leak trips both; somebody else's load, which comes
  and goes, one of them at most. The bound is half an object a cycle: one object a cycle is above it, and one every second cycle.
"""
import glob
import json
import os
import re
import statistics
import subprocess

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STATE, RUN = "/var/lib/mayfly", "/run/mayfly"
# what is to stay of each sandbox, and counted apart: its receipt, its rows in the ledger; and the host's mark of time
KEPT = [f"{STATE}/{name}" for name in ("receipts", "clock", "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db-journal")]
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
OBJECTS = 0.5  # a cycle
LOOKS = 3
# These follow what processes run, and with how many files open: ours, which are counted exactly, and where the machine isn't ours
# alone everybody's. There they are told and not judged; in the lab they are judged.
EVERYBODYS = ("slab vm_area_struct", "slab anon_vma", "slab anon_vma_chain", "slab maple_node", "slab filp", "slab lsm_file_cache",
              "memory PageTables", "open files")
# kB a cycle: half of a stack, half of a page for each CPU; slabs' own pages are worth no more than the slabs are: a slab of eight
# pages that is begun shows in it as a whole
MEMORY = {"KernelStack": 8, "Percpu": 2, "PageTables": 4, "SUnreclaim": 8}


def read(path):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def write(path, text):
    """Not every host lets us."""
    try:
        with open(path, "w") as f:
            f.write(text)
    except OSError:
        pass


def pids():
    return [pid for pid in os.listdir("/proc") if pid.isdigit()]


def descriptors():
    """(how many are open in all processes here, the namespaces that some of them hold)"""
    count, held = 0, set()
    for pid in pids():
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for name in names:
            try:
                target = os.readlink(f"/proc/{pid}/fd/{name}")
            except OSError:  # the one that lists
                continue
            count += 1
            if re.fullmatch(r"[a-z]+:\[\d+\]", target):
                held.add(target)
    return count, held


def namespaces(held):
    """Those of processes, those that a descriptor or a mount holds."""
    found = set(held)
    for pid in pids():
        for name in NAMESPACES:
            try:
                found.add(os.readlink(f"/proc/{pid}/ns/{name}"))
            except OSError:
                pass
    return found | set(re.findall(r" ([a-z]+:\[\d+\]) ", read("/proc/self/mountinfo")))


def cgroup_top():
    return next((top for top in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(f"{top}/cgroup.procs")), None)


def tree(top):
    """What is below top and not to stay."""
    found = []
    for where, dirs, names in os.walk(top):
        found += [path for path in (f"{where}/{name}" for name in dirs + names) if not path.startswith(tuple(KEPT))]
    return found


def receipts():
    try:
        return len(os.listdir(f"{STATE}/receipts"))
    except FileNotFoundError:
        return 0


class Look:
    """The host's own counts at one moment: {name: number}, and the lines behind some of them."""

    def __init__(self, inventory, uids):
        self.lines = {}
        for line in subprocess.run(inventory, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
            if not re.fullmatch(r"conntrack .* mark 0", line):  # our own clients'; sandboxes' have a mark
                self.lines.setdefault(line.split(" ", 1)[0], set()).add(line)
        self.counts = {kind: len(self.lines.get(kind, ())) for kind in ("link", "address", "route", "rule", "conntrack", "cgroup", "mount",
                                                                        "process", "socket", "file", "uid", "sysctl")}
        fds, held = descriptors()
        self.counts["fd"] = fds
        for name in namespaces(held):
            self.lines.setdefault("namespace " + name.split(":")[0], set()).add(name)
        for kind in NAMESPACES:
            self.counts[f"namespace {kind}"] = len(self.lines.get(f"namespace {kind}", ()))
        self.cgroups()
        self.sockets()
        for top in (STATE, RUN):
            self.lines[f"below {top}"] = set(tree(top))
            self.counts[f"below {top}"] = len(self.lines[f"below {top}"])
        self.inodes()
        self.counts["uids in use"] = len(self.uids(uids))

    def cgroups(self):
        top = cgroup_top()
        for line in read(f"{top}/cgroup.stat").splitlines():
            name, value = line.split()
            if name in ("nr_descendants", "nr_dying_descendants"):
                self.counts[f"cgroup {name}"] = int(value)

    def sockets(self):
        for line in (read("/proc/net/sockstat") + read("/proc/net/sockstat6")).splitlines():
            family, *words = line.split()
            for name, value in zip(words[::2], words[1::2]):
                if name in ("used", "inuse"):
                    self.counts[f"{family.rstrip(':')} {name}"] = int(value)
        for name in ("unix", "netlink", "packet", "raw"):
            self.counts[f"{name} sockets"] = len(read(f"/proc/net/{name}").splitlines())

    def inodes(self):
        """Of the file systems below; a file that was removed and is still open counts here."""
        for top in (STATE, RUN):
            about = os.statvfs(top)
            kept = sum(os.path.lexists(path) for path in KEPT[1:]) + receipts() if top == STATE else 0
            if about.f_files:
                self.counts[f"inodes of {top}"] = about.f_files - about.f_ffree - kept

    @staticmethod
    def uids(uids):
        """Of the range that sandboxes take theirs from: processes', and slots that are taken."""
        found = {f"slot {name}" for name in (os.listdir(f"{RUN}/slots") if os.path.isdir(f"{RUN}/slots") else [])}
        for pid in pids():
            try:
                uid = os.stat(f"/proc/{pid}").st_uid
            except OSError:
                continue
            if uid in uids:
                found.add(f"uid {uid}")
        return found

    def differs(self, other):
        """{name: (other's, ours)}"""
        return {name: (other.counts.get(name), value) for name, value in self.counts.items() if value != other.counts.get(name)}

    def details(self, other, name):
        """What is new and what is missing behind a count, where it has lines."""
        mine, its = self.lines.get(name, set()), other.lines.get(name, set())
        return [f"+{line}" for line in sorted(mine - its)[:4]] + [f"-{line}" for line in sorted(its - mine)[:4]]


def archive():
    """How many receipts there are. They are meant to stay, and each holds objects of the kernel's (of a tmpfs for good): away."""
    count = receipts()
    for name in os.listdir(f"{STATE}/receipts") if count else []:
        os.unlink(f"{STATE}/receipts/{name}")
    return count


def shrink():
    """What is only cached goes: reclaimable objects, and slabs that a CPU keeps for itself."""
    os.sync()
    for path in glob.glob("/sys/kernel/slab/*/shrink"):
        if not os.path.islink(os.path.dirname(path)):
            write(path, "1")
    write("/proc/sys/vm/drop_caches", "3")  # last: the walk through /sys leaves thousands itself


def kernel():
    """The whole kernel's, the least of three looks: what is freed a little later isn't there in one of them. {name: number}"""
    looks = []
    for _ in range(LOOKS):
        shrink()
        looks.append(look_at_kernel())
    return {name: min(look.get(name, 0) for look in looks) for name in looks[0]}


def look_at_kernel():
    found = {"open files": int(read("/proc/sys/fs/file-nr").split()[0])}
    for line in read("/proc/meminfo").splitlines():
        name, value = line.split()[:2]
        if name.rstrip(":") in MEMORY:
            found[f"memory {name.rstrip(':')}"] = int(value)
    for line in read("/proc/slabinfo").splitlines()[2:]:
        name, active = line.split()[:2]
        found[f"slab {name}"] = int(active)
    # freed areas wait, thousands of them, until it is worth the while to flush all CPUs: those in use count, not their slab
    found.pop("slab vmap_area", None)
    found["areas of vmalloc"] = sum("unpurged" not in line for line in read("/proc/vmallocinfo").splitlines())
    return found


def bound(name, alone=True):
    """In objects or kB a cycle; alone: is nobody else on the machine?"""
    return float("inf") if name in EVERYBODYS and not alone else MEMORY.get(name.removeprefix("memory "), OBJECTS)


def slope(cycles, values):
    """The median of what all pairs of samples rise by a cycle."""
    pairs = [(values[j] - values[i]) / (cycles[j] - cycles[i]) for i in range(len(cycles)) for j in range(i + 1, len(cycles))]
    return statistics.median(pairs) if pairs else 0.0


def rise(cycles, values):
    """By how much the least value of the last third is above that of the first, a cycle."""
    third = max(1, len(cycles) // 3)
    apart = statistics.mean(cycles[-third:]) - statistics.mean(cycles[:third])
    return (min(values[-third:]) - min(values[:third])) / apart if apart else 0.0


def growth(cycles, values):
    """Objects a cycle: the lesser of both."""
    return min(slope(cycles, values), rise(cycles, values))


def grows(samples):
    """Of the kernel's counts behind the warm-up: {name: (objects a cycle, first, last)} of those that a sample saw change."""
    cycles = [s["cycles"] for s in samples]
    found = {}
    for name in sorted({name for s in samples for name in s["kernel"]}):
        values = [s["kernel"].get(name, 0) for s in samples]
        if max(values) != min(values):
            found[name] = (round(growth(cycles, values), 3), values[0], values[-1])
    return found


def save(path, result):
    with open(f"{path}.new", "w") as f:
        samples = ",\n".join(json.dumps(s) for s in result["samples"])
        f.write(json.dumps({k: v for k, v in result.items() if k != "samples"})[:-1] + ', "samples": [\n' + samples + "\n]}\n")
    os.rename(f"{path}.new", path)
