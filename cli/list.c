/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/list.h"

#include <stdio.h>

void list_unread(struct err *unread, const char *id, const struct err *why)
{
	if (why->code == ERR_NONE || why->code == ERR_NOT_FOUND)
		return;
	*unread = *why;
	(void)err_wrap(unread, "%s", id);
}

int list_print(struct list *list, struct err *err)
{
	if (list->items) {
		if (json_print(list->items, err) < 0)
			return -1;
	} else {
		text_table_print(&list->table, stdout);
		text_table_free(&list->table);
	}
	if (list->unread.code == ERR_NONE)
		return 0;
	*err = list->unread;
	return -1;
}
