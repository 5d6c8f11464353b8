/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Plays the keeper's part for the network tests: one call of keeper/ as a command.
 *
 * player hold ID NAME SLOT [MODE] [FD]        tap and own rules (bare: no rules; open: rules that only mark; to:NET+PORT,…:
 *                                             an egress of these networks, PORT 0 for all), then "ready"
 *                                             on stdout and wait for the end of stdin. With FD, a unix socket, the tap's
 *                                             descriptor is sent there.
 * player VERB [ARGUMENT...]                   see verbs[]; prints the result, exits 0, or 1 with the error on stderr
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "keeper/conntrack.h"
#include "keeper/doctor.h"
#include "keeper/gate.h"
#include "keeper/host.h"
#include "keeper/kvmcheck.h"
#include "keeper/link.h"
#include "keeper/owner_table.h"
#include "keeper/plan.h"
#include "keeper/ruleset.h"

static struct host_config host = {
	.group = "mayfly-test",
	.ipv6 = 1,
	.uid_base = 2100000000,
	.slot_count = 256,
	.pool4 = 0x0a530000,
	.pool4_prefix = 16,
	.pool6 = { 0xfd, 0x6d, 0x66 },
	.mark_base = 0x4d460000,
	.mark_mask = 0xffff0000,
};

static void put(void *arg, const struct ctl_record *record)
{
	(void)arg;
	printf("%s%u %s\n", record->type == CTL_NOTE ? "note " : "", record->code, record->text);
}

static const struct sink sink = { .put = put };

static int send_fd(int socket, int fd, struct err *err)
{
	char byte = 0;
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = { 0 } };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(socket, &msg, 0) < 0 ? err_sys(err, "can't send the tap") : 0;
}

/* The sandbox's own table without its checks: what the tests' negative controls run against */
static int open_open_table(struct owner_table *table, const char *id, const struct slot_plan *plan,
			   struct err *err)
{
	char name[ID_NAME_SIZE], tap[IFNAMSIZ], text[512];

	id_table(id, name);
	id_tap(id, tap);
	(void)snprintf(text, sizeof(text),
		       "add table netdev %s { flags owner; }\n"
		       "add chain netdev %s in { type filter hook ingress device \"%s\" priority "
		       "0; policy accept; }\n"
		       "add rule netdev %s in meta mark set 0x%08x\n",
		       name, name, tap, name, plan->mark);
	table->ctx = ruleset_open(err);
	return table->ctx ? ruleset_run(table->ctx, text, "make an open table", err) : -1;
}

/* "to:", then ADDRESS/LENGTH+PORT between commas; anything else: no limit. */
static struct owner_egress egress_of(const char *mode, struct spec_egress list[SPEC_MAX_EGRESS])
{
	struct owner_egress egress = { .limited = strncmp(mode, "to:", 3) == 0, .list = list };
	char address[64];
	unsigned length, port;

	for (const char *at = mode + 3;
	     egress.limited && sscanf(at, "%63[0-9a-f.:]/%u+%u", address, &length, &port) == 3;
	     at = strchr(at, ',') + 1) {
		struct spec_egress *to = &list[egress.n++];
		bool v4 = strchr(address, ':') == NULL;

		*to = (struct spec_egress){ .prefix = (uint8_t)(length + (v4 ? 96 : 0)),
					    .port = (uint16_t)port };
		if (v4)
			to->address[10] = to->address[11] = 0xff;
		BUG_ON(inet_pton(v4 ? AF_INET : AF_INET6, address, to->address + (v4 ? 12 : 0)) !=
		       1);
		if (!strchr(at, ','))
			break;
	}
	return egress;
}

static int hold(int argc, char **argv, struct err *err)
{
	struct owner_table table = OWNER_TABLE_INIT;
	const char *mode = argc > 3 ? argv[3] : "";
	struct spec_egress list[SPEC_MAX_EGRESS];
	const struct owner_egress egress = egress_of(mode, list);
	struct slot_plan plan;
	auto_fd fd = -1;
	uint32_t ifindex;
	char byte;

	if (argc < 3 || !id_is_valid(argv[0]))
		return err_set(err, ERR_USAGE, "hold ID NAME SLOT [bare|open|-] [FD]");
	if (plan_for_slot(&host, (uint32_t)atoi(argv[2]), &plan, err) < 0 ||
	    link_tap_open(argv[0], argv[1], &plan, true, &fd, &ifindex, err) < 0)
		return -1;
	if (strcmp(mode, "open") == 0 && open_open_table(&table, argv[0], &plan, err) < 0)
		return -1;
	if (strcmp(mode, "open") != 0 && strcmp(mode, "bare") != 0 &&
	    owner_table_open(&table, argv[0], &plan, &host, &egress, err) < 0)
		return -1;
	if (argc > 4 && send_fd(atoi(argv[4]), fd, err) < 0)
		return -1;
	printf("ready %u\n", ifindex);
	(void)fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	owner_table_close(&table);
	return 0;
}

/*
 * ID NAME SLOT [blind]: a table that is dropped and then closed; whether it is absent before, between and after. blind: with a
 * socket of which it isn't known which it is, so that nothing is dropped.
 */
