/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_UNTIL_H
#define GUEST_INIT_UNTIL_H

#include <stdint.h>

/*
 * What shows the date inside: UNTIL_FILE (date, seconds since the epoch, seconds left when it was written), what a login
 * prints, and the environment of new sessions. PID 1 writes all of it, on a tmpfs, each minute and when something changes.
 */
#define UNTIL_FILE     "/run/mayfly/deadline"
#define UNTIL_MOTD     "/run/mayfly/motd"
#define UNTIL_MOTD_OWN "/etc/motd.own" /* the image's or the user's own: comes in front of ours */
#define UNTIL_VARIABLE "MAYFLY_UNTIL"
#define UNTIL_MINUTE_S 60

/* Where sshd looks for a message of the day there is a link to ours from now on. Once, in the new root. */
void until_install(void);

/* The date is this from now on. */
void until_set(int64_t deadline_s);

/* Write the files anew, by the clock as it is now. */
void until_refresh(void);

/* The date as new sessions have it in their environment, "2026-12-01T17:00:00Z"; valid in children as of their fork. */
const char *until_text(void);

/* The message of the day to a terminal. For a forked child that is about to become a login shell. */
void until_greet(int fd);

/* One line on every terminal, by a child that nobody waits for long: who doesn't take it at once doesn't get it. */
void until_notice(uint64_t left_s);
/* The date was moved; said where an earlier one was announced. */
void until_moved(void);

#endif
