/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_SAMPLE_H
#define CLI_SAMPLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

/*
 * What a sandbox uses, at one moment: its monitor's cgroup, its tap, its disk's file. Counters count
 * from the monitor's start. A number that the host doesn't give (no controller, no disk, nothing
 * runs) is SAMPLE_NONE.
 */
#define SAMPLE_NONE UINT64_MAX

struct sample {
	char id[ID_SIZE];
	char name[STR_NAME_MAX + 1]; /* its id where the spec is lost */
	const char *state;
	uint64_t at_ns;	     /* CLOCK_BOOTTIME */
	uint64_t running_ns; /* since the monitor's start */
	uint64_t cpu_us;
	uint64_t memory_bytes; /* guest memory that is in use on the host, and the monitor's own */
	uint64_t memory_limit_bytes;
	uint64_t disk_bytes; /* what the disk's file takes on the host */
	uint64_t disk_size_bytes;
	uint64_t disk_read_bytes, disk_written_bytes, disk_reads, disk_writes;
	/* the guest's view: what the tap sends is what the guest receives */
	uint64_t net_received_bytes, net_sent_bytes, net_received_packets, net_sent_packets;
};

/* Look at the sandbox behind entry. Never fails: what can't be read is SAMPLE_NONE. */
void sample_take(struct sample *sample, const struct store_entry *entry);

/*
 * Per cent of one CPU between two samples of the same run; before NULL or of another run: since the
 * monitor's start. Negative: not known. Pure.
 */
double sample_cpu_percent(const struct sample *before, const struct sample *now);

/* The object that `stats --format json` has one of per sandbox. Owned by the caller. Pure. */
json_t *sample_json(const struct sample *before, const struct sample *now);

/* The numbers of text in a file of the kernel's: "KEY NUMBER" lines (cpu.stat) or "… KEY=NUMBER …" (io.stat),
 * summed; SAMPLE_NONE when key is nowhere. Pure. */
uint64_t sample_key(const char *text, const char *key);

#endif
