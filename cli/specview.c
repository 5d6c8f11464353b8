/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/specview.h"

#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "base/str.h"
#include "cli/digest.h"
#include "cli/egress.h"
#include "cli/json.h"
#include "cli/limits.h"
#include "cli/portspec.h"
#include "cli/sshkey.h"
#include "store/labels.h"
#include "store/prepared.h"

void specview_line(struct text_table *table, const char *key, const char *value)
{
	char clean[1024];

	if (value[0] != '\0')
		text_table_row(table, (const char *const[]){
					      key, text_line(value, clean, sizeof(clean)) });
}

/* The rates of a spec, under the names that show and JSON give them. */
struct named_rate {
	const char *words, *key;
	struct spec_rate rate;
};

#define RATES 5

static void rates_of(const struct spec *spec, struct named_rate rates[RATES])
{
	const struct named_rate all[RATES] = {
		{ "host's limit on reads",
		  "io_read",
		  { .bytes_per_s = spec->io_read_bytes_per_s,
		    .ops_per_s = spec->io_read_ops_per_s } },
		{ "host's limit on writes",
		  "io_write",
		  { .bytes_per_s = spec->io_write_bytes_per_s,
		    .ops_per_s = spec->io_write_ops_per_s } },
		{ "receives at most", "net_rx_rate", spec->net_rx_rate },
		{ "sends at most", "net_tx_rate", spec->net_tx_rate },
		{ "disks at most", "disk_rate", spec->disk_rate },
	};

	memcpy(rates, all, sizeof(all));
}

static void lines_of_limits(struct text_table *table, const struct spec *spec)
{
	char text[LIMITS_RATE_TEXT_SIZE];
	struct named_rate rates[RATES];

	(void)snprintf(text, sizeof(text), "%u", spec->vcpus);
	specview_line(table, "cpus", text);
	(void)snprintf(text, sizeof(text), "%u", spec->cpu_weight);
	specview_line(table, "cpu weight", spec->cpu_weight > 0 ? text : "");
	(void)snprintf(text, sizeof(text), "%u%%", spec->cpu_max_percent);
	specview_line(table, "cpu at most", spec->cpu_max_percent > 0 ? text : "");
	rates_of(spec, rates);
	for (size_t i = 0; i < RATES; i++)
		specview_line(table, rates[i].words, limits_rate_text(&rates[i].rate, text));
}

static void lines_of_keys(struct text_table *table, const struct spec *spec)
{
	struct sshkey_view view;

	for (const char *at = spec->authorized_keys; (at = sshkey_next(at, &view)) != NULL;) {
		char text[sizeof(view) + 8];

		(void)snprintf(text, sizeof(text), "%s %s (%s)", view.fingerprint, view.comment,
			       view.type);
		specview_line(table, "ssh key", text);
	}
}

static void lines_of_labels(struct text_table *table, const struct spec *spec)
{
	struct label label;

	for (const char *at = spec->labels; (at = labels_next(at, &label)) != NULL;) {
		char text[sizeof(label) + 2];

		(void)snprintf(text, sizeof(text), "%s=%s", label.key, label.value);
		specview_line(table, "label", text);
	}
}

static void lines_of_ports(struct text_table *table, const struct spec *spec)
{
	char text[PORTSPEC_TEXT_SIZE + 32], host[PORTSPEC_TEXT_SIZE];

	if ((spec->flags & SPEC_NET) == 0)
		specview_line(table, "network", "none");
	for (unsigned i = 0; i < SPEC_MAX_PORTS && spec->ports[i].protocol != 0; i++) {
		(void)snprintf(text, sizeof(text), "%s to %u/%s",
			       portspec_text(&spec->ports[i], host), spec->ports[i].guest_port,
			       portspec_protocol(&spec->ports[i]));
		specview_line(table, "port", text);
	}
}

