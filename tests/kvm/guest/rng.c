/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Asks for entropy twice: all of it comes, and it differs. */
#include "tests/kvm/guest/guest.h"

static struct guest_queue queue;
static uint8_t first[64], second[64];

static bool fill(uint8_t *buf, uint32_t len)
{
	guest_queue_add(&queue, buf, len, true);
	guest_queue_offer(&queue);
	return guest_queue_wait(&queue) == (int32_t)len;
}

void guest_main(void)
{
	guest_console_start();
	guest_check(guest_device_start(SLOT_RNG, 4, 0), "rng is there");
	guest_queue_start(SLOT_RNG, 0, &queue);
	guest_device_go(SLOT_RNG);
	guest_check(fill(first, sizeof(first)), "first request");
	guest_check(fill(second, sizeof(second)), "second request");
	guest_check(memcmp(first, second, sizeof(first)) != 0, "they differ");
	guest_print("end\n");
}
