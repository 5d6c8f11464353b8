/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Build-time tool: seccomp_table.h → BPF, by libseccomp.
 *
 * filtergen              C arrays on stdout, for jail/filter.c
 * filtergen --markdown   the table, for people
 *
 * It refuses a table that breaks the limits, so a call too many stops the build.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "jail/seccomp_table.h"

#define MAX_INSNS 512

static const struct {
	enum jail_thread kind;
	const char *name;
	uint32_t bit;
} threads[] = {
	{ JAIL_THREAD_VCPU, "vcpu", ON_VCPU },
	{ JAIL_THREAD_IO, "io", ON_IO },
};

static void die(const char *what, int error)
{
	(void)fprintf(stderr, "filtergen: %s: %s\n", what, strerror(error));
	exit(1);
}

static unsigned int count_calls(uint32_t bits)
{
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(seccomp_allowed); i++) {
		bool seen = !(seccomp_allowed[i].threads & bits);

		for (size_t j = 0; j < i && !seen; j++)
			seen = seccomp_allowed[j].syscall == seccomp_allowed[i].syscall &&
			       (seccomp_allowed[j].threads & bits);
		n += !seen;
	}
	return n;
}

static void check_limit(const char *what, uint32_t bits, unsigned int max)
{
	unsigned int n = count_calls(bits);

	if (n > max) {
		(void)fprintf(stderr, "filtergen: %s: %u calls allowed, the limit is %u\n", what, n,
			      max);
		exit(1);
	}
}

static void add_rules(scmp_filter_ctx ctx, uint32_t action, uint32_t bit,
		      const struct seccomp_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct seccomp_rule *r = &rules[i];
		struct scmp_arg_cmp cmp = {
			.arg = r->arg == ARG_ANY ? 0 : (unsigned int)r->arg,
			.op = SCMP_CMP_MASKED_EQ,
			.datum_a = r->mask,
			.datum_b = r->value,
		};
		int rc;

		if (!(r->threads & bit))
			continue;
		rc = seccomp_rule_add_exact_array(ctx, action, r->syscall,
						  r->arg == ARG_ANY ? 0 : 1, &cmp);
		if (rc < 0)
			die(r->why, -rc);
	}
}

static scmp_filter_ctx build(uint32_t bit)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);

	if (!ctx)
		die("seccomp_init", ENOMEM);
	if (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0)
		die("SCMP_FLTATR_ACT_BADARCH", EINVAL);
	add_rules(ctx, SCMP_ACT_ALLOW, bit, seccomp_allowed, ARRAY_SIZE(seccomp_allowed));
	add_rules(ctx, SCMP_ACT_KILL_PROCESS, bit, seccomp_killed, ARRAY_SIZE(seccomp_killed));
	return ctx;
}

static size_t export(scmp_filter_ctx ctx, struct sock_filter *insns, size_t max)
{
	FILE *file = tmpfile();
	size_t n;
	int rc;

	if (!file)
		die("tmpfile", errno);
	rc = seccomp_export_bpf(ctx, fileno(file));
	if (rc < 0)
		die("seccomp_export_bpf", -rc);
	rewind(file);
	n = fread(insns, sizeof(*insns), max, file);
	if (n == 0 || n == max)
		die("filter's length", E2BIG);
	(void)fclose(file);
	return n;
}

static void print_arrays(void)
{
	static struct sock_filter insns[MAX_INSNS];

	printf("/* SPDX-License-Identifier: Apache-2.0 */\n/* Copyright The mayfly authors */\n"
	       "/* Made by jail/gen/filtergen.c from jail/seccomp_table.h. */\n");
	for (size_t t = 0; t < ARRAY_SIZE(threads); t++) {
		scmp_filter_ctx ctx = build(threads[t].bit);
		size_t n = export(ctx, insns, MAX_INSNS);

		printf("\nstatic const struct sock_filter filter_%s[] = {\n", threads[t].name);
		for (size_t i = 0; i < n; i++)
			printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", insns[i].code, insns[i].jt,
			       insns[i].jf, insns[i].k);
		printf("};\n");
		seccomp_release(ctx);
	}
}

static void print_rules(const struct seccomp_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct seccomp_rule *r = &rules[i];
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, r->syscall);

		printf("| `%s` (%d) | ", name ? name : "?", r->syscall);
		if (r->arg == ARG_ANY)
			printf("any");
		else
			printf("argument %d & 0x%" PRIx64 " = 0x%" PRIx64, r->arg, r->mask,
			       r->value);
		printf(" | %s | %s | %s |\n", r->threads & ON_VCPU ? "yes" : "",
		       r->threads & ON_IO ? "yes" : "", r->why);
		free(name);
	}
}

static void print_markdown(void)
{
	printf("vCPU thread: %u calls, I/O thread: %u, together: %u.\n\n", count_calls(ON_VCPU),
	       count_calls(ON_IO), count_calls(ON_BOTH));
	printf("| allowed call | arguments | vCPU | I/O | why |\n|---|---|---|---|---|\n");
	print_rules(seccomp_allowed, ARRAY_SIZE(seccomp_allowed));
	printf("\n| killed call | arguments | vCPU | I/O | what for |\n|---|---|---|---|---|\n");
	print_rules(seccomp_killed, ARRAY_SIZE(seccomp_killed));
	printf("\nEverything else raises SIGSYS: the monitor reports the call and exits.\n");
}

int main(int argc, char **argv)
{
	check_limit("vCPU thread", ON_VCPU, SECCOMP_MAX_VCPU);
	check_limit("I/O thread", ON_IO, SECCOMP_MAX_IO);
	check_limit("both threads", ON_BOTH, SECCOMP_MAX_UNION);
	if (argc == 2 && strcmp(argv[1], "--markdown") == 0)
		print_markdown();
	else
		print_arrays();
	return fflush(stdout) == 0 ? 0 : 1;
}
