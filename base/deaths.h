/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_DEATHS_H
#define BASE_DEATHS_H

/*
 * Deaths on demand, only in the test builds of keeper and CLI (MAYFLY_INJECT); in all others each call is nothing.
 *
 * A program passes named points. MAYFLY_INJECT_DIR names a directory in which each test build says who it is (the files
 * `keeper` and `cli` hold a pid), and to whose file `trace`, where there is one, every point appends
 * "ROLE\tPOINT\tALIVE": those of keeper, cli and monitor that could be killed there, "+" between them. At the point
 * named by MAYFLY_INJECT="VICTIM[+VICTIM…] POINT" these are killed by SIGKILL, once, and the file `met` is made; nothing
 * happens when one of them isn't there. The monitor stands for the keeper's children: before it there may be a mke2fs.
 */
#ifdef MAYFLY_INJECT
/* From now on this process is the one of its role, "keeper" or "cli". */
void deaths_role(const char *role);
void deaths_meet(const char *point);
#else
static inline void deaths_role(const char *role)
{
	(void)role;
}
#endif

#endif
