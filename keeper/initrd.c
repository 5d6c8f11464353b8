/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/initrd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define INITRD_MAX (256ll << 20)

static void initrd_resolvers(const struct spec *spec, struct guest_config *config)
{
	for (size_t i = 0; i < SPEC_MAX_RESOLVERS && spec->resolvers[i][0]; i++) {
		uint8_t *out = config->resolvers[i];

		if (inet_pton(AF_INET6, spec->resolvers[i], out) == 1)
			continue;
		if (inet_pton(AF_INET, spec->resolvers[i], out + 12) == 1)
			out[10] = out[11] = 0xff; /* IPv4-mapped */
	}
}

static void initrd_ipv4(uint32_t address, uint8_t out[4])
{
	uint32_t net = htonl(address);

	memcpy(out, &net, sizeof(net));
}

void initrd_config(const struct spec *spec, const struct slot_plan *plan, int64_t deadline_s,
		   int64_t now_ns, struct guest_config *config)
{
	*config = (struct guest_config){
		.magic = GUEST_CONFIG_MAGIC,
		.version = GUEST_VERSION,
		.size = sizeof(*config),
		.deadline_s = deadline_s,
		.now_ns = now_ns,
		.authorized_keys_len = (uint32_t)strlen(spec->authorized_keys),
		.host_key_len = (uint32_t)strlen(spec->host_key),
	};
	(void)str_copy(config->hostname, sizeof(config->hostname), spec->hostname);
	(void)str_copy(config->account, sizeof(config->account), spec->account);
	if (spec->disk_bytes > 0)
		config->flags |= GUEST_HAS_DISK;
	if (!(spec->flags & SPEC_NET))
		return;
	config->flags |= GUEST_HAS_IPV4;
	initrd_ipv4(plan->guest_ipv4, config->ipv4);
	initrd_ipv4(plan->host_ipv4, config->ipv4_gateway);
	if (spec->host.ipv6) {
		config->flags |= GUEST_HAS_IPV6;
		memcpy(config->ipv6, plan->guest_ipv6, sizeof(config->ipv6));
	}
	initrd_resolvers(spec, config);
}

static int initrd_pad(int fd, size_t written)
{
	static const char zeros[4];

	return fd_write_all(fd, zeros, (4 - written % 4) % 4);
}

/* Header and name of one newc member; a name's field is padded together with the header. */
static int initrd_member(int fd, const char *name, uint32_t mode, uint32_t size)
{
	char head[160];
	size_t name_size = strlen(name) + 1;
	int n = snprintf(head, sizeof(head),
			 "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s", 1u, mode,
			 0u, 0u, 1u, 0u, size, 0u, 0u, 0u, 0u, (unsigned)name_size, 0u, name);

	if (fd_write_all(fd, head, (size_t)n + 1) < 0)
		return -1;
	return initrd_pad(fd, (size_t)n + 1);
}

static int initrd_append(int fd, const struct guest_config *config, const struct spec *spec)
{
	uint32_t size =
		(uint32_t)sizeof(*config) + config->authorized_keys_len + config->host_key_len;

	if (initrd_member(fd, GUEST_CONFIG_PATH, S_IFREG | 0400, size) < 0 ||
	    fd_write_all(fd, config, sizeof(*config)) < 0 ||
	    fd_write_all(fd, spec->authorized_keys, config->authorized_keys_len) < 0 ||
	    fd_write_all(fd, spec->host_key, config->host_key_len) < 0 || initrd_pad(fd, size) < 0)
		return -1;
	return initrd_member(fd, "TRAILER!!!", 0, 0);
}

/* The same memfd behind a read-only descriptor: the monitor takes no descriptor of it that could write. */
static int initrd_read_only(int fd, struct err *err)
{
	char path[32];
	int again;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	if (again < 0)
		return err_sys(err, "can't open the initrd again");
	return again;
}

int initrd_make(int base_fd, const struct guest_config *config, const struct spec *spec,
		struct err *err)
{
	auto_fd fd = memfd_create("mayfly-initrd", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;
	off_t at = 0;

	if (fd < 0 || fstat(base_fd, &st) < 0)
		return err_sys(err, "can't make the initrd");
	if (!S_ISREG(st.st_mode) || st.st_size > INITRD_MAX)
		return err_set(err, ERR_USAGE, "%s is no initrd", spec->initrd);
	while (at < st.st_size)
		if (sendfile(fd, base_fd, &at, (size_t)(st.st_size - at)) <= 0)
			return err_sys(err, "can't read %s", spec->initrd);
	if (initrd_pad(fd, (size_t)st.st_size) < 0 || initrd_append(fd, config, spec) < 0)
		return err_sys(err, "can't write the initrd");
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return err_sys(err, "can't seal the initrd");
	return initrd_read_only(fd, err);
}
