/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/sample.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/id.h"
#include "cli/json.h"
#include "store/entry.h"
#include "store/paths.h"

#define FILE_SIZE 16384
#define S_NS	  1000000000ull

/* The file's text; "" when it isn't there. */
static void read_text(const char *dir, const char *name, char text[FILE_SIZE])
{
	char path[PATHS_SIZE];
	auto_fd fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	n = fd < 0 ? -1 : read(fd, text, FILE_SIZE - 1);
	text[n < 0 ? 0 : n] = '\0';
}

/* A file that holds one number; "max" and what isn't there: none */
static uint64_t read_number(const char *dir, const char *name)
{
	char text[FILE_SIZE];
	uint64_t number;

	read_text(dir, name, text);
	text[strcspn(text, "\n")] = '\0';
	return str_to_u64(text, UINT64_MAX - 1, &number) ? number : SAMPLE_NONE;
}

uint64_t sample_key(const char *text, const char *key)
{
	size_t len = strlen(key);
	uint64_t sum = SAMPLE_NONE;

	for (const char *at = text; (at = strstr(at, key)) != NULL; at += len) {
		bool whole = at == text || at[-1] == ' ' || at[-1] == '\n';

		if (whole && (at[len] == ' ' || at[len] == '='))
			sum = (sum == SAMPLE_NONE ? 0 : sum) + strtoull(at + len + 1, NULL, 10);
	}
	return sum;
}

static void look_at_cgroup(struct sample *sample, const char *cgroup)
{
	char text[FILE_SIZE];

	read_text(cgroup, "cpu.stat", text);
	sample->cpu_us = sample_key(text, "usage_usec");
	read_text(cgroup, "io.stat", text);
	sample->disk_read_bytes = sample_key(text, "rbytes");
	sample->disk_written_bytes = sample_key(text, "wbytes");
	sample->disk_reads = sample_key(text, "rios");
	sample->disk_writes = sample_key(text, "wios");
	sample->memory_bytes = read_number(cgroup, "memory.current");
	sample->memory_limit_bytes = read_number(cgroup, "memory.max");
}

static void look_at_tap(struct sample *sample, const char *id)
{
	char dir[64 + IFNAMSIZ], tap[IFNAMSIZ];

	id_tap(id, tap);
	(void)snprintf(dir, sizeof(dir), "/sys/class/net/%s/statistics", tap);
	sample->net_received_bytes = read_number(dir, "tx_bytes");
	sample->net_received_packets = read_number(dir, "tx_packets");
	sample->net_sent_bytes = read_number(dir, "rx_bytes");
	sample->net_sent_packets = read_number(dir, "rx_packets");
}

static void look_at_disk(struct sample *sample, const struct host_config *host, const char *id)
{
	char path[PATHS_SIZE];
	struct stat st;

	if (stat(paths_sandbox(host, id, "disk", path), &st) < 0)
		return;
	sample->disk_bytes = (uint64_t)st.st_blocks * 512;
	sample->disk_size_bytes = (uint64_t)st.st_size;
}

void sample_take(struct sample *sample, const struct store_entry *entry)
{
	bool up = entry->has_status &&
		  (entry->state == STORE_RUNNING || entry->state == STORE_ENDING);
	struct timespec now;
	uint64_t started_ns;

	memset(sample, 0xff, sizeof(*sample)); /* every number SAMPLE_NONE */
	(void)str_copy(sample->id, sizeof(sample->id), entry->id);
	(void)str_copy(sample->name, sizeof(sample->name),
		       entry->has_spec ? entry->spec.name : entry->id);
	sample->state = entry_state_word(entry->state);
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	sample->at_ns = (uint64_t)now.tv_sec * S_NS + (uint64_t)now.tv_nsec;
	sample->running_ns = 0;
	if (entry->has_spec)
		look_at_disk(sample, &entry->spec.host, entry->id);
	if (!up)
		return;
	started_ns = entry->status.monitor_start * (S_NS / (uint64_t)sysconf(_SC_CLK_TCK));
	if (started_ns < sample->at_ns)
		sample->running_ns = sample->at_ns - started_ns;
	if (entry->status.cgroup[0] != '\0')
		look_at_cgroup(sample, entry->status.cgroup);
	look_at_tap(sample, entry->id);
}

double sample_cpu_percent(const struct sample *before, const struct sample *now)
{
	uint64_t us = now->cpu_us, ns = now->running_ns;

	if (now->cpu_us == SAMPLE_NONE)
		return -1;
	if (before != NULL && before->cpu_us <= now->cpu_us && before->at_ns < now->at_ns) {
		us = now->cpu_us - before->cpu_us;
		ns = now->at_ns - before->at_ns;
	}
	return ns == 0 ? -1 : (double)us * 1000 * 100 / (double)ns;
}

json_t *sample_json(const struct sample *before, const struct sample *now)
{
	const struct {
		const char *key;
		uint64_t number;
	} numbers[] = {
		{ "memory_bytes", now->memory_bytes },
		{ "memory_limit_bytes", now->memory_limit_bytes },
		{ "disk_bytes", now->disk_bytes },
		{ "disk_size_bytes", now->disk_size_bytes },
		{ "disk_read_bytes", now->disk_read_bytes },
		{ "disk_written_bytes", now->disk_written_bytes },
		{ "disk_reads", now->disk_reads },
		{ "disk_writes", now->disk_writes },
		{ "net_received_bytes", now->net_received_bytes },
		{ "net_sent_bytes", now->net_sent_bytes },
		{ "net_received_packets", now->net_received_packets },
		{ "net_sent_packets", now->net_sent_packets },
	};
	double percent = sample_cpu_percent(before, now);
	json_t *object = json_object();
	int rc = 0;

	json_put_text(object, "name", now->name);
	json_put_text(object, "id", now->id);
	json_put_text(object, "state", now->state);
	rc |= json_object_set_new(object, "cpu_percent",
				  percent < 0 ? json_null() : json_real(percent));
	rc |= json_object_set_new(
		object, "cpu_total_s",
		now->cpu_us == SAMPLE_NONE ? json_null() : json_real((double)now->cpu_us / 1e6));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		rc |= json_object_set_new(object, numbers[i].key,
					  numbers[i].number == SAMPLE_NONE
						  ? json_null()
						  : json_integer((json_int_t)numbers[i].number));
	BUG_ON(rc < 0);
	return object;
}
