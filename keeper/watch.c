/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/watch.h"

#include "base/log.h"
#include "keeper/gate.h"
#include "keeper/keeper.h"
#include "store/journal.h"

#define WATCH_GONE "cut off from the network: the host's gate is gone; run: mayfly host up"
#define WATCH_BACK "on the network again: the host's gate is back"

void watch_gate(struct keeper *k)
{
	struct err err = { 0 }, ignored;
	int present;

	if (!k->table.ctx)
		return;
	present = gate_present(&k->spec.host, &err);
	if (present < 0 && err.code != ERR_EXISTS)
		return; /* it can't be told; somebody else's table of that name is no gate */
	if ((present == 1) != k->table.cut)
		return;
	if (owner_table_cut(&k->table, k->spec.id, present != 1, &err) < 0) {
		log_error("%s: %s", k->spec.name, err.text);
		return;
	}
	log_warning("%s: %s", k->spec.name, k->table.cut ? WATCH_GONE : WATCH_BACK);
	(void)journal_event(k->journal_fd, &ignored, "%s", k->table.cut ? WATCH_GONE : WATCH_BACK);
}
