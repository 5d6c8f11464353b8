/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include <stdbool.h>

/*
 * One end of a copy: a name in a directory. base "." is the directory itself, its contents without its name. Pure.
 */
#define PLACE_SIZE 4096

struct place {
	char dir[PLACE_SIZE];
	char base[PLACE_SIZE];
};

/*
 * path as a name in a directory: "a" is a in ".", "/etc/a/" a in "/etc", "a/." and ".." are a directory itself. "" is
 * ".". False when it is too long.
 */
bool place_split(struct place *place, const char *path);

/* base in the directory path. False when that is too long. */
bool place_inside(struct place *place, const char *path, const char *base);

#endif
