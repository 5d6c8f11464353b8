/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * What the keeper's tests need in C: specs and configurations as the CLI writes them, and the gate.
 *   hand spec KEY=VALUE…     write a spec into the spool; prints nothing
 *   hand config KEY=VALUE…   struct host_config on stdout, for mayfly-keeper's stdin
 *   hand gate KEY=VALUE…     load the gate
 *   hand cgroup              the parent of sandboxes' cgroups; prints its path when it was not there
 *   hand deadline STATE_DIR ID SECONDS   as if the sandbox had been granted SECONDS less
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/str.h"
#include "jail/cgroup.h"
#include "keeper/gate.h"
#include "store/deadline.h"
#include "store/spec.h"

static struct spec spec = {
	.magic = SPEC_MAGIC,
	.version = SPEC_VERSION,
	.size = sizeof(struct spec),
	.flags = SPEC_NET,
	.host = {
		.group = "root",
		.ipv6 = 1,
		.uid_base = 1900000000,
		.slot_count = 16,
		.pool4 = 0x0a53f000, /* 10.83.240.0 */
		.pool4_prefix = 24,
		.pool6 = { 0xfd, 0x4d, 0x46, 0x00, 0xff },
		.mark_base = 0x4d460000,
		.mark_mask = 0xffff0000,
		.stop_timeout_s = 2,
		.hook_timeout_s = 10,
	},
	.owner = "tester",
	.hostname = "box",
	.account = "project",
	.memory_bytes = 64 << 20,
	.vcpus = 1,
	.authorized_keys = "ssh-ed25519 AAAA tester\n",
	.host_key_public = "ecdsa-sha2-nistp256 AAAA",
	.client_key = "not a key\n",
};

#define TEXT(field)                                                                                \
	{                                                                                          \
#field, spec.field, sizeof(spec.field)                                             \
	}

