/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/request.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/resolv.h"
#include "cli/sshkey.h"

#define EROFS_SUPER_OFFSET 1024 /* Documentation/filesystems/erofs.rst: on-disk details */

int request_option(struct request *request, int id, const char *value, struct err *err)
{
	switch (id) {
	case REQUEST_TTL:
		request->life.ttl = value;
		return 1;
	case REQUEST_UNTIL:
		request->life.until = value;
		return 1;
	case 'm':
		request->memory = value;
		return 1;
	case REQUEST_DISK:
		request->disk = value;
		return 1;
	case REQUEST_OWNER:
		request->owner = value;
		return 1;
	case REQUEST_HOSTNAME:
		request->hostname = value;
		return 1;
	case REQUEST_KERNEL:
		request->kernel = value;
		return 1;
	case REQUEST_IMAGE:
		request->image = value;
		return 1;
	case REQUEST_SSH_KEY:
		if (request->n_keys == REQUEST_MAX_KEYS)
			return err_set(err, ERR_USAGE, "--ssh-key: at most %d times",
				       REQUEST_MAX_KEYS);
		request->keys[request->n_keys++] = value;
		return 1;
	default:
		return 0;
	}
}

void request_login(char out[STR_NAME_MAX + 1])
{
	const char *sudo = geteuid() == 0 ? getenv("SUDO_USER") : NULL;
	const struct passwd *pw = getpwuid(getuid());

	memset(out, 0, STR_NAME_MAX + 1);
	(void)str_copy(out, STR_NAME_MAX + 1,
		       sudo != NULL && sudo[0] != '\0' ? sudo
						       : (pw != NULL ? pw->pw_name : "unknown"));
	for (char *c = out; *c != '\0'; c++) {
		if (*c <= ' ' || *c >= '\x7f')
			*c = '?';
	}
}

static int take_name(char out[STR_NAME_MAX + 1], const char *what, const char *value,
		     struct err *err)
{
	if (!str_is_name(value))
		return err_set(err, ERR_USAGE,
			       "%s%s%.60s: not a name: letters, digits and inner hyphens, at most "
			       "%d characters",
			       what, what[0] != '\0' ? " " : "", value, STR_NAME_MAX);
	(void)str_copy(out, STR_NAME_MAX + 1, value);
	return 0;
}

static int take_size(uint64_t *out, const char *option, const char *value, uint64_t min,
		     uint64_t max, uint64_t step, struct err *err)
{
	char min_text[32], max_text[32], step_text[32];
	uint64_t bytes;

	if (value == NULL)
		return 0;
	if (!str_to_size(value, &bytes))
		return err_set(err, ERR_USAGE, "%s %.60s: not a size: write it as 512M or 8G",
			       option, value);
	if (bytes < min || bytes > max || bytes % step != 0)
		return err_set(err, ERR_USAGE, "%s %.60s: must be %s to %s, in steps of %s", option,
			       value, str_from_size(min, min_text, sizeof(min_text)),
			       str_from_size(max, max_text, sizeof(max_text)),
			       str_from_size(step, step_text, sizeof(step_text)));
	*out = bytes;
	return 0;
}

/*
 * The first bytes of a file tell whether it can be what it is given for; the monitor looks closer.
 */
struct file_kind {
	const char *what;
	off_t offset;
	uint8_t magic[20];
	uint8_t mask[20];
	size_t len;
};

static const struct file_kind kernel_kind = {
	.what = "not an uncompressed x86-64 ELF kernel (vmlinux, not bzImage)",
	.magic = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, [18] = EM_X86_64 },
	.mask = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [18] = 0xff, 0xff },
	.len = 20,
};

static const struct file_kind image_kind = {
	.what = "not an erofs image",
	.offset = EROFS_SUPER_OFFSET,
	.magic = { EROFS_SUPER_MAGIC_V1 & 0xff, EROFS_SUPER_MAGIC_V1 >> 8 & 0xff,
		   EROFS_SUPER_MAGIC_V1 >> 16 & 0xff, EROFS_SUPER_MAGIC_V1 >> 24 },
	.mask = { 0xff, 0xff, 0xff, 0xff },
	.len = 4,
};

/* "070701", newc: what the kernel unpacks without help. */
static const struct file_kind initrd_kind = {
	.what = "not an uncompressed cpio archive",
	.magic = "070701",
	.mask = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	.len = 6,
};

static bool has_magic(int fd, const struct file_kind *kind)
{
	uint8_t bytes[sizeof(kind->magic)];

	if (pread(fd, bytes, kind->len, kind->offset) != (ssize_t)kind->len)
		return false;
	for (size_t i = 0; i < kind->len; i++) {
		if (((bytes[i] ^ kind->magic[i]) & kind->mask[i]) != 0)
			return false;
	}
	return true;
}