static void lines_of_egress(struct text_table *table, const struct spec *spec)
{
	char text[EGRESS_TEXT_SIZE];

	if ((spec->flags & SPEC_NET) == 0 || (spec->flags & SPEC_EGRESS_LIMITED) == 0)
		return;
	if (spec->n_egress == 0)
		specview_line(table, "sends to", "nobody outside");
	for (unsigned i = 0; i < spec->n_egress; i++)
		specview_line(table, "sends to", egress_text(&spec->egress[i], text));
}

static json_t *egress_json(const struct spec *spec)
{
	json_t *list = json_array();
	char text[EGRESS_TEXT_SIZE];

	for (unsigned i = 0; i < spec->n_egress; i++) {
		int rc = json_array_append_new(list,
					       json_string(egress_text(&spec->egress[i], text)));

		BUG_ON(rc < 0);
	}
	return list;
}

static void lines_of_file(struct text_table *table, const char *key, const char *path,
			  const uint8_t digest[SPEC_DIGEST_SIZE], bool vouched)
{
	char hex[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE + 64];

	specview_line(table, key, path);
	if (!digest_is_known(digest))
		return;
	(void)snprintf(text, sizeof(text), "SHA-256 %s%s", digest_text(digest, hex),
		       vouched ? "" : ", as found: no digest beside it");
	specview_line(table, "", text);
}

void specview_lines(struct text_table *table, const struct spec *spec)
{
	char text[64], fingerprint[SSHKEY_FINGERPRINT_SIZE];

	specview_line(table, "created", str_from_instant(spec->created_s, text, sizeof(text)));
	specview_line(table, "reason", spec->reason);
	lines_of_labels(table, spec);
	specview_line(table, "hostname", spec->hostname);
	specview_line(table, "account", spec->account);
	specview_line(table, "memory", str_from_size(spec->memory_bytes, text, sizeof(text)));
	specview_line(table, "disk",
		      spec->disk_bytes > 0 ? str_from_size(spec->disk_bytes, text, sizeof(text))
					   : "in memory");
	lines_of_limits(table, spec);
	lines_of_ports(table, spec);
	lines_of_egress(table, spec);
	lines_of_file(table, "kernel", spec->kernel, spec->kernel_sha256,
		      (spec->flags & SPEC_KERNEL_VOUCHED) != 0);
	lines_of_file(table, "image", spec->image, spec->image_sha256,
		      (spec->flags & SPEC_IMAGE_VOUCHED) != 0);
	sshkey_fingerprint(spec->host_key_public, fingerprint);
	specview_line(table, "host key", fingerprint);
	lines_of_keys(table, spec);
}

const char *specview_labels(const struct spec *spec, char *out, size_t size)
{
	struct label label;
	char text[2 * SPEC_LABELS_SIZE];
	size_t used = 0;

	text[0] = '\0';
	for (const char *at = spec->labels; (at = labels_next(at, &label)) != NULL;)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s=%s",
					 used > 0 ? ", " : "", label.key, label.value);
	return text_line(text, out, size);
}

json_t *specview_labels_json(const struct spec *spec)
{
	json_t *object = json_object();
	struct label label;

	for (const char *at = spec->labels; (at = labels_next(at, &label)) != NULL;)
		json_put_text(object, label.key, label.value);
	return object;
}

static json_t *rate_json(const struct spec_rate *rate)
{
	json_t *object = json_object();

	json_put_number(object, "bytes_per_s", (long long)rate->bytes_per_s);
	json_put_number(object, "burst_bytes", (long long)rate->burst_bytes);
	json_put_number(object, "ops_per_s", (long long)rate->ops_per_s);
	json_put_number(object, "burst_ops", (long long)rate->burst_ops);
	return object;
}

/* 0 is no limit everywhere. */
static json_t *limits_json(const struct spec *spec)
{
	json_t *object = json_object();
	struct named_rate rates[RATES];

	json_put_number(object, "cpu_weight", spec->cpu_weight);
	json_put_number(object, "cpu_max_percent", spec->cpu_max_percent);
	rates_of(spec, rates);
	for (size_t i = 0; i < RATES; i++)
		(void)json_object_set_new(object, rates[i].key, rate_json(&rates[i].rate));
	return object;
}

