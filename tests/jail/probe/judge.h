/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef TESTS_JAIL_PROBE_JUDGE_H
#define TESTS_JAIL_PROBE_JUDGE_H

/*
 * For the two tests that launch the probe: holds its report, and what the host's /proc says about it, against the table.
 * Prints TAP. Functions in a header, since each test program is one file.
 */
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/proto/launch.h"
#include "jail/seccomp_table.h"
#include "tests/jail/probe/report.h"

static unsigned int judge_n, judge_n_failed;

static inline bool judge_check(bool good, const char *name)
{
	printf("%sok %u - %s\n", good ? "" : "not ", ++judge_n, name);
	(void)fflush(stdout);
	judge_n_failed += !good;
	return good;
}

static inline int judge_end(void)
{
	printf("1..%u\n", judge_n);
	return judge_n_failed ? 1 : 0;
}

static inline const char *judge_thread(enum jail_thread thread)
{
	return thread == JAIL_THREAD_VCPU ? "vCPU thread" : "I/O thread";
}

/* ---- the smallest thing that the monitor takes for a kernel ---- */

struct judge_kernel {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdrs[2];
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint64_t entry;
	} note;
	uint8_t code[16];
};

#define JUDGE_XEN_PHYS32_ENTRY 18 /* xen/include/public/elfnote.h */
#define JUDGE_LOAD_ADDRESS     0x200000

static inline void judge_make_kernel(struct judge_kernel *k)
{
	*k = (struct judge_kernel){
		.ehdr = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT },
			  .e_type = ET_EXEC,
			  .e_machine = EM_X86_64,
			  .e_version = EV_CURRENT,
			  .e_phoff = offsetof(struct judge_kernel, phdrs),
			  .e_ehsize = sizeof(Elf64_Ehdr),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 2 },
		.phdrs = { { .p_type = PT_LOAD,
			     .p_offset = offsetof(struct judge_kernel, code),
			     .p_paddr = JUDGE_LOAD_ADDRESS,
			     .p_filesz = sizeof(k->code),
			     .p_memsz = sizeof(k->code) },
			   { .p_type = PT_NOTE,
			     .p_offset = offsetof(struct judge_kernel, note),
			     .p_filesz = sizeof(k->note),
			     .p_memsz = sizeof(k->note) } },
		.note = { .head = { .n_namesz = 4,
				    .n_descsz = 8,
				    .n_type = JUDGE_XEN_PHYS32_ENTRY },
			  .name = "Xen",
			  .entry = JUDGE_LOAD_ADDRESS },
	};
	memset(k->code, 0xf4, sizeof(k->code)); /* hlt; it is never run */
}

/* ---- the report ---- */

static inline const struct probe_report *judge_report(const struct launch_ring *ring)
{
	return (const void *)(ring + 1);
}

static inline bool judge_await(const struct launch_ring *ring, int timeout_ms)
{
	const struct probe_report *report = judge_report(ring);

	for (int waited = 0; waited < timeout_ms; waited += 5) {
		if (__atomic_load_n(&report->threads[0].done, __ATOMIC_ACQUIRE) &&
		    __atomic_load_n(&report->threads[1].done, __ATOMIC_ACQUIRE))
			return true;
		(void)poll(NULL, 0, 5);
	}
	return false;
}

/* Is the call allowed on this thread, whatever its arguments? */
static inline bool judge_always(int nr, uint32_t bit)
{
	for (size_t i = 0; i < ARRAY_SIZE(seccomp_allowed); i++)
		if (seccomp_allowed[i].syscall == nr && (seccomp_allowed[i].threads & bit) &&
		    seccomp_allowed[i].arg == ARG_ANY)
			return true;
	return false;
}

static inline bool judge_with(int nr, uint32_t bit, int arg, uint64_t value)
{
	for (size_t i = 0; i < ARRAY_SIZE(seccomp_allowed); i++)
		if (seccomp_allowed[i].syscall == nr && (seccomp_allowed[i].threads & bit) &&
		    (seccomp_allowed[i].arg == ARG_ANY ||
		     (seccomp_allowed[i].arg == arg &&
		      (value & seccomp_allowed[i].mask) == seccomp_allowed[i].value)))
			return true;
	return false;
}

static inline bool judge_is_killed(int nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(seccomp_killed); i++)
		if (seccomp_killed[i].syscall == nr && seccomp_killed[i].arg == ARG_ANY)
			return true;
	return false;
}

static inline uint8_t judge_expected_number(int nr, uint32_t bit)
{
	if (nr == SYS_rt_sigreturn || nr == SYS_exit_group || nr == PROBE_URETPROBE ||
	    nr == PROBE_UPROBE || judge_is_killed(nr))
		return PROBE_NOT_TRIED;
	return judge_always(nr, bit) ? PROBE_PASSED : PROBE_TRAPPED;
}

static inline void judge_numbers(const struct probe_thread *t, enum jail_thread thread)
{
	int n_wrong = 0;
	char name[128];

	for (int nr = 0; nr < PROBE_NUMBERS; nr++) {
		uint8_t expected = judge_expected_number(nr, 1u << thread);

		if (t->numbers[nr] != expected) {
			printf("# call %d: result %u, by the table %u\n", nr, t->numbers[nr],
			       expected);
			n_wrong++;
		}
	}
	(void)snprintf(name, sizeof(name), "%s: of %d numbers exactly the table's pass",
		       judge_thread(thread), PROBE_NUMBERS);
	judge_check(n_wrong == 0, name);
}