/* The real path goes into the spec: a link that moves later must not change the sandbox. */
static int take_file(char out[SPEC_PATH_SIZE], const char *what, const char *path,
		     const struct file_kind *kind, struct err *err)
{
	char real[PATH_MAX];
	struct stat st;
	auto_fd fd = -1;

	if (realpath(path, real) == NULL ||
	    (fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0) {
		(void)err_sys(err, "%s %s", what, path);
		err->code = ERR_USAGE;
		return -1;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, ERR_USAGE, "%s %s: not a regular file", what, path);
	if (!has_magic(fd, kind))
		return err_set(err, ERR_USAGE, "%s %s: %s", what, path, kind->what);
	if (!str_copy(out, SPEC_PATH_SIZE, real))
		return err_set(err, ERR_USAGE, "%s %s: path too long: at most %d bytes", what, path,
			       SPEC_PATH_SIZE - 1);
	return 0;
}

static int take_files(const struct request *request, const struct config *config, struct spec *spec,
		      struct err *err)
{
	if (take_file(spec->kernel, request->kernel != NULL ? "--kernel" : "paths.kernel",
		      request->kernel != NULL ? request->kernel : config->kernel, &kernel_kind,
		      err) < 0)
		return -1;
	if (take_file(spec->image, request->image != NULL ? "--image" : "paths.image",
		      request->image != NULL ? request->image : config->image, &image_kind,
		      err) < 0)
		return -1;
	return take_file(spec->initrd, "paths.initrd", config->initrd, &initrd_kind, err);
}

static int take_names(const struct request *request, const struct config *config, struct spec *spec,
		      struct err *err)
{
	if (take_name(spec->name, "", request->name, err) < 0)
		return -1;
	if (request->owner == NULL)
		request_login(spec->owner);
	else if (take_name(spec->owner, "--owner", request->owner, err) < 0)
		return -1;
	(void)str_copy(spec->account, sizeof(spec->account), config->account);
	return take_name(spec->hostname, "--hostname",
			 request->hostname != NULL ? request->hostname : request->name, err);
}

static int make_keys(struct spec *spec, struct err *err)
{
	struct sshkey key;
	int rc = -1;

	if (sshkey_make(&key, spec->name, err) < 0)
		goto out;
	(void)str_copy(spec->host_key, sizeof(spec->host_key), key.private_pem);
	(void)str_copy(spec->host_key_public, sizeof(spec->host_key_public), key.public_line);
	rc = 0;
	if (spec->authorized_keys[0] != '\0')
		goto out;
	rc = sshkey_make(&key, spec->name, err);
	if (rc < 0)
		goto out;
	(void)str_copy(spec->client_key, sizeof(spec->client_key), key.private_pem);
	(void)str_copy(spec->authorized_keys, sizeof(spec->authorized_keys) - 1, key.public_line);
	strcat(spec->authorized_keys, "\n");
out:
	explicit_bzero(&key, sizeof(key));
	return rc;
}

static int take_keys(const struct request *request, struct spec *spec, struct err *err)
{
	for (unsigned i = 0; i < request->n_keys; i++) {
		if (sshkey_read_file(request->keys[i], spec->authorized_keys,
				     sizeof(spec->authorized_keys), err) < 0)
			return err_wrap(err, "--ssh-key");
	}
	return make_keys(spec, err);
}

static void take_resolvers(const struct config *config, struct spec *spec)
{
	if (config->resolvers[0][0] == '\0')
		(void)resolv_upstreams(spec->resolvers);
	else
		memcpy(spec->resolvers, config->resolvers, sizeof(spec->resolvers));
}

int request_resolve(const struct request *request, const struct config *config, int64_t now_s,
		    struct spec *spec, bool *by_default, struct err *err)
{
	memset(spec, 0, sizeof(*spec));
	spec->magic = SPEC_MAGIC;
	spec->version = SPEC_VERSION;
	spec->size = sizeof(*spec);
	spec->flags = SPEC_NET | (request->durable ? SPEC_DURABLE : 0);
	spec->host = config->host;
	spec->created_s = now_s;
	spec->vcpus = config->cpus;
	spec->memory_bytes = config->memory_bytes;
	spec->disk_bytes = request->durable ? config->disk_bytes : 0;
	if (take_names(request, config, spec, err) < 0 ||
	    life_deadline(&request->life, config, now_s, &spec->deadline_s, by_default, err) < 0 ||
	    take_size(&spec->memory_bytes, "--memory", request->memory, CONFIG_MEMORY_MIN,
		      CONFIG_MEMORY_MAX, CONFIG_MEMORY_STEP, err) < 0 ||
	    take_size(&spec->disk_bytes, "--disk", request->disk, CONFIG_DISK_MIN, CONFIG_DISK_MAX,
		      CONFIG_DISK_STEP, err) < 0 ||
	    take_files(request, config, spec, err) < 0 || id_draw(spec->id, err) < 0)
		return -1;
	take_resolvers(config, spec);
	return take_keys(request, spec, err);
}
