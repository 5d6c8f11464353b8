/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/* ports: which ports of the host lead into sandboxes. */
#include "cli/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "cli/json.h"
#include "cli/ledger.h"
#include "cli/list.h"
#include "cli/portspec.h"
#include "cli/target.h"
#include "cli/text.h"
#include "store/entry.h"

const struct opt verb_ports_options[] = {
	{ 'a', "all", NULL, "also those of sandboxes that don't run, or are gone" },
	{ 0 },
};

struct portlist {
	const struct cli *cli;
	bool all;
	struct list out;
};

static json_t *json_of(const struct store_entry *entry, const struct spec_port *port)
{
	json_t *object = json_object();
	char address[INET6_ADDRSTRLEN];

	json_put_text(object, "name", entry->spec.name);
	json_put_text(object, "id", entry->id);
	json_put_text(object, "state", entry_state_word(entry->state));
	json_put_text(object, "protocol", portspec_protocol(port));
	json_put_text(object, "address", portspec_address(port, address));
	json_put_number(object, "host_port", port->host_port);
	json_put_number(object, "guest_port", port->guest_port);
	json_put_instant(object, "since", entry->status.ready_at_s);
	json_put_instant(object, "until", 0);
	return object;
}

static void add_port(struct portlist *list, const struct store_entry *entry,
		     const struct spec_port *port)
{
	char text[PORTSPEC_TEXT_SIZE], guest[8];
	int rc = 0;

	(void)snprintf(guest, sizeof(guest), "%u", port->guest_port);
	if (list->out.items != NULL)
		rc = json_array_append_new(list->out.items, json_of(entry, port));
	else
		text_table_row(&list->out.table,
			       (const char *const[]){
				       entry->spec.name, entry_state_word(entry->state),
				       portspec_text(port, text), guest, portspec_protocol(port) });
	BUG_ON(rc < 0);
}

static bool add_entry(const char *id, void *arg)
{
	static struct store_entry entry;
	struct portlist *list = arg;
	struct err err;

	if (entry_load(&list->cli->config.host, id, &entry, &err) < 0) {
		list_unread(&list->out.unread, id, &err);
		return true;
	}
	list_unread(&list->out.unread, id, &entry.unread);
	if (entry.unread.code == ERR_NONE && !entry.has_spec && entry.state == STORE_RUNNING)
		(void)err_set(&list->out.unread, ERR_FAILED, "%s: its spec can't be read", id);
	if (entry.has_spec && (list->all || entry.state == STORE_RUNNING))
		for (unsigned i = 0; i < SPEC_MAX_PORTS && entry.spec.ports[i].protocol; i++)
			add_port(list, &entry, &entry.spec.ports[i]);
	explicit_bzero(&entry, sizeof(entry));
	return true;
}

/* "127.0.0.1:8080/tcp", "[::1]:53/udp": split in its place. */
static bool split_port(char *what, char **address, char **port, char **protocol)
{
	char *slash = strrchr(what, '/'),
	     *colon = slash != NULL ? memrchr(what, ':', (size_t)(slash - what)) : NULL;

	if (colon == NULL)
		return false;
	*slash = *colon = '\0';
	*address = what[0] == '[' ? what + 1 : what;
	(*address)[strcspn(*address, "]")] = '\0';
	*port = colon + 1;
	*protocol = slash + 1;
	return true;
}

static bool add_past_port(sqlite3_stmt *row, void *arg)
{
	struct portlist *list = arg;
	char what[STR_NAME_MAX + 128], host[STR_NAME_MAX + 128], guest[24];
	char *address, *port, *protocol;
	json_t *object;
	int rc;

	(void)text_line(ledger_text(row, 2), what, sizeof(what));
	(void)str_copy(host, sizeof(host), what);
	host[strcspn(host, "/")] = '\0';
	if (!split_port(what, &address, &port, &protocol))
		return true;
	(void)snprintf(guest, sizeof(guest), "%lld", (long long)sqlite3_column_int64(row, 3));
	if (list->out.items == NULL) {
		text_table_row(&list->out.table, (const char *const[]){ ledger_text(row, 0), "gone",
									host, guest, protocol });
		return true;
	}
	object = json_object();
	json_put_text(object, "name", ledger_text(row, 0));
	json_put_text(object, "id", ledger_text(row, 1));
	json_put_text(object, "state", "gone");
	json_put_text(object, "protocol", protocol);
	json_put_text(object, "address", address);
	json_put_number(object, "host_port", strtoll(port, NULL, 10));
	json_put_number(object, "guest_port", sqlite3_column_int64(row, 3));
	json_put_instant(object, "since", sqlite3_column_int64(row, 4));
	json_put_instant(object, "until", sqlite3_column_int64(row, 5));
	rc = json_array_append_new(list->out.items, object);
	BUG_ON(rc < 0);
	return true;
}

/* What the ledger knows of those that are gone. */
static int add_past(struct portlist *list, struct err *err)
{
	struct ledger ledger;
	int rc;

	if (ledger_open(&ledger, &list->cli->config.host, err) < 0)
		return -1;
	rc = ledger_query(&ledger, err, add_past_port, list,
			  "SELECT s.name, s.id, p.what, p.guest, min(p.at_s), s.gone_s FROM ports p"
			  " JOIN sandboxes s USING(id) WHERE s.gone_s IS NOT NULL"
			  " GROUP BY s.id, p.what ORDER BY s.gone_s, s.id, p.what",
			  "");
	if (ledger.unread.code != ERR_NONE)
		list->out.unread = ledger.unread;
	ledger_close(&ledger);
	return rc;
}

static int list_ports(struct portlist *list, char **names, struct err *err)
{
	const struct host_config *host = &list->cli->config.host;
	char id[ID_SIZE];

	if (names[0] == NULL && entry_each(host, add_entry, list, err) < 0)
		return -1;
	if (names[0] == NULL)
		return list->all ? add_past(list, err) : 0;
	list->all = true; /* it was named */
	for (; names[0] != NULL; names++) {
		if (target_find(host, names[0], id, err) < 0)
			return -1;
		(void)add_entry(id, list);
	}
	return 0;
}

int verb_ports(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	struct portlist list = { .cli = cli, .out.table.n_columns = 5 };
	const char *value;
	char **names;
	int id, n;

	while ((id = opt_next(&opts, &value, err)) > 0)
		list.all = true;
	if (id < 0)
		return -1;
	names = opt_rest(&opts, &n);
	if (n > 0 && strcmp(names[0], "ls") == 0)
		names++;
	if (cli_begin(cli, err) < 0)
		return -1;
	if (cli->json)
		list.out.items = json_array();
	else
		text_table_row(&list.out.table, (const char *const[]){ "NAME", "STATE", "HOST",
								       "GUEST", "PROTOCOL" });
	if (list_ports(&list, names, err) < 0)
		return -1;
	return list_print(&list.out, err);
}
