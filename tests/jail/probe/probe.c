/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * mayfly-vmm-probe: all of mayfly-vmm but what its threads do behind their filters. Here they try system calls, with
 * arguments that no call can do anything with, so that "the filter stopped it" and "the kernel refused it" differ.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bug.h"
#include "jail/filter.h"
#include "jail/seccomp_table.h"
#include "tests/jail/probe/report.h"
#include "vmm/monitor/channel.h"
#include "vmm/monitor/gate.h"
#include "vmm/monitor/loop.h"
#include "vmm/monitor/vcpu_thread.h"

/* As a descriptor -1, as a pointer outside any address space. */
#define BAD_FIRST 0xdead0000ffffffffull
/* As a pointer outside any address space, as a number of 32 bits 0: no ioctl, no allowed futex operation, no PROT_EXEC. */
#define BAD_OTHER 0xdead000000000000ull

static_assert(ARRAY_SIZE(seccomp_allowed) <= PROBE_RULES, "room in the report");
static_assert(ARRAY_SIZE(seccomp_killed) <= PROBE_RULES, "room in the report");

/* ---- the handler: records in a survey, else does what the product's does ---- */

static __thread bool surveying;
static __thread uint32_t n_trapped;
static struct sigaction product_action;

int __real_jail_filter_prepare(struct err *err);
int __wrap_jail_filter_prepare(struct err *err);

static void on_trap(int signo, siginfo_t *info, void *context)
{
	if (!surveying)
		product_action.sa_sigaction(signo, info, context);
	(void)__atomic_add_fetch(&n_trapped, 1, __ATOMIC_RELAXED);
}

int __wrap_jail_filter_prepare(struct err *err)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	if (__real_jail_filter_prepare(err) < 0)
		return -1;
	sigfillset(&action.sa_mask);
	return sigaction(SIGSYS, &action, &product_action);
}

/* ---- calls ---- */

static long call_native(uint64_t nr, const uint64_t args[6])
{
	register uint64_t r10 __asm__("r10") = args[3];
	register uint64_t r8 __asm__("r8") = args[4];
	register uint64_t r9 __asm__("r9") = args[5];
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static long call_i386(uint64_t nr)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(nr), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0)
			 : "r8", "r9", "r10", "r11", "memory");
	return result;
}

/* The call with bad arguments but for args[arg] = value; arg SECCOMP's ARG_ANY: all bad. */
static uint8_t try_call(int nr, int arg, uint64_t value)
{
	uint64_t args[6] = { BAD_FIRST, BAD_OTHER, BAD_OTHER, BAD_OTHER, BAD_OTHER, BAD_OTHER };
	uint32_t before = __atomic_load_n(&n_trapped, __ATOMIC_RELAXED);

	if (arg != ARG_ANY)
		args[arg] = value;
	(void)call_native((uint64_t)nr, args);
	return __atomic_load_n(&n_trapped, __ATOMIC_RELAXED) == before ? PROBE_PASSED
								       : PROBE_TRAPPED;
}

/* ---- the survey ---- */

static bool is_left_out(int nr)
{
	/* every trap returns by the first; single calls try the others */
	if (nr == SYS_rt_sigreturn || nr == SYS_exit_group || nr == PROBE_URETPROBE ||
	    nr == PROBE_UPROBE)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(seccomp_killed); i++)
		if (seccomp_killed[i].syscall == nr && seccomp_killed[i].arg == ARG_ANY)
			return true;
	return false;
}

static void survey_rule(const struct seccomp_rule *rule, uint8_t results[PROBE_VARIANTS])
{
	results[0] = try_call(rule->syscall, rule->arg, rule->value);
	results[1] = try_call(rule->syscall, rule->arg, rule->value | 0xffffffff00000000ull);
	for (int bit = 0; bit < 32; bit++)
		results[2 + bit] = try_call(rule->syscall, rule->arg, rule->value ^ (1ull << bit));
}

static void survey(struct probe_thread *report)
{
	surveying = true;
	for (int nr = 0; nr < PROBE_NUMBERS; nr++)
		if (!is_left_out(nr))
			report->numbers[nr] = try_call(nr, ARG_ANY, 0);
	for (size_t i = 0; i < ARRAY_SIZE(seccomp_allowed); i++)
		if (seccomp_allowed[i].arg != ARG_ANY)
			survey_rule(&seccomp_allowed[i], report->allowed[i]);
	for (size_t i = 0; i < ARRAY_SIZE(seccomp_killed); i++)
		if (seccomp_killed[i].arg != ARG_ANY)
			report->harmless[i] =
				try_call(seccomp_killed[i].syscall, seccomp_killed[i].arg,
					 ~seccomp_killed[i].mask & 0xff);
	__atomic_store_n(&report->done, 1, __ATOMIC_RELEASE);
}

/* ---- a single call ---- */

static uint64_t next_number(const char **text)
{
	char *end;
	uint64_t value = strtoull(*text, &end, 0);

	*text = *end == ':' ? end + 1 : end;
	return value;
}

/* A thread that isn't meant goes to sleep: the other one ends the process. */
static noreturn void single(const char *text, enum jail_thread self)
{
	uint64_t thread = next_number(&text);
	uint64_t abi = next_number(&text);
	uint64_t nr = next_number(&text);
	int arg = (int)next_number(&text) - 1;
	uint64_t args[6] = { BAD_FIRST, BAD_OTHER, BAD_OTHER, BAD_OTHER, BAD_OTHER, BAD_OTHER };

	if (thread != self)
		gate_sleep();
	if (arg >= 0 && arg < 6)
		args[arg] = next_number(&text);
	(void)(abi == PROBE_I386 ? call_i386(nr) : call_native(nr, args));
	channel_end(LAUNCH_END_RESET, 0);
}

static noreturn void probe(struct machine *machine, enum jail_thread self)
{
	struct probe_report *report = (struct probe_report *)(machine->ring.head + 1);
	const char *word = strstr(machine->record.cmdline, PROBE_WORD);

	if (!word)
		__builtin_trap();
	word += strlen(PROBE_WORD);
	if (strncmp(word, "survey", 6) != 0)
		single(word, self);
	survey(&report->threads[self]);
	gate_sleep();
}

noreturn void loop_run(struct machine *machine)
{
	probe(machine, JAIL_THREAD_IO);
}

noreturn void vcpu_thread_run(struct machine *machine, struct vcpu *vcpu)
{
	(void)vcpu;
	probe(machine, JAIL_THREAD_VCPU);
}
