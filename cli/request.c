/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/request.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "cli/catalogue.h"
#include "cli/guestfile.h"
#include "cli/handover.h"
#include "cli/limits.h"
#include "cli/policy.h"
#include "cli/resolv.h"
#include "cli/sshkey.h"
#include "cli/who.h"
#include "store/labels.h"
#include "store/totals.h"

/* Options whose value is kept as it is, until request_resolve. */
static const struct {
	int id;
	size_t offset;
} texts[] = {
	{ REQUEST_TTL, offsetof(struct request, life.ttl) },
	{ REQUEST_UNTIL, offsetof(struct request, life.until) },
	{ 'c', offsetof(struct request, cpus) },
	{ 'm', offsetof(struct request, memory) },
	{ REQUEST_DISK, offsetof(struct request, disk) },
	{ REQUEST_OWNER, offsetof(struct request, owner) },
	{ REQUEST_REASON, offsetof(struct request, reason) },
	{ REQUEST_HOSTNAME, offsetof(struct request, hostname) },
	{ REQUEST_KERNEL, offsetof(struct request, kernel) },
	{ REQUEST_IMAGE, offsetof(struct request, image) },
	{ REQUEST_CPU_WEIGHT, offsetof(struct request, cpu_weight) },
	{ REQUEST_CPU_MAX, offsetof(struct request, cpu_max) },
	{ REQUEST_IO_READ, offsetof(struct request, io_read) },
	{ REQUEST_IO_WRITE, offsetof(struct request, io_write) },
	{ REQUEST_NET_RX, offsetof(struct request, net_rx) },
	{ REQUEST_NET_TX, offsetof(struct request, net_tx) },
	{ REQUEST_DISK_RATE, offsetof(struct request, disk_rate) },
	{ REQUEST_TIMEOUT, offsetof(struct request, timeout) },
	{ REQUEST_GRACE, offsetof(struct request, grace) },
};

static int add_key(struct request *request, const char *path, struct err *err)
{
	if (request->n_keys == REQUEST_MAX_KEYS)
		return err_set(err, ERR_USAGE, "--ssh-key: at most %d times", REQUEST_MAX_KEYS);
	request->keys[request->n_keys++] = (struct request_key){ path, request->person };
	request->person_waits = false;
	return 1;
}

int request_option(struct request *request, int id, const char *value, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (texts[i].id == id) {
			*(const char **)((char *)request + texts[i].offset) = value;
			return 1;
		}
	}
	switch (id) {
	case REQUEST_SSH_KEY:
		return add_key(request, value, err);
	case REQUEST_PERSON:
		if (!sshkey_is_person(value))
			return err_set(err, ERR_USAGE,
				       "--person: 1 to %d bytes of one line, without blanks around "
				       "them",
				       SSHKEY_PERSON_MAX);
		request->person = value;
		request->person_waits = true;
		return 1;
	case REQUEST_LABEL:
		return labels_put(request->labels, value, err) < 0 ? err_wrap(err, "--label") : 1;
	case REQUEST_DRY_RUN:
		request->dry_run = true;
		return 1;
	default:
		return netopts_option(&request->net, id, value, err);
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

/* What was asked for by name or path, else the configuration's. */
static int take_path(char out[SPEC_PATH_SIZE], enum guestfile_kind kind, const char **what,
		     const char *option, const char *asked, const struct config *config,
		     struct err *err)
{
	if (asked == NULL)
		return catalogue_find(config, kind, *what, "default", out, err);
	*what = option;
	return catalogue_find(config, kind, option, asked, out, err);
}

static int take_files(const struct request *request, const struct config *config, struct spec *spec,
		      struct handover *files, struct err *err)
{
	const char *kernel = "paths.kernel", *image = "paths.image";
	auto_fd initrd =
		guestfile_open(GUESTFILE_INITRD, "paths.initrd", config->initrd, spec->initrd, err);

	if (initrd < 0 ||
	    take_path(spec->kernel, GUESTFILE_KERNEL, &kernel, "--kernel", request->kernel, config,
		      err) < 0 ||
	    take_path(spec->image, GUESTFILE_IMAGE, &image, "--image", request->image, config,
		      err) < 0)
		return -1;
	return handover_take(files, spec, kernel, image, err);
}

int request_take_line(char *out, size_t size, const char *option, const char *value,
		      struct err *err)
{
	if (!str_copy(out, size, value))
		return err_set(err, ERR_USAGE, "%s: too long: at most %zu bytes", option, size - 1);
	for (const char *c = value; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == '\x7f')
			return err_set(err, ERR_USAGE, "%s: one line of text, please", option);
	}
	return 0;
}

