/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef KEEPER_CREW_H
#define KEEPER_CREW_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "base/id.h"
#include "keeper/sink.h"

/*
 * Processes that each do one sandbox's part of a reap, so that none waits for another's, and what goes wrong in one hurts no
 * other. A bounded number at once; one that takes longer than its time is killed (it can be repeated from any point); all
 * end with the process that started them. Where no process can be made the work is done here, in turn.
 */
#define CREW_MAX 32

struct crew {
	const struct sink *sink; /* what is said, one record after the other; may be NULL */
	struct sink here;	 /* leads there too and counts: for who started them */
	struct crew_member {
		pid_t pid; /* 0: free */
		int pidfd;
		struct timespec since;
		char id[ID_SIZE];
	} members[CREW_MAX];
	int said[2];	   /* pipe: whole records, which a pipe doesn't mix */
	int words[2];	   /* pipe: what they write to stderr */
	time_t patience_s; /* with each; crew_open's is longer than any end takes */
	unsigned n;
	pid_t starter;
	unsigned failures; /* records with a code; members that were broken off have one too */
	struct err first;  /* of them */
};

void crew_open(struct crew *crew, const struct sink *sink);

/*
 * Have work(arg) done for the sandbox id by a process of its own, which may put records into the sink that it is given;
 * waits for a free place. It gets a copy of this process's memory and descriptors, crew_is_member tells it from this one.
 */
void crew_start(struct crew *crew, const char *id, void (*work)(void *arg, const struct sink *sink),
		void *arg);

/* In work: is this a process of its own? Else it is the one that began, and what is closed is closed for all that follow. */
bool crew_is_member(const struct crew *crew);

/* Wait until all have ended. */
void crew_wait(struct crew *crew);

/* Waits, and closes. */
void crew_close(struct crew *crew);

#endif
