# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
"""The kernel's trace buffer: when a monitor was forked, when its guest began, and what made the guest exit.

Other processes and other guests run on the same host: of what the buffer holds only the tasks count that descend from the
monitor's process, and the forks are in the same buffer. A lost event would be a wrong figure, so it is an error.
"""
import collections
import glob
import os
import re

TRACE = "/sys/kernel/tracing"
FORK, ENTRY, EXIT, PIO, MMIO = "sched_process_fork", "kvm_entry", "kvm_exit", "kvm_pio", "kvm_mmio"
MSR, CPUID = "kvm_msr", "kvm_cpuid"
BOOT = {FORK: "sched", ENTRY: "kvm", PIO: "kvm"}
DETAIL = {EXIT: "kvm", MMIO: "kvm", MSR: "kvm", CPUID: "kvm"}
INIT_PORT = 0x3F5  # GUEST_BENCH_PIO_PORT of base/proto/guest.h

# COMM-PID [CPU] FLAGS TIME: EVENT: TEXT; a comm may hold anything
LINE = re.compile(r"^\s*.*?-(\d+)\s+\[\d+\]\s+\S+\s+(\d+\.\d+): (\w+): (.*)$")


class Incomplete(Exception):
    """The buffer doesn't say what is asked of it."""


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


class Recording:
    """Everything between start and stop; with detail also why the guest exited, which makes it slower."""

    def __init__(self, detail=False):
        self.events = {**BOOT, **(DETAIL if detail else {})}
        if not os.path.exists(f"{TRACE}/events/kvm"):
            raise Incomplete(f"no {TRACE}/events/kvm: tracefs isn't mounted, or the kernel has no tracepoints")
        write(f"{TRACE}/tracing_on", "0")
        write(f"{TRACE}/buffer_size_kb", "32768" if detail else "8192")
        write(f"{TRACE}/trace_clock", "mono")
        write(f"{TRACE}/trace", "")
        if not detail:
            write(f"{TRACE}/events/kvm/{PIO}/filter", f"port == {INIT_PORT}")
        self.enable("1")
        write(f"{TRACE}/tracing_on", "1")

    def enable(self, value):
        for event, system in self.events.items():
            write(f"{TRACE}/events/{system}/{event}/enable", value)

    def stop(self):
        """[(task, seconds, event, text)] in order of time."""
        write(f"{TRACE}/tracing_on", "0")
        with open(f"{TRACE}/trace", encoding="utf-8", errors="replace") as f:
            matches = [LINE.match(line) for line in f]
        lost = self.lost()
        self.enable("0")
        write(f"{TRACE}/events/kvm/{PIO}/filter", "0")
        write(f"{TRACE}/trace", "")
        if lost:
            raise Incomplete(f"the trace buffer lost {lost} events")
        return [(int(m[1]), float(m[2]), m[3], m[4]) for m in matches if m]

    @staticmethod
    def lost():
        total = 0
        for path in glob.glob(f"{TRACE}/per_cpu/cpu*/stats"):
            with open(path, encoding="ascii") as f:
                total += sum(int(line.split()[-1]) for line in f
                             if line.startswith(("overrun:", "commit overrun:", "dropped events:")))
        return total


def fields(text):
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


class Boot:
    """What a recording says about the monitor with this pid, from its fork to the write of mayfly-init."""

    def __init__(self, events, pid):
        self.fork = self.entry = self.init = None
        self.events = []
        tasks = set()
        for task, at, event, text in events:
            if event == FORK:
                pids = fields(text)
                if pids["child_pid"] == str(pid):
                    tasks, self.fork = {pid}, at
                elif task in tasks:
                    tasks.add(int(pids["child_pid"]))
            elif task in tasks:
                self.entry = at if self.entry is None and event == ENTRY else self.entry
                self.events.append((task, at, event, text))
                if event == PIO and text.startswith(f"pio_write at {INIT_PORT:#x} "):
                    self.init = at
                    break
        if None in (self.fork, self.entry, self.init):
            raise Incomplete(f"process {pid}: fork {self.fork}, first entry {self.entry}, init {self.init}")

    def entry_ms(self):
        return (self.entry - self.fork) * 1000

    def init_ms(self):
        return (self.init - self.fork) * 1000

    def entries(self):
        return sum(event == ENTRY for _, _, event, _ in self.events)

    def exits(self):
        """{what: [count, seconds from this exit to the next entry]}: where the guest's boot went."""
        table = collections.defaultdict(lambda: [0, 0.0])
        pending = {}
        for task, at, event, text in self.events:
            if event == EXIT:
                reason = re.search(r"reason (\S+)", text)
                pending[task] = [reason[1] if reason else "?", at]
            elif event in (MMIO, PIO, MSR, CPUID) and task in pending:
                pending[task][0] += detail(event, text)
            elif event == ENTRY and task in pending:
                what, since = pending.pop(task)
                table[what][0] += 1
                table[what][1] += at - since
        return table


def detail(event, text):
    if event == MMIO:
        gpa = re.search(r"mmio (\w+) .*gpa (0x[0-9a-f]+)", text)
        return f" mmio {gpa[1]} {gpa[2]}" if gpa else ""
    if event == PIO:
        port = re.search(r"(pio_\w+) at (0x[0-9a-f]+)", text)
        return f" {port[1]} {port[2]}" if port else ""
    if event == CPUID:
        leaf = re.search(r"func (\w+)", text)
        return f" leaf {leaf[1]}" if leaf else ""
    return " " + " ".join(text.split()[:2])
