/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/boot/cmdline.h"

#include <stdio.h>
#include <string.h>

bool cmdline_init(char *line, size_t size, const char *text)
{
	size_t len = strlen(text);

	line[0] = '\0';
	if (len >= size)
		return false;
	memcpy(line, text, len + 1);
	return true;
}

bool cmdline_add_device(char *line, size_t size, gpa_t gpa, uint32_t gsi)
{
	size_t len = strlen(line);
	int n = snprintf(line + len, size - len, "%svirtio_mmio.device=4K@0x%llx:%u",
			 len == 0 ? "" : " ", (unsigned long long)gpa, gsi);

	if (n >= 0 && (size_t)n < size - len)
		return true;
	line[len] = '\0';
	return false;
}