int request_take_timeout(uint32_t *seconds, const char *value, struct err *err)
{
	uint64_t read;

	if (value == NULL)
		return 0;
	if (!str_to_duration(value, &read) || read > REQUEST_TIMEOUT_MAX_S)
		return err_set(err, ERR_USAGE,
			       "--timeout %.60s: not a time of 1s to 1d: write it as 30s or 5m",
			       value);
	*seconds = (uint32_t)read;
	return 0;
}

static int take_names(const struct request *request, const struct config *config, struct spec *spec,
		      struct err *err)
{
	if (take_name(spec->name, "", request->name, err) < 0)
		return -1;
	/* whoever says an id means that one: nobody else may answer to it */
	if (id_is_valid(request->name))
		return err_set(err, ERR_USAGE, "%.60s: is as an id is: choose another name",
			       request->name);
	if (request->owner == NULL)
		who_name(spec->owner);
	else if (take_name(spec->owner, "--owner", request->owner, err) < 0)
		return -1;
	(void)str_copy(spec->account, sizeof(spec->account), config->account);
	return take_name(spec->hostname, "--hostname",
			 request->hostname != NULL ? request->hostname : request->name, err);
}

static int make_keys(struct spec *spec, struct err *err)
{
	char fingerprint[SSHKEY_FINGERPRINT_SIZE];
	struct sshkey key;
	int rc = -1;

	if (sshkey_make(&key, spec->name, err) < 0)
		goto out;
	(void)str_copy(spec->host_key, sizeof(spec->host_key), key.private_pem);
	(void)str_copy(spec->host_key_public, sizeof(spec->host_key_public), key.public_line);
	sshkey_fingerprint(key.public_line, fingerprint);
	(void)str_copy(spec->host_key_sha256, sizeof(spec->host_key_sha256), fingerprint);
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

/* Who can get in, as the journal will say it. */
static int take_people(struct spec *spec, struct err *err)
{
	const char *rest = spec->authorized_keys;
	size_t at = 0;
	struct sshkey_view view;

	while ((rest = sshkey_next(rest, &view)) != NULL) {
		const char *person = spec->client_key[0] != '\0' ? spec->owner : view.comment;
		int n = snprintf(spec->people + at, sizeof(spec->people) - at, "%s %s\n",
				 view.fingerprint, person);

		if (n < 0 || (size_t)n >= sizeof(spec->people) - at)
			return err_set(err, ERR_USAGE, "--ssh-key: too many keys");
		at += (size_t)n;
	}
	return 0;
}

static int take_keys(const struct request *request, struct spec *spec, struct err *err)
{
	for (unsigned i = 0; i < request->n_keys; i++) {
		if (sshkey_read_file(request->keys[i].path, request->keys[i].person,
				     spec->authorized_keys, sizeof(spec->authorized_keys), err) < 0)
			return err_wrap(err, "--ssh-key");
	}
	return make_keys(spec, err) < 0 ? -1 : take_people(spec, err);
}

static int take_number(uint32_t *out, const char *option, const char *value, uint32_t max,
		       struct err *err)
{
	uint64_t number;

	if (value == NULL)
		return 0;
	if (!str_to_u64(value, max, &number) || number == 0)
		return err_set(err, ERR_USAGE, "%s %.60s: must be a whole number, 1 to %u", option,
			       value, max);
	*out = (uint32_t)number;
	return 0;
}

int request_take_cpus(uint32_t *cpus, const char *value, struct err *err)
{
	return take_number(cpus, "--cpus", value, CONFIG_CPUS_MAX, err);
}

int request_take_memory(uint64_t *bytes, const char *value, struct err *err)
{
	return take_size(bytes, "--memory", value, CONFIG_MEMORY_MIN, CONFIG_MEMORY_MAX,
			 CONFIG_MEMORY_STEP, err);
}

int request_take_owner(char out[STR_NAME_MAX + 1], const char *value, struct err *err)
{
	return value != NULL ? take_name(out, "--owner", value, err) : 0;
}

static int take_rate(struct spec_rate *out, const char *option, const char *value, bool bursts,
		     struct err *err)
{
	const char *wrong = value != NULL ? limits_parse_rate(value, bursts, out) : NULL;

	return wrong != NULL ? err_set(err, ERR_USAGE, "%s %.60s: %s", option, value, wrong) : 0;
}

static int take_limits(const struct request *request, const struct config *config,
		       struct spec *spec, struct err *err)
{
	struct spec_rate io_read = config->io_read, io_write = config->io_write;

	spec->vcpus = config->cpus;
	spec->cpu_weight = config->cpu_weight;
	spec->cpu_max_percent = config->cpu_max;
	spec->net_rx_rate = config->net_rx;
	spec->net_tx_rate = config->net_tx;
	spec->disk_rate = config->disk_rate;
	if (request_take_cpus(&spec->vcpus, request->cpus, err) < 0 ||
	    take_number(&spec->cpu_weight, "--cpu-weight", request->cpu_weight,
			LIMITS_CPU_WEIGHT_MAX, err) < 0 ||
	    take_number(&spec->cpu_max_percent, "--cpu-max", request->cpu_max,
			LIMITS_CPU_PERCENT_MAX, err) < 0 ||
	    take_rate(&io_read, "--io-read", request->io_read, false, err) < 0 ||
	    take_rate(&io_write, "--io-write", request->io_write, false, err) < 0 ||
	    take_rate(&spec->net_rx_rate, "--net-rx-rate", request->net_rx, true, err) < 0 ||
	    take_rate(&spec->net_tx_rate, "--net-tx-rate", request->net_tx, true, err) < 0 ||
	    take_rate(&spec->disk_rate, "--disk-rate", request->disk_rate, true, err) < 0)
		return -1;
	spec->io_read_bytes_per_s = io_read.bytes_per_s;
	spec->io_read_ops_per_s = io_read.ops_per_s;
	spec->io_write_bytes_per_s = io_write.bytes_per_s;
	spec->io_write_ops_per_s = io_write.ops_per_s;
	return 0;
}

/* What is written down with it. */
static int take_notes(const struct request *request, struct spec *spec, struct err *err)
{
	if (request->person_waits)
		return err_set(err, ERR_USAGE,
			       "--person %.60s: no --ssh-key follows it; it names whose the keys "
			       "after it are",
			       request->person);
	memcpy(spec->labels, request->labels, sizeof(spec->labels));
	return request->reason != NULL ? request_take_line(spec->reason, sizeof(spec->reason),
							   "--reason", request->reason, err)
				       : 0;
}

int request_resolve(const struct request *request, const struct config *config, int64_t now_s,
		    struct spec *spec, struct handover *files, bool *by_default, struct err *err)
{
	memset(spec, 0, sizeof(*spec));
	spec->magic = SPEC_MAGIC;
	spec->version = SPEC_VERSION;
	spec->size = sizeof(*spec);
	spec->flags = SPEC_NET | (request->durable ? SPEC_DURABLE : 0) |
		      (request->durable && !request->no_restart ? SPEC_RESTART : 0);
	spec->host = config->host;
	spec->created_s = now_s;
	spec->memory_bytes = config->memory_bytes;
	spec->disk_bytes = request->durable ? config->disk_bytes : 0;
	if (policy_check_who(&config->policy, err) < 0 ||
	    take_names(request, config, spec, err) < 0 || take_notes(request, spec, err) < 0 ||
	    take_limits(request, config, spec, err) < 0 ||
	    life_deadline(&request->life, config, now_s, &spec->deadline_s, by_default, err) < 0 ||
	    request_take_memory(&spec->memory_bytes, request->memory, err) < 0 ||
	    take_size(&spec->disk_bytes, "--disk", request->disk, CONFIG_DISK_MIN, CONFIG_DISK_MAX,
		      CONFIG_DISK_STEP, err) < 0 ||
	    life_grace(request->grace, config, request->durable && spec->disk_bytes > 0,
		       &spec->grace_s, err) < 0 ||
	    netopts_resolve(&request->net, spec, err) < 0 ||
	    take_files(request, config, spec, files, err) < 0 || id_draw(spec->id, err) < 0)
		return -1;
	resolv_choose(config->resolvers, spec->resolvers);
	if (policy_take_egress(&config->policy, request->net.egress, request->net.n_egress, spec,
			       err) < 0 ||
	    policy_check_spec(config, spec, err) < 0)
		return -1;
	/* the keeper decides, once it is at it; who only asks is told what it would say now */
	if (request->dry_run && totals_check(spec, TOTALS_KEPT | TOTALS_RUNNING, err) < 0)
		return -1;
	if (spec->resolvers[0][0] == '\0' && (spec->flags & SPEC_NET) != 0)
		log_warning(RESOLV_NONE ERR_MEND RESOLV_MEND);
	return take_keys(request, spec, err);
}
