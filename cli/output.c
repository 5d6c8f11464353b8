/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/output.h"

#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "cli/text.h"

int output_put(struct output *output, const char *bytes, size_t len, struct err *err)
{
	static char joined[OUTPUT_CHUNK + 4], escaped[TEXT_ESCAPED_SIZE(OUTPUT_CHUNK + 4)];
	size_t used = len, n = len;

	BUG_ON(len > OUTPUT_CHUNK);
	if (output->escape) {
		memcpy(joined, output->rest, output->n_rest);
		memcpy(joined + output->n_rest, bytes, len);
		len += output->n_rest;
		n = text_escape(joined, len, escaped, &used);
		output->n_rest = len - used;
		memcpy(output->rest, joined + used, output->n_rest);
		bytes = escaped;
	}
	return fd_write_all(STDOUT_FILENO, bytes, n) < 0 ? err_sys(err, "can't write to stdout")
							 : 0;
}
