/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "inventory/inventory.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"

const struct inventory_kind inventory_kinds[] = {
	{ "link", inventory_links },	      { "address", inventory_addresses },
	{ "route", inventory_routes },	      { "rule", inventory_rules },
	{ "conntrack", inventory_conntrack }, { "namespace", inventory_namespaces },
	{ "cgroup", inventory_cgroups },      { "mount", inventory_mounts },
	{ "process", inventory_processes },   { "socket", inventory_sockets },
	{ "file", inventory_files },	      { "uid", inventory_uids },
	{ "sysctl", inventory_sysctls },
};
const size_t inventory_n_kinds = ARRAY_SIZE(inventory_kinds);

static void *must(void *p)
{
	if (p == NULL) {
		(void)fputs("mayfly-inventory: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

static void add_line(struct inventory *inventory, const char *line)
{
	if (inventory->n == inventory->room) {
		inventory->room = inventory->room != 0 ? inventory->room * 2 : 256;
		inventory->lines =
			must(realloc(inventory->lines, inventory->room * sizeof(char *)));
	}
	inventory->lines[inventory->n++] = must(strdup(line));
}

void inventory_add(struct inventory *inventory, const char *kind, const char *fmt, ...)
{
	char line[2048];
	size_t len = (size_t)snprintf(line, sizeof(line), "%s ", kind);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	for (char *p = line; *p != '\0'; p++) {
		if (*p == '\n')
			*p = ' ';
	}
	add_line(inventory, line);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_unique(struct inventory *inventory)
{
	size_t kept = 0;

	if (inventory->n == 0)
		return;
	qsort(inventory->lines, inventory->n, sizeof(char *), compare_lines);
	for (size_t i = 1; i < inventory->n; i++) {
		if (strcmp(inventory->lines[kept], inventory->lines[i]) == 0)
			free(inventory->lines[i]);
		else
			inventory->lines[++kept] = inventory->lines[i];
	}
	inventory->n = kept + 1;
}

int inventory_take(struct inventory *inventory, struct err *err)
{
	for (size_t i = 0; i < inventory_n_kinds; i++) {
		if (inventory_kinds[i].look(inventory, err) < 0)
			return err_wrap(err, "%s", inventory_kinds[i].name);
	}
	sort_unique(inventory);
	return 0;
}

int inventory_read(struct inventory *inventory, FILE *from, struct err *err)
{
	char line[2048];

	while (fgets(line, sizeof(line), from) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		add_line(inventory, line);
	}
	if (ferror(from))
		return err_sys(err, "can't read the inventory");
	sort_unique(inventory);
	return 0;
}

void inventory_write(const struct inventory *inventory, FILE *to)
{
	for (size_t i = 0; i < inventory->n; i++)
		(void)fprintf(to, "%s\n", inventory->lines[i]);
}

size_t inventory_difference(const struct inventory *before, const struct inventory *after, FILE *to)
{
	size_t b = 0, a = 0, n = 0;

	while (b < before->n || a < after->n) {
		int order = b == before->n  ? 1
			    : a == after->n ? -1
					    : strcmp(before->lines[b], after->lines[a]);

		if (order != 0) {
			n++;
			if (to != NULL)
				(void)fprintf(to, "%c %s\n", order < 0 ? '-' : '+',
					      order < 0 ? before->lines[b] : after->lines[a]);
		}
		b += order <= 0;
		a += order >= 0;
	}
	return n;
}

void inventory_fini(struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->n; i++)
		free(inventory->lines[i]);
	free(inventory->lines);
	*inventory = (struct inventory){ .except = inventory->except };
}
