/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_LIFE_H
#define KEEPER_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/ctl.h"
#include "keeper/keeper.h"

/* What can happen to a sandbox; life.c has the table of what each does in each state. */
enum life_event {
	LIFE_MONITOR_READY, /* filters are on, vCPUs run */
	LIFE_GUEST_READY,   /* its services listen */
	LIFE_ASK_STOP,	    /* SIGTERM or SIGINT */
	LIFE_STOP,	    /* a client asks, gracefully: end, but keep what a durable one keeps */
	LIFE_STOP_NOW,
	LIFE_DESTROY, /* a client asks, gracefully */
	LIFE_DESTROY_NOW,
	LIFE_DATE,	   /* the date has come */
	LIFE_PATIENCE,	   /* the state took too long */
	LIFE_MONITOR_GONE, /* its process has ended */
	LIFE_EVENTS,
};

void life_event(struct keeper *k, enum life_event event);

/* Block the signals, make the signal and patience descriptors; before anything is made. */
int life_open(struct keeper *k, struct err *err);

/* Enter a state with this much patience (ms; 0: endless) and poll until another one is reached. */
void life_stay(struct keeper *k, enum life_state state, uint32_t patience_ms);

/* What is known about a monitor that is no more. */
struct life_death {
	uint32_t launch_end;	      /* enum launch_end_reason it told; 0: none */
	uint32_t detail;	      /* of that */
	bool trapped;		      /* it told of a call that its filter doesn't know */
	uint32_t guest_end;	      /* enum guest_end_reason the guest told; 0: none */
	uint64_t left_s;	      /* of the sandbox's life */
	bool oom;		      /* its cgroup counts a kill for memory */
	int child_code, child_status; /* si_code and si_status of waitid */
};

/* Why it ended. Pure. */
enum end_reason life_reason(const struct life_death *death, char *text, uint32_t size);

#endif
