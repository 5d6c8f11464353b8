/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/entryview.h"

#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "cli/specview.h"
#include "store/deadline.h"
#include "store/entry.h"
#include "store/status.h"

void entryview_addresses(const struct host_config *host, uint32_t slot, char ipv4[INET6_ADDRSTRLEN],
			 char ipv6[INET6_ADDRSTRLEN])
{
	uint32_t guest = htonl(host->pool4 + 2 * slot + 1), host_part = htonl(slot + 1);
	uint8_t address[16];

	ipv4[0] = ipv6[0] = '\0';
	(void)inet_ntop(AF_INET, &guest, ipv4, INET6_ADDRSTRLEN);
	if (!host->ipv6)
		return;
	memcpy(address, host->pool6, sizeof(address));
	memcpy(address + 12, &host_part, sizeof(host_part));
	(void)inet_ntop(AF_INET6, address, ipv6, INET6_ADDRSTRLEN);
}

static bool is_up(enum store_state state)
{
	return state == STORE_RUNNING || state == STORE_ENDING;
}

void entryview_make(struct entryview *view, const struct store_entry *entry, long long left_s)
{
	memset(view, 0, sizeof(*view));
	view->name = entry->has_spec ? entry->spec.name : entry->id;
	view->owner = entry->has_spec ? entry->spec.owner : "";
	view->state = entry_state_word(entry->state);
	if (entry->has_deadline) {
		(void)str_from_instant(entry->deadline.deadline_s, view->ends, sizeof(view->ends));
		view->left_s = left_s;
		(void)str_from_duration((uint64_t)left_s, view->left, sizeof(view->left));
	}
	if (entry->state == STORE_GRACE) {
		uint64_t grace_s = entry->spec.grace_s, over_s = entry->over_s;
		char kept[24];

		(void)str_from_instant(entry->deadline.deadline_s + (int64_t)grace_s,
				       view->disk_until, sizeof(view->disk_until));
		(void)str_from_duration(over_s < grace_s ? grace_s - over_s : 0, kept,
					sizeof(kept));
		(void)snprintf(view->left, sizeof(view->left), "disk %s", kept);
	}
	if (entry->has_spec && entry->has_status && is_up(entry->state) &&
	    (entry->spec.flags & SPEC_NET) != 0)
		entryview_addresses(&entry->spec.host, entry->status.slot, view->ipv4, view->ipv6);
}

int entryview_left(const struct host_config *host, const struct store_entry *entry,
		   long long *left_s, struct err *err)
{
	struct clock_record clock;
	struct deadline_now now;

	*left_s = 0;
	if (!entry->has_deadline)
		return 0;
	if (deadline_now(&now, err) < 0 || deadline_clock(host, &now, true, &clock, err) < 0)
		return -1;
	*left_s = (long long)deadline_check(&entry->deadline, &clock, &now).left_s;
	return 0;
}

static void put_status(json_t *object, const struct status_record *status)
{
	json_put_instant(object, "ready", status->ready_at_s);
	json_put_number(object, "keeper_pid", status->keeper_pid);
	json_put_number(object, "monitor_pid", status->monitor_pid);
	json_put_number(object, "slot", status->slot);
	json_put_optional(object, "cgroup", status->cgroup);
}

static void put_end(json_t *object, const struct end_record *end)
{
	json_t *inner = json_object();

	json_put_text(inner, "reason", status_reason_word(end->reason));
	json_put_instant(inner, "at", end->at_s);
	json_put_text(inner, "text", end->text);
	(void)json_object_set_new(object, "last_end", inner);
}

json_t *entryview_json(const struct store_entry *entry, const struct entryview *view, bool whole)
{
	json_t *object = json_object();

	json_put_text(object, "name", view->name);
	json_put_text(object, "id", entry->id);
	json_put_text(object, "state", view->state);
	json_put_optional(object, "owner", view->owner);
	json_put_optional(object, "ends", view->ends);
	json_put_number(object, "left_s", view->left_s);
	json_put_optional(object, "disk_until", view->disk_until);
	json_put_optional(object, "ipv4", view->ipv4);
	json_put_optional(object, "ipv6", view->ipv6);
	(void)json_object_set_new(object, "labels",
				  entry->has_spec ? specview_labels_json(&entry->spec)
						  : json_object());
	if (whole && entry->has_spec)
		specview_json(object, &entry->spec);
	if (whole && entry->has_deadline)
		json_put_number(object, "renewals", entry->deadline.renewals);
	if (whole && entry->has_status && is_up(entry->state))
		put_status(object, &entry->status);
	if (whole && entry->has_end)
		put_end(object, &entry->end);
	if (whole && entry->state == STORE_QUARANTINED)
		json_put_text(object, "residue", entry->residue);
	return object;
}

int entryview_quarantined(const struct host_config *host, const char *id, struct err *err)
{
	static struct store_entry entry;
	struct err ignored;
	char line[2 * sizeof(entry.residue)];

	(void)entry_load(host, id, &entry, &ignored);
	(void)err_set(err, ERR_FAILED,
		      "it has ended, but something of it is left, and name, uid and address stay "
		      "taken until that is gone (%s)" ERR_MEND
		      "clear it, then `mayfly reap`; `mayfly verify %s` looks again",
		      text_line(entry.residue, line, sizeof(line)), id);
	explicit_bzero(&entry, sizeof(entry));
	return -1;
}

int entryview_print(const struct host_config *host, const char *id, struct err *err)
{
	static struct store_entry entry; /* too large for a stack */
	struct entryview view;
	long long left_s;
	int rc = -1;

	if (entry_load(host, id, &entry, err) == 0 &&
	    entryview_left(host, &entry, &left_s, err) == 0) {
		entryview_make(&view, &entry, left_s);
		rc = json_print(entryview_json(&entry, &view, true), err);
	}
	explicit_bzero(&entry, sizeof(entry));
	return rc;
}
