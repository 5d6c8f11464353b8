/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "base/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int id_draw(char id[ID_SIZE], struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t raw[ID_LEN / 2];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return err_sys(err, "can't draw an id");
	for (size_t i = 0; i < sizeof(raw); i++) {
		id[2 * i] = digits[raw[i] >> 4];
		id[2 * i + 1] = digits[raw[i] & 15];
	}
	id[ID_LEN] = '\0';
	return 0;
}

bool id_is_valid(const char *id)
{
	return strnlen(id, ID_SIZE) == ID_LEN && strspn(id, "0123456789abcdef") == ID_LEN;
}

void id_tap(const char *id, char out[IFNAMSIZ])
{
	(void)snprintf(out, IFNAMSIZ, ID_TAP_PREFIX "%.8s", id);
}

void id_tap_alias(const char *id, const char *name, char out[128])
{
	(void)snprintf(out, 128, "mayfly %.16s %.40s", id, name);
}

void id_table(const char *id, char out[ID_NAME_SIZE])
{
	(void)snprintf(out, ID_NAME_SIZE, "mayfly_%.16s", id);
}

void id_cgroup(const char *id, char out[ID_NAME_SIZE])
{
	(void)snprintf(out, ID_NAME_SIZE, "%.16s", id);
}

void id_mac(const char *id, uint8_t out[6])
{
	char first[9];
	uint32_t bits;

	(void)snprintf(first, sizeof(first), "%.8s", id);
	bits = (uint32_t)strtoul(first, NULL, 16);
	out[0] = 0x02;
	out[1] = 0x6d;
	out[2] = (uint8_t)(bits >> 24);
	out[3] = (uint8_t)(bits >> 16);
	out[4] = (uint8_t)(bits >> 8);
	out[5] = (uint8_t)bits;
}