static inline uint64_t judge_variant(uint64_t value, int variant)
{
	if (variant == 0)
		return value;
	return variant == 1 ? value | 0xffffffff00000000ull : value ^ (1ull << (variant - 2));
}

static inline void judge_arguments(const struct probe_thread *t, enum jail_thread thread,
				   size_t rule_index)
{
	const struct seccomp_rule *rule = &seccomp_allowed[rule_index];
	int n_wrong = 0;
	char name[192];

	for (int v = 0; v < PROBE_VARIANTS; v++) {
		uint64_t value = judge_variant(rule->value, v);
		uint8_t expected = judge_with(rule->syscall, 1u << thread, rule->arg, value)
					   ? PROBE_PASSED
					   : PROBE_TRAPPED;

		if (t->allowed[rule_index][v] != expected) {
			printf("# argument %#llx: result %u, by the table %u\n",
			       (unsigned long long)value, t->allowed[rule_index][v], expected);
			n_wrong++;
		}
	}
	(void)snprintf(name, sizeof(name), "%s: call %d passes with %#llx %s", judge_thread(thread),
		       rule->syscall, (unsigned long long)rule->value,
		       rule->threads & (1u << thread) ? "alone, compared in 32 bits"
						      : "no more than with others");
	judge_check(n_wrong == 0, name);
}

static inline void judge_survey(const struct launch_ring *ring)
{
	for (enum jail_thread thread = 0; thread < JAIL_THREADS; thread++) {
		const struct probe_thread *t = &judge_report(ring)->threads[thread];
		bool trapped = true;
		char name[128];

		judge_numbers(t, thread);
		for (size_t i = 0; i < ARRAY_SIZE(seccomp_allowed); i++)
			if (seccomp_allowed[i].arg != ARG_ANY)
				judge_arguments(t, thread, i);
		for (size_t i = 0; i < ARRAY_SIZE(seccomp_killed); i++)
			trapped &=
				seccomp_killed[i].arg == ARG_ANY || t->harmless[i] == PROBE_TRAPPED;
		(void)snprintf(name, sizeof(name),
			       "%s: memory can't be mapped or changed without PROT_EXEC either",
			       judge_thread(thread));
		judge_check(trapped, name);
	}
}

/* ---- the promise in numbers ---- */

static inline unsigned int judge_count(uint32_t bits)
{
	unsigned int n = 0;

	for (int nr = 0; nr < PROBE_NUMBERS; nr++) {
		bool any = false;

		for (size_t i = 0; i < ARRAY_SIZE(seccomp_allowed); i++)
			any |= seccomp_allowed[i].syscall == nr &&
			       (seccomp_allowed[i].threads & bits);
		n += any;
	}
	return n;
}

static inline void judge_counts(void)
{
	printf("# distinct calls: vCPU %u, I/O %u, together %u\n", judge_count(ON_VCPU),
	       judge_count(ON_IO), judge_count(ON_BOTH));
	judge_check(judge_count(ON_VCPU) <= 8, "at most 8 calls on a vCPU thread");
	judge_check(judge_count(ON_IO) <= 14, "at most 14 calls on the I/O thread");
	judge_check(judge_count(ON_BOTH) <= 18, "at most 18 calls together");
}

/* ---- what the host sees of the process ---- */

static inline void judge_proc(pid_t pid, const char *name, char *text, size_t size)
{
	char path[512];
	struct err err;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	n = fd_read_file(AT_FDCWD, path, text, size - 1, &err);
	text[n > 0 ? n : 0] = '\0';
}

/* Every thread: one filter of its own, no capability. */
static inline int judge_tasks(pid_t pid, bool *good)
{
	char path[64], name[300], text[8192];
	const struct dirent *entry;
	DIR *dir;
	int n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(name, sizeof(name), "task/%s/status", entry->d_name);
		judge_proc(pid, name, text, sizeof(text));
		*good &= strstr(text, "\nSeccomp:\t2\n") && strstr(text, "\nNoNewPrivs:\t1\n") &&
			 strstr(text, "\nCapPrm:\t0000000000000000\n") &&
			 strstr(text, "\nCapBnd:\t0000000000000000\n");
		n++;
	}
	if (dir)
		(void)closedir(dir);
	return n;
}

/* Whether a line of maps (proc(5)) has both in its second field; its path may spell anything. */
static inline bool judge_writable_code(const char *line)
{
	const char *rights = strchr(line, ' ');

	return !rights || (rights[2] == 'w' && rights[3] == 'x');
}

static inline void judge_maps(pid_t pid)
{
	static char text[65536];
	unsigned lines = 0, bad = 0;

	judge_proc(pid, "maps", text, sizeof(text));
	for (char *rest, *line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest), lines++)
		if (judge_writable_code(line)) {
			printf("# %s\n", line);
			bad++;
		}
	if (!judge_check(lines > 0 && bad == 0, "no memory is writable and executable"))
		printf("# %u lines of %u\n", bad, lines);
}

static inline void judge_process(pid_t pid)
{
	static char text[65536];
	bool filtered = true;

	judge_check(judge_tasks(pid, &filtered) == 2, "two threads: one vCPU, one I/O");
	judge_check(filtered, "each has its filter, no capability, no_new_privs");
	judge_maps(pid);
	judge_proc(pid, "mountinfo", text, sizeof(text));
	judge_check(strstr(text, " - tmpfs empty ro,") &&
			    strchr(text, '\n') == text + strlen(text) - 1,
		    "its root is the empty tmpfs alone");
	judge_proc(pid, "net/dev", text, sizeof(text));
	judge_check(strstr(text, "lo:") && !strstr(text, "eth"),
		    "its network namespace has no link but lo");
}

#endif
