/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/sink.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void sink_put(const struct sink *sink, uint32_t type, uint32_t code, const char *fmt, ...)
{
	struct ctl_record record = { .type = type, .code = code };
	va_list args;

	if (!sink || !sink->put)
		return;
	va_start(args, fmt);
	(void)vsnprintf(record.text, sizeof(record.text), fmt, args);
	va_end(args);
	sink->put(sink->arg, &record);
}
