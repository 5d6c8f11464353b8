/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "store/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "store/labels.h"
#include "store/paths.h"

#define SPEC_MEMORY_STEP    (2ull << 20)
#define SPEC_MEMORY_MIN	    (16ull << 20)
#define SPEC_MEMORY_MAX	    (64ull << 30)
#define SPEC_VCPUS_MAX	    8
#define SPEC_CPU_WEIGHT_MAX 10000
#define SPEC_GRACE_MAX_S    (3650ull * 86400)

struct spec_text {
	const char *what;
	const char *text;
	size_t size;
	bool path; /* absolute */
};

static int spec_check_texts(const struct spec_text *texts, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct spec_text *t = &texts[i];

		if (strnlen(t->text, t->size) == t->size)
			return err_set(err, ERR_USAGE, "spec: %s isn't terminated", t->what);
		if (t->path && t->text[0] != '/')
			return err_set(err, ERR_USAGE, "spec: %s isn't an absolute path", t->what);
	}
	return 0;
}

static int spec_check_notices(const struct host_config *host, struct err *err)
{
	for (size_t i = 1; i < SPEC_MAX_NOTICES; i++)
		if (host->notices_s[i] && host->notices_s[i] >= host->notices_s[i - 1])
			return err_set(err, ERR_USAGE, "spec: notices are not in order");
	if (!host->hook[0])
		return 0;
	if (host->hook[0] != '/')
		return err_set(err, ERR_USAGE, "spec: hook isn't an absolute path");
	if (host->hook_timeout_s < 1 || host->hook_timeout_s > SPEC_HOOK_MAX_S)
		return err_set(err, ERR_USAGE, "spec: hook_timeout is out of range");
	return 0;
}

int spec_check_host(const struct host_config *host, struct err *err)
{
	const struct spec_text texts[] = {
		{ "state_dir", host->state_dir, sizeof(host->state_dir), true },
		{ "run_dir", host->run_dir, sizeof(host->run_dir), true },
		{ "monitor", host->monitor, sizeof(host->monitor), true },
		{ "group", host->group, sizeof(host->group), false },
		{ "hook", host->hook, sizeof(host->hook), false },
	};

	if (spec_check_texts(texts, ARRAY_SIZE(texts), err) < 0)
		return -1;
	if (host->slot_count == 0 || host->uid_base == 0 ||
	    host->uid_base > UINT32_MAX - host->slot_count)
		return err_set(err, ERR_USAGE, "spec: the uid range is empty or too high");
	return spec_check_notices(host, err);
}

static int spec_check_resolvers(const struct spec *spec, struct err *err)
{
	for (size_t i = 0; i < SPEC_MAX_RESOLVERS; i++)
		if (strnlen(spec->resolvers[i], sizeof(spec->resolvers[i])) ==
		    sizeof(spec->resolvers[i]))
			return err_set(err, ERR_USAGE, "spec: a resolver isn't terminated");
	return 0;
}

static int spec_check_ports(const struct spec *spec, struct err *err)
{
	for (size_t i = 0; i < SPEC_MAX_PORTS && spec->ports[i].protocol; i++) {
		const struct spec_port *port = &spec->ports[i];

		if ((port->protocol != SPEC_TCP && port->protocol != SPEC_UDP) ||
		    port->host_port == 0 || port->guest_port == 0)
			return err_set(err, ERR_USAGE, "spec: bad published port");
	}
	if (spec->n_egress > SPEC_MAX_EGRESS)
		return err_set(err, ERR_USAGE, "spec: too many networks to send to");
	for (uint32_t i = 0; i < spec->n_egress; i++)
		if (spec->egress[i].prefix > 128)
			return err_set(err, ERR_USAGE, "spec: a network to send to is none");
	if (spec->wanted_slot > spec->host.slot_count)
		return err_set(err, ERR_USAGE, "spec: the wanted address is out of the pool");
	return 0;
}