static json_t *keys_json(const struct spec *spec)
{
	json_t *list = json_array();
	struct sshkey_view view;

	for (const char *at = spec->authorized_keys; (at = sshkey_next(at, &view)) != NULL;) {
		json_t *object = json_object();
		int rc = json_array_append_new(list, object);

		BUG_ON(rc < 0);
		json_put_text(object, "fingerprint", view.fingerprint);
		json_put_text(object, "person", view.comment);
		json_put_text(object, "type", view.type);
	}
	return list;
}

static json_t *ports_json(const struct spec *spec)
{
	json_t *list = json_array();
	char address[INET6_ADDRSTRLEN];

	for (unsigned i = 0; i < SPEC_MAX_PORTS && spec->ports[i].protocol != 0; i++) {
		json_t *port = json_object();
		int rc = json_array_append_new(list, port);

		BUG_ON(rc < 0);
		json_put_text(port, "protocol", portspec_protocol(&spec->ports[i]));
		json_put_text(port, "address", portspec_address(&spec->ports[i], address));
		json_put_number(port, "host_port", spec->ports[i].host_port);
		json_put_number(port, "guest_port", spec->ports[i].guest_port);
	}
	return list;
}

/* KEY is the path, as ever; KEY_sha256 is null where it isn't known, KEY_vouched says that a digest beside it agreed. */
static void file_json(json_t *object, const char *key, const char *path,
		      const uint8_t digest[SPEC_DIGEST_SIZE], bool vouched)
{
	char name[32], hex[DIGEST_TEXT_SIZE];

	json_put_text(object, key, path);
	(void)snprintf(name, sizeof(name), "%s_sha256", key);
	json_put_optional(object, name, digest_is_known(digest) ? digest_text(digest, hex) : "");
	(void)snprintf(name, sizeof(name), "%s_vouched", key);
	json_put_bool(object, name, vouched);
}

void specview_json(json_t *object, const struct spec *spec)
{
	json_put_instant(object, "created", spec->created_s);
	json_put_bool(object, "durable", (spec->flags & SPEC_DURABLE) != 0);
	json_put_bool(object, "restart", (spec->flags & SPEC_RESTART) != 0);
	json_put_text(object, "reason", spec->reason);
	json_put_number(object, "grace_s", (long long)spec->grace_s);
	json_put_text(object, "hostname", spec->hostname);
	json_put_text(object, "account", spec->account);
	json_put_number(object, "memory_bytes", (long long)spec->memory_bytes);
	json_put_number(object, "disk_bytes", (long long)spec->disk_bytes);
	json_put_number(object, "cpus", spec->vcpus);
	(void)json_object_set_new(object, "limits", limits_json(spec));
	json_put_text(object, "network", spec->flags & SPEC_NET ? "nat" : "none");
	(void)json_object_set_new(object, "egress",
				  spec->flags & SPEC_EGRESS_LIMITED ? egress_json(spec)
								    : json_null());
	(void)json_object_set_new(object, "ports", ports_json(spec));
	file_json(object, "kernel", spec->kernel, spec->kernel_sha256,
		  (spec->flags & SPEC_KERNEL_VOUCHED) != 0);
	file_json(object, "image", spec->image, spec->image_sha256,
		  (spec->flags & SPEC_IMAGE_VOUCHED) != 0);
	json_put_text(object, "host_key", spec->host_key_public);
	(void)json_object_set_new(object, "ssh_keys", keys_json(spec));
}

int specview_dry_run(struct spec *spec, struct err *err)
{
	struct text_table table = { .n_columns = 2 };
	char date[STR_INSTANT_SIZE];
	int rc = prepared_check(&spec->host, err);

	if (rc == 0) {
		specview_line(&table, "name", spec->name);
		specview_line(&table, "owner", spec->owner);
		specview_line(&table, "ends",
			      str_from_instant(spec->deadline_s, date, sizeof(date)));
		specview_lines(&table, spec);
		text_table_print(&table, stdout);
		text_table_free(&table);
	}
	explicit_bzero(spec, sizeof(*spec));
	return rc;
}
