/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MONITOR_LOAD_H
#define VMM_MONITOR_LOAD_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/boot/entry.h"
#include "vmm/mem/mem.h"

/* Make guest RAM: private anonymous memory in huge pages where the host has them, of which memory_bytes is a multiple.
 * 0, or -1 with err. */
int load_memory(struct mem *mem, uint64_t memory_bytes, struct err *err);

/* Put kernel, initrd (none when the file is empty), command line, MP table and what the entry demands into guest memory; lines
 * is mptable.h's; *entry is where the boot CPU starts. 0, or -1 with err. */
int load_guest(const struct mem *mem, const char *cmdline, uint32_t n_vcpus, uint32_t lines,
	       struct entry *entry, struct err *err);

#endif