static int drop(char **argv, struct err *err)
{
	struct owner_table table = OWNER_TABLE_INIT;
	const struct owner_egress all = { .limited = false };
	struct slot_plan plan;
	auto_fd fd = -1;
	uint32_t ifindex;
	int before, between;

	if (plan_for_slot(&host, (uint32_t)atoi(argv[2]), &plan, err) < 0 ||
	    link_tap_open(argv[0], argv[1], &plan, true, &fd, &ifindex, err) < 0 ||
	    owner_table_open(&table, argv[0], &plan, &host, &all, err) < 0)
		return -1;
	if (argv[3])
		table.socket = -1;
	before = owner_table_absent(argv[0], err);
	owner_table_drop(&table, argv[0]);
	between = owner_table_absent(argv[0], err);
	owner_table_drop(&table, argv[0]); /* again changes nothing */
	owner_table_close(&table);
	printf("%d %d %d\n", before, between, owner_table_absent(argv[0], err));
	return 0;
}

static uint32_t mark_of(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 0);
}

static int answer(int value)
{
	if (value >= 0)
		printf("%d\n", value);
	return value;
}

static int tap_remove(char **argv, struct err *err)
{
	return link_tap_remove(argv[0], err);
}

static int tap_absent(char **argv, struct err *err)
{
	return answer(link_tap_absent(argv[0], err));
}

static int tap_count(char **argv, struct err *err)
{
	(void)argv;
	return answer(link_tap_count(err));
}

static int table_absent(char **argv, struct err *err)
{
	return answer(owner_table_absent(argv[0], err));
}

static int table_possible(char **argv, struct err *err)
{
	(void)argv;
	return answer(owner_table_possible(err));
}

static int clash(char **argv, struct err *err)
{
	char text[256] = "";
	int r = link_pool_clash(&host, text, sizeof(text), err);

	(void)argv;
	if (r >= 0)
		printf("%d %s\n", r, text);
	return r;
}

static int gate_load(char **argv, struct err *err)
{
	(void)argv;
	return gate_up(&host, err);
}

static int gate_unload(char **argv, struct err *err)
{
	(void)argv;
	return gate_down(err);
}

static int gate_look(char **argv, struct err *err)
{
	(void)argv;
	return answer(gate_present(&host, err));
}

static int flush(char **argv, struct err *err)
{
	return conntrack_flush(mark_of(argv[0]), err) < 0 ? -1 : 0;
}

static int count(char **argv, struct err *err)
{
	return answer(conntrack_count(mark_of(argv[0]), err));
}

static void set_dirs(char **argv)
{
	(void)snprintf(host.state_dir, sizeof(host.state_dir), "%s", argv[0]);
	(void)snprintf(host.run_dir, sizeof(host.run_dir), "%s", argv[1]);
}

static int up(char **argv, struct err *err)
{
	set_dirs(argv);
	return host_up(&host, &sink, err);
}

static int down(char **argv, struct err *err)
{
	set_dirs(argv);
	return host_down(&host, false, &sink, err);
}

static int down_force(char **argv, struct err *err)
{
	set_dirs(argv);
	return host_down(&host, true, &sink, err);
}

static int doctor(char **argv, struct err *err)
{
	(void)err;
	return answer(doctor_run(&host, argv[0], &sink));
}

static int kvm(char **argv, struct err *err)
{
	struct kvmcheck check;

	(void)err;
	kvmcheck_run(argv[0], &check);
	printf("%d %lu %s\n", (int)check.result, (unsigned long)check.ps_per_instruction,
	       check.text);
	return 0;
}

static const struct {
	const char *name;
	int n_args;
	int (*run)(char **argv, struct err *err);
} verbs[] = {
	{ "tap-remove", 1, tap_remove },	 /* ID */
	{ "tap-absent", 1, tap_absent },	 /* ID */
	{ "tap-count", 0, tap_count },		 /* */
	{ "table-absent", 1, table_absent },	 /* ID */
	{ "table-possible", 0, table_possible }, /* */
	{ "drop", 3, drop },			 /* ID NAME SLOT [blind] */
	{ "clash", 0, clash },			 /* */
	{ "gate-up", 0, gate_load },		 /* */
	{ "gate-down", 0, gate_unload },	 /* */
	{ "gate-present", 0, gate_look },	 /* */
	{ "flush", 1, flush },			 /* MARK */
	{ "count", 1, count },			 /* MARK */
	{ "host-up", 2, up },			 /* STATE_DIR RUN_DIR */
	{ "host-down", 2, down },		 /* STATE_DIR RUN_DIR */
	{ "host-down-force", 2, down_force },	 /* STATE_DIR RUN_DIR */
	{ "doctor", 0, doctor },		 /* [CHECK] */
	{ "kvm", 0, kvm },			 /* [DEVICE] */
};

static int run(int argc, char **argv, struct err *err)
{
	if (argc > 1 && strcmp(argv[1], "hold") == 0)
		return hold(argc - 2, argv + 2, err);
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0 && argc - 2 >= verbs[i].n_args)
			return verbs[i].run(argv + 2, err);
	return err_set(err, ERR_USAGE, "unknown verb");
}

int main(int argc, char **argv)
{
	struct err err = { .code = 0 };

	if (run(argc, argv, &err) >= 0)
		return 0;
	fprintf(stderr, "%s\n", err.text);
	return 1;
}
