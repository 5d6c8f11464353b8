/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_BOOT_CMDLINE_H
#define VMM_BOOT_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/mem/mem.h"

/* Start line (of size bytes) with text. False, and an empty line, when it doesn't fit. */
bool cmdline_init(char *line, size_t size, const char *text);

/* Append the word that tells the kernel of a virtio-mmio window of 4 KiB: Documentation/admin-guide/kernel-parameters,
 * virtio_mmio.device=. False, and the line as it was, when it doesn't fit. */
bool cmdline_add_device(char *line, size_t size, gpa_t gpa, uint32_t gsi);

#endif