static bool set_text(const char *key, const char *value)
{
	const struct {
		const char *key;
		char *to;
		size_t size;
	} texts[] = {
		TEXT(host.state_dir), TEXT(host.run_dir), TEXT(host.monitor),
		TEXT(host.group),     TEXT(id),		  TEXT(name),
		TEXT(kernel),	      TEXT(initrd),	  TEXT(image),
		TEXT(cmdline),	      TEXT(client_key),	  TEXT(host.hook),
		TEXT(owner),	      TEXT(labels),	  TEXT(reason),
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (strcmp(key, texts[i].key) == 0)
			return str_copy(texts[i].to, texts[i].size, value);
	return false;
}

/* tcp:HOST:GUEST or udp:HOST:GUEST on 127.0.0.1, several with commas between */
static bool publish(const char *value)
{
	char kind[4];
	unsigned host, guest, n = 0;

	for (; value && sscanf(value, "%3[a-z]:%u:%u", kind, &host, &guest) == 3; n++) {
		spec.ports[n] = (struct spec_port){
			.protocol = strcmp(kind, "udp") == 0 ? SPEC_UDP : SPEC_TCP,
			.host_port = (uint16_t)host,
			.guest_port = (uint16_t)guest,
			.address = { [10] = 0xff, 0xff, 127, 0, 0, 1 },
		};
		value = strchr(value, ',');
		value += value != NULL;
	}
	return n > 0;
}

/* seconds before the date, with commas between, the longest first */
static bool notices(const char *value)
{
	for (size_t i = 0; value && i < SPEC_MAX_NOTICES; i++) {
		spec.host.notices_s[i] = (uint32_t)atoi(value);
		value = strchr(value, ',');
		value += value != NULL;
	}
	return true;
}

static bool set(const char *key, const char *value)
{
	if (set_text(key, value))
		return true;
	if (strcmp(key, "ttl") == 0)
		spec.deadline_s = time(NULL) + atoll(value);
	else if (strcmp(key, "ahead") ==
		 0) { /* asked for, behind ttl, by a clock that was so far ahead */
		spec.created_s += atoll(value);
		spec.deadline_s += atoll(value);
	} else if (strcmp(key, "disk") == 0)
		spec.disk_bytes = strtoull(value, NULL, 10);
	else if (strcmp(key, "grace") == 0)
		spec.grace_s = strtoull(value, NULL, 10);
	else if (strcmp(key, "durable") == 0)
		spec.flags |= SPEC_DURABLE;
	else if (strcmp(key, "nonet") == 0)
		spec.flags &= ~(uint32_t)SPEC_NET;
	else if (strcmp(key, "cgroup_required") == 0)
		spec.host.cgroup_required = 1;
	else if (strcmp(key, "slots") == 0)
		spec.host.slot_count = (uint32_t)atoi(value);
	else if (strcmp(key, "pool4_prefix") == 0)
		spec.host.pool4_prefix = (uint32_t)atoi(value);
	else if (strcmp(key, "uid_base") == 0)
		spec.host.uid_base = (uint32_t)strtoul(value, NULL, 10);
	else if (strcmp(key, "publish") == 0)
		return publish(value);
	else if (strcmp(key, "memory") == 0)
		spec.memory_bytes = strtoull(value, NULL, 10);
	else if (strcmp(key, "cpus") == 0)
		spec.vcpus = (uint32_t)atoi(value);
	else if (strcmp(key, "totals") == 0) /* sandboxes:cpus:memory:disk, in MiB */
		return sscanf(value, "%u:%u:%u:%u", &spec.host.totals.sandboxes,
			      &spec.host.totals.cpus, &spec.host.totals.memory_mib,
			      &spec.host.totals.disk_mib) == 4;
	else if (strcmp(key, "notices") == 0)
		return notices(value);
	else if (strcmp(key, "hook_timeout") == 0)
		spec.host.hook_timeout_s = (uint32_t)atoi(value);
	else if (strcmp(key, "slot") == 0)
		spec.wanted_slot = (uint32_t)atoi(value) + 1;
	else if (strcmp(key, "stop") == 0)
		spec.host.stop_timeout_s = (uint32_t)atoi(value);
	else
		return false;
	return true;
}

static int age(const char *state_dir, const char *id, const char *seconds, struct err *err)
{
	struct host_config host = { 0 };
	struct deadline_record rec;
	int64_t granted_s;

	(void)str_copy(host.state_dir, sizeof(host.state_dir), state_dir);
	if (deadline_read(&host, id, &rec, err) < 0)
		return -1;
	granted_s = (int64_t)rec.granted_s - atoll(seconds);
	rec.deadline_s -= atoll(seconds);
	rec.granted_s = granted_s > 0 ? (uint64_t)granted_s : 0;
	return deadline_write(&host, id, &rec, err);
}

static int make_cgroup(struct err *err)
{
	char top[CGROUP_PATH_SIZE], parent[CGROUP_PATH_SIZE + 16];
	uint32_t missing;

	if (cgroup_find(top, err) < 0)
		return 0; /* then there is none to make */
	(void)snprintf(parent, sizeof(parent), "%s/%s", top, CGROUP_PARENT);
	if (access(parent, F_OK) == 0)
		return 0;
	(void)printf("%s", parent);
	return cgroup_parent_up(parent, &missing, err);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	struct err err = { 0 };
	int rc = -1;

	spec.created_s = time(NULL);
	spec.deadline_s = spec.created_s + 3600;
	if (strcmp(verb, "deadline") == 0 && argc == 5) {
		rc = age(argv[2], argv[3], argv[4], &err);
	} else {
		for (int i = 2; i < argc; i++) {
			char *equals = strchr(argv[i], '=');

			if (equals)
				*equals = '\0';
			if (!set(argv[i], equals ? equals + 1 : ""))
				(void)fprintf(stderr, "hand: what is %s?\n", argv[i]);
		}
		if (strcmp(verb, "spec") == 0)
			rc = spec_write_spool(&spec, &err);
		if (strcmp(verb, "config") == 0)
			rc = fd_write_all(STDOUT_FILENO, &spec.host, sizeof(spec.host));
		if (strcmp(verb, "cgroup") == 0)
			rc = make_cgroup(&err);
		if (strcmp(verb, "gate") == 0)
			rc = gate_up(&spec.host, &err);
	}
	if (rc < 0)
		(void)fprintf(stderr, "hand: %s\n", err.text);
	return rc < 0;
}
