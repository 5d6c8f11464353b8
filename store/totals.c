/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "store/totals.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/fd.h"
#include "store/lock.h"
#include "store/paths.h"
#include "store/status.h"
#include "store/store.h"

#define TOTALS_MIB (1ull << 20)

static uint64_t totals_mib(uint64_t bytes)
{
	return (bytes + TOTALS_MIB - 1) / TOTALS_MIB;
}

/* The numbers alone: what comes behind them in a spec is large, and secret. 1, 0 when there is none of this version, -1 with err. */
static int totals_read_spec(int names, const char *name, struct spec *spec, struct err *err)
{
	char path[STR_NAME_MAX + 8];
	auto_fd fd = -1;
	const ssize_t size = offsetof(struct spec, reason);
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%.*s/spec", STR_NAME_MAX, name);
	fd = openat(names, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	n = fd < 0 ? -1 : pread(fd, spec, (size_t)size, 0);
	if (n < 0)
		return err_sys(err, "%s", path);
	return n == size && spec->magic == SPEC_MAGIC && spec->version == SPEC_VERSION &&
	       spec->size == sizeof(*spec);
}

/* Count what bears this name. 0, or -1 with err: where it can't be told what is kept, nothing is allowed. */
static int totals_count(int names, const char *name, const char *id, struct totals *totals,
			struct err *err)
{
	static struct spec spec;
	int read;

	if (faccessat(names, name, F_OK, 0) < 0)
		/* one that leads nowhere is nobody's */
		return errno == ENOENT ? 0 : err_sys(err, "%s", name);
	read = totals_read_spec(names, name, &spec, err);
	if (read < 0)
		return -1;
	if (read > 0 && strncmp(spec.id, id, ID_LEN) == 0)
		return 0;
	totals->sandboxes++;
	totals->disk_mib += read > 0 ? totals_mib(spec.disk_bytes) : 0;
	return 0;
}

static int totals_kept(const struct host_config *host, const char *id, struct totals *totals,
		       struct err *err)
{
	char path[PATHS_SIZE];
	DIR *dir = opendir(paths_state(host, "names", path));
	const struct dirent *d;
	int r;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "can't read %s", path);
	while ((r = dir_next(dir, &d, err)) > 0)
		if (d->d_name[0] != '.' &&
		    (r = totals_count(dirfd(dir), d->d_name, id, totals, err)) < 0)
			break;
	(void)closedir(dir);
	return r < 0 ? err_wrap(err, "%s", path) : 0;
}

/* A slot whose lock nobody holds is in quarantine, and nothing runs in it. */
static int totals_count_slot(const struct host_config *host, uint32_t number, const char *id,
			     struct totals *totals, struct err *err)
{
	char path[PATHS_SIZE], holder[ID_SIZE] = "";
	struct status_record status;
	int held = lock_look(paths_slot(host, number, path), err);
	ssize_t n;

	if (held <= 0)
		return held;
	n = fd_read_file(AT_FDCWD, path, holder, ID_LEN, err);
	if (n < 0 && fd_is_unread(err))
		return -1;
	if (n != ID_LEN || strcmp(holder, id) == 0)
		return 0;
	if (status_read(host, holder, &status, err) < 0)
		return fd_is_unread(err) ? -1 : 0;
	totals->cpus += status.vcpus;
	totals->memory_mib += status.memory_mib;
	return 0;
}

static int totals_running(const struct host_config *host, const char *id, struct totals *totals,
			  struct err *err)
{
	char path[PATHS_SIZE];
	DIR *dir = opendir(paths_run_dir(host, "slots", path));
	const struct dirent *d;
	int r;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "can't read %s", path);
	while ((r = dir_next(dir, &d, err)) > 0) {
		char *end;
		unsigned long number = strtoul(d->d_name, &end, 10);

		if (end == d->d_name || *end != '\0')
			continue;
		r = totals_count_slot(host, (uint32_t)number, id, totals, err);
		if (r < 0)
			break;
	}
	(void)closedir(dir);
	return r < 0 ? err_wrap(err, "%s", path) : 0;
}

int totals_look(const struct host_config *host, const char *id, unsigned kinds,
		struct totals *totals, struct err *err)
{
	*totals = (struct totals){ 0 };
	if ((kinds & TOTALS_KEPT) && totals_kept(host, id, totals, err) < 0)
		return -1;
	return (kinds & TOTALS_RUNNING) ? totals_running(host, id, totals, err) : 0;
}

const char *totals_size(uint64_t mib, char out[TOTALS_SIZE_TEXT])
{
	static const char units[] = "MGT";
	unsigned unit = 0;

	while (mib > 0 && mib % 1024 == 0 && units[unit + 1]) {
		mib /= 1024;
		unit++;
	}
	(void)snprintf(out, TOTALS_SIZE_TEXT, "%llu%c", (unsigned long long)mib, units[unit]);
	return out;
}

static int totals_refuse(struct err *err, const char *key, uint64_t limit, uint64_t wanted,
			 uint64_t taken)
{
	return err_set(err, ERR_FAILED, "[policy] %s = %llu refuses %llu more: %llu are taken", key,
		       (unsigned long long)limit, (unsigned long long)wanted,
		       (unsigned long long)taken);
}

static int totals_refuse_size(struct err *err, const char *key, uint64_t limit, uint64_t wanted,
			      uint64_t taken)
{
	char limit_text[TOTALS_SIZE_TEXT], wanted_text[TOTALS_SIZE_TEXT],
		taken_text[TOTALS_SIZE_TEXT];

	return err_set(err, ERR_FAILED, "[policy] %s = \"%s\" refuses %s more: %s are taken", key,
		       totals_size(limit, limit_text), totals_size(wanted, wanted_text),
		       totals_size(taken, taken_text));
}

int totals_decide(const struct spec *spec, unsigned kinds, const struct totals *totals,
		  struct err *err)
{
	const struct host_totals *may = &spec->host.totals;
	uint64_t memory = totals_mib(spec->memory_bytes), disk = totals_mib(spec->disk_bytes);

	if ((kinds & TOTALS_KEPT) && may->sandboxes && totals->sandboxes >= may->sandboxes)
		return totals_refuse(err, "total_sandboxes", may->sandboxes, 1, totals->sandboxes);
	if ((kinds & TOTALS_KEPT) && may->disk_mib && disk > 0 &&
	    totals->disk_mib + disk > may->disk_mib)
		return totals_refuse_size(err, "total_disk", may->disk_mib, disk, totals->disk_mib);
	if ((kinds & TOTALS_RUNNING) && may->cpus && totals->cpus + spec->vcpus > may->cpus)
		return totals_refuse(err, "total_cpus", may->cpus, spec->vcpus, totals->cpus);
	if ((kinds & TOTALS_RUNNING) && may->memory_mib &&
	    totals->memory_mib + memory > may->memory_mib)
		return totals_refuse_size(err, "total_memory", may->memory_mib, memory,
					  totals->memory_mib);
	return 0;
}

int totals_check(const struct spec *spec, unsigned kinds, struct err *err)
{
	const struct host_totals *may = &spec->host.totals;
	struct totals totals;

	if (!may->sandboxes && !may->disk_mib)
		kinds &= ~(unsigned)TOTALS_KEPT;
	if (!may->cpus && !may->memory_mib)
		kinds &= ~(unsigned)TOTALS_RUNNING;
	if (totals_look(&spec->host, spec->id, kinds, &totals, err) < 0)
		return -1;
	return totals_decide(spec, kinds, &totals, err);
}
