/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/* ports: which ports of the host lead into sandboxes. */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "base/log.h"
#include "cli/json.h"
#include "cli/portspec.h"
#include "cli/target.h"
#include "cli/text.h"
#include "store/entry.h"

const struct opt verb_ports_options[] = {
	{ 'a', "all", NULL, "also those of sandboxes that don't run" },
	{ 0 },
};

struct portlist {
	const struct cli *cli;
	bool all;
	struct text_table table;
	json_t *list;
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
	return object;
}

static void add_port(struct portlist *list, const struct store_entry *entry,
		     const struct spec_port *port)
{
	char text[PORTSPEC_TEXT_SIZE], guest[8];
	int rc = 0;

	(void)snprintf(guest, sizeof(guest), "%u", port->guest_port);
	if (list->list != NULL)
		rc = json_array_append_new(list->list, json_of(entry, port));
	else
		text_table_row(&list->table,
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
		if (err.code != ERR_NOT_FOUND) /* it ended while we looked */
			log_warning("%s: %s", id, err.text);
		return true;
	}
	if (entry.has_spec && (list->all || entry.state == STORE_RUNNING))
		for (unsigned i = 0; i < SPEC_MAX_PORTS && entry.spec.ports[i].protocol; i++)
			add_port(list, &entry, &entry.spec.ports[i]);
	explicit_bzero(&entry, sizeof(entry));
	return true;
}

static int list_ports(struct portlist *list, char **names, struct err *err)
{
	const struct host_config *host = &list->cli->config.host;
	char id[ID_SIZE];

	if (names[0] == NULL)
		return entry_each(host, add_entry, list, err);
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
	struct portlist list = { .cli = cli, .table.n_columns = 5 };
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
		list.list = json_array();
	else
		text_table_row(&list.table, (const char *const[]){ "NAME", "STATE", "HOST", "GUEST",
								   "PROTOCOL" });
	if (list_ports(&list, names, err) < 0)
		return -1;
	if (cli->json)
		return json_print(list.list, err);
	text_table_print(&list.table, stdout);
	text_table_free(&list.table);
	return 0;
}
