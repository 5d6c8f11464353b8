/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/config.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"

#define CONFIG_MAX 65536

static char config_bytes[CONFIG_MAX];

static bool text_ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

int config_load(const char *path, struct config *config, const char **why)
{
	struct guest_config *record = &config->record;
	struct err err;
	ssize_t len = fd_read_file(AT_FDCWD, path, config_bytes, sizeof(config_bytes), &err);
	uint64_t blobs;

	*why = "the configuration can't be read";
	if (len < (ssize_t)sizeof(*record))
		return -1;
	memcpy(record, config_bytes, sizeof(*record));
	*why = "the configuration is of another version";
	if (record->magic != GUEST_CONFIG_MAGIC || record->version != GUEST_VERSION ||
	    record->size != sizeof(*record))
		return -1;
	*why = "the configuration is malformed";
	blobs = (uint64_t)record->authorized_keys_len + record->host_key_len;
	if (!num_range_ok(sizeof(*record), blobs, (uint64_t)len) ||
	    !text_ends(record->hostname, sizeof(record->hostname)) ||
	    !text_ends(record->account, sizeof(record->account)))
		return -1;
	config->authorized_keys = config_bytes + sizeof(*record);
	config->host_key = config->authorized_keys + record->authorized_keys_len;
	return 0;
}
