/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/place.h"

#include <string.h>

#include "base/str.h"

static bool is_itself(const char *base)
{
	return base[0] == '\0' || strcmp(base, ".") == 0 || strcmp(base, "..") == 0;
}

bool place_split(struct place *place, const char *path)
{
	char *dir = place->dir, *slash;
	size_t len;

	if (!str_copy(dir, sizeof(place->dir), path[0] != '\0' ? path : "."))
		return false;
	len = strlen(dir);
	while (len > 1 && dir[len - 1] == '/')
		dir[--len] = '\0';
	slash = strrchr(dir, '/');
	if (is_itself(slash != NULL ? slash + 1 : dir))
		return str_copy(place->base, sizeof(place->base), ".");
	(void)str_copy(place->base, sizeof(place->base), slash != NULL ? slash + 1 : dir);
	if (slash == NULL)
		return str_copy(dir, sizeof(place->dir), ".");
	slash[slash == dir ? 1 : 0] = '\0';
	return true;
}

bool place_inside(struct place *place, const char *path, const char *base)
{
	return str_copy(place->dir, sizeof(place->dir), path[0] != '\0' ? path : ".") &&
	       str_copy(place->base, sizeof(place->base), base);
}