static int spec_check_numbers(const struct spec *spec, struct err *err)
{
	if (spec->memory_bytes < SPEC_MEMORY_MIN || spec->memory_bytes > SPEC_MEMORY_MAX ||
	    spec->memory_bytes % SPEC_MEMORY_STEP)
		return err_set(err, ERR_USAGE, "memory must be 16M to 64G, a multiple of 2M");
	if (spec->vcpus < 1 || spec->vcpus > SPEC_VCPUS_MAX)
		return err_set(err, ERR_USAGE, "a sandbox has 1 to %d CPUs", SPEC_VCPUS_MAX);
	if (spec->cpu_weight > SPEC_CPU_WEIGHT_MAX || spec->cpu_max_percent > SPEC_VCPUS_MAX * 100)
		return err_set(err, ERR_USAGE, "spec: a CPU limit is out of range");
	if (spec->grace_s > SPEC_GRACE_MAX_S)
		return err_set(err, ERR_USAGE, "spec: the grace is too long");
	if (spec->deadline_s <= 0 || spec->created_s <= 0)
		return err_set(err, ERR_USAGE, "spec: no date");
	return 0;
}

int spec_check(const struct spec *spec, struct err *err)
{
	const struct spec_text texts[] = {
		{ "name", spec->name, sizeof(spec->name), false },
		{ "owner", spec->owner, sizeof(spec->owner), false },
		{ "reason", spec->reason, sizeof(spec->reason), false },
		{ "labels", spec->labels, sizeof(spec->labels), false },
		{ "hostname", spec->hostname, sizeof(spec->hostname), false },
		{ "account", spec->account, sizeof(spec->account), false },
		{ "kernel", spec->kernel, sizeof(spec->kernel), true },
		{ "initrd", spec->initrd, sizeof(spec->initrd), true },
		{ "image", spec->image, sizeof(spec->image), true },
		{ "cmdline", spec->cmdline, sizeof(spec->cmdline), false },
		{ "authorized_keys", spec->authorized_keys, sizeof(spec->authorized_keys), false },
		{ "people", spec->people, sizeof(spec->people), false },
		{ "host_key", spec->host_key, sizeof(spec->host_key), false },
		{ "host_key_public", spec->host_key_public, sizeof(spec->host_key_public), false },
		{ "host_key_sha256", spec->host_key_sha256, sizeof(spec->host_key_sha256), false },
		{ "client_key", spec->client_key, sizeof(spec->client_key), false },
	};

	if (spec->magic != SPEC_MAGIC || spec->version != SPEC_VERSION ||
	    spec->size != sizeof(*spec))
		return err_set(err, ERR_USAGE, "not a spec of this version of mayfly");
	if (!id_is_valid(spec->id))
		return err_set(err, ERR_USAGE, "spec: bad id");
	if (spec_check_host(&spec->host, err) < 0 ||
	    spec_check_texts(texts, ARRAY_SIZE(texts), err) < 0 ||
	    spec_check_resolvers(spec, err) < 0 || spec_check_ports(spec, err) < 0)
		return -1;
	if (!str_is_name(spec->name))
		return err_set(err, ERR_USAGE, "spec: bad name");
	if (!labels_are_valid(spec->labels))
		return err_set(err, ERR_USAGE, "spec: bad labels");
	return spec_check_numbers(spec, err);
}

int spec_read(const char *path, struct spec *spec, struct err *err)
{
	ssize_t n = fd_read_file(AT_FDCWD, path, spec, sizeof(*spec), err);

	if (n < 0) {
		if (err->os_errno == ENOENT)
			return err_set(err, ERR_NOT_FOUND, "there is no %s", path);
		return -1;
	}
	if ((size_t)n != sizeof(*spec))
		return err_set(err, ERR_USAGE, "%s: not a spec of this version of mayfly", path);
	if (spec_check(spec, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

int spec_write_spool(const struct spec *spec, struct err *err)
{
	char dir[PATHS_SIZE];
	auto_fd dirfd = -1;

	if (spec_check(spec, err) < 0 || paths_make(&spec->host, err) < 0)
		return -1;
	dirfd = open(paths_state(&spec->host, "spool", dir), O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(err, "can't open %s", dir);
	return fd_replace_file(dirfd, spec->id, 0600, spec, sizeof(*spec), err);
}

int spec_write_sandbox(const struct spec *spec, struct err *err)
{
	char dir[PATHS_SIZE];
	auto_fd dirfd = -1;

	if (spec_check(spec, err) < 0)
		return -1;
	dirfd = open(paths_sandbox(&spec->host, spec->id, NULL, dir),
		     O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(err, "can't open %s", dir);
	return fd_replace_file(dirfd, "spec", 0600, spec, sizeof(*spec), err);
}
