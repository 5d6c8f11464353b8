/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_TEARDOWN_H
#define KEEPER_TEARDOWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/proto/ctl.h"
#include "base/proto/spec.h"
#include "jail/cgroup.h"
#include "keeper/sink.h"
#include "store/store.h"

struct keeper;

/*
 * The one way down: the orderly end, a failed bring-up, reap and destroy all use it. It works from names and the kernel's
 * state (names derived from the id, what slots and journal say, ownership marks); absence is success; so it can be
 * repeated from any point. The caller holds the sandbox's lock.
 */
enum teardown_depth {
	TEARDOWN_STOP, /* nothing runs any more; spec, deadline, journal, disk, keys and name stay */
	TEARDOWN_GRACE, /* the same for one whose date has come: its keys go too */
	TEARDOWN_ALL,	/* nothing stays but the receipt */
};

struct teardown {
	const struct host_config *host;
	char id[ID_SIZE];
	enum teardown_depth depth;
	uint32_t reason;  /* enum end_reason */
	const char *text; /* the reason in words; NULL: none */
	int64_t grace_until_s; /* TEARDOWN_GRACE: how long its disk is kept, for the receipt; 0: no grace */
	struct keeper *
		keeper; /* whose descriptors are to be closed on the way; NULL: a dead keeper's sandbox */

	/* found by teardown_look */
	int journal_fd;
	char name[STR_NAME_MAX + 1]; /* "": unknown, or not ours any more */
	bool has_slot; /* a slot's file names this id: its uid and mark are ours alone */
	bool later;    /* a look at what has ended: its slot may be free, or somebody else's */
	uint32_t slot, uid, mark;
	bool has_number; /* the journal names a slot: number */
	uint32_t number;
	char boot[40];		       /* the boot that it was made or started in; "": not known */
	bool other_boot;	       /* not this one */
	char cgroup[CGROUP_PATH_SIZE]; /* "": none */
	ino_t cgroup_inode;	       /* 0: made, but never recorded */
	uint32_t sockets[SPEC_MAX_PORTS]; /* inodes of the published ports' listeners */
	unsigned n_sockets;
	pid_t monitor_pid;
	uint64_t monitor_start;
	bool no_flows; /* none were there after tap and table had gone */
	bool heard;    /* there is a line of its journal, or of its receipt */
	bool told;     /* the receipt has its last line */
	bool left;     /* the row at work: an earlier end has said that it left something */
	/* rows, a bit each, of which the journal says already what would be said again */
	unsigned gone_told, residue_told;
	uint32_t ended_told; /* enum end_reason that it says since the last run; 0: none */
	unsigned residue;    /* rows that left something */
	const char *look;    /* where a row has looked, when that isn't what its table says */
};

/* How deep an end for this reason goes; due: an expiry that isn't only a jump of the clock, and its grace is over. */
enum teardown_depth teardown_depth_for(const struct spec *spec, uint32_t reason, bool due);

/* 0, or -1 with err: ERR_RESIDUE names what is still there. */
int teardown_run(struct teardown *t, struct err *err);

/* Fill what teardown_run works from; changes nothing. 0, or -1 with err: something that is there can't be read. */
int teardown_look(struct teardown *t, struct err *err);

/*
 * One CTL_ITEM for each kind: is it absent? "KIND: absent look=WORD", "KIND: there look=WORD", or why it can't be told.
 * Works as long after the end as its receipt is kept, after a reboot too. Returns how many are not absent; -1 with err where what
 * to look for can't be read. Changes nothing.
 */
int teardown_verify(const struct host_config *host, const char *id, const struct sink *sink,
		    struct err *err);

/* Number of rows of the table, and the kind of object that one undoes. */
unsigned teardown_steps(void);

/* The bit of a kind in gone_told and residue_told; kind: its first len bytes. 0: no such row. */
unsigned teardown_bit(const char *kind, size_t len);

/* Would another teardown wait for seconds again, for what the last one could not end? Only looks. */
bool teardown_stuck(const struct host_config *host, const char *id);
const char *teardown_step_name(unsigned step);

#endif
