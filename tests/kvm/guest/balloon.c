/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Gives pages away by inflating and by reporting: they read as zeroes, and can be used again. What isn't RAM is refused. */
#include "tests/kvm/guest/guest.h"

#include <linux/virtio_mmio.h>

#define PAGE	    4096u
#define N_PAGES	    4u
#define F_REPORTING (1u << 5)

static struct guest_queue queues[3], clean;
static uint8_t pages[N_PAGES * PAGE] __attribute__((aligned(4096)));
static uint32_t pfns[N_PAGES];

static void start(void)
{
	guest_check(guest_device_start(SLOT_BALLOON, 5, F_REPORTING), "balloon is there");
	for (uint32_t q = 0; q < 3; q++) {
		queues[q] = clean;
		guest_queue_start(SLOT_BALLOON, q, &queues[q]);
	}
	guest_device_go(SLOT_BALLOON);
}

static bool offer(uint32_t q, const void *buf, uint32_t len, bool writable)
{
	guest_queue_add(&queues[q], buf, len, writable);
	guest_queue_offer(&queues[q]);
	return guest_queue_wait(&queues[q]) >= 0;
}

/* Pages [first, first + n) are zero, all others as they were filled. */
static bool only_zero(uint32_t first, uint32_t n)
{
	bool ok = true;

	for (uint32_t i = 0; i < N_PAGES; i++) {
		uint8_t want = i >= first && i < first + n ? 0 : (uint8_t)(i + 1);

		ok = ok && pages[i * PAGE] == want && pages[i * PAGE + PAGE - 1] == want;
	}
	return ok;
}

static void fill(void)
{
	for (uint32_t i = 0; i < N_PAGES; i++)
		memset(pages + i * PAGE, (int)(i + 1), PAGE);
}

static void check_pages(void)
{
	for (uint32_t i = 0; i < N_PAGES; i++)
		pfns[i] = ((uint32_t)pages / PAGE) + i;
	fill();
	guest_check(offer(0, pfns + 1, 8, false) && only_zero(1, 2), "inflated pages are gone");
	guest_check(offer(1, pfns + 1, 8, false) && only_zero(1, 2), "deflated");
	fill();
	guest_check(only_zero(0, 0), "they can be used again");
	pfns[0] = pfns[1] = pfns[2] = pfns[3];
	guest_check(offer(0, pfns, 16, false) && only_zero(3, 1), "a page given four times");
	fill();
	guest_check(offer(2, pages + PAGE, 2 * PAGE, true) && only_zero(1, 2),
		    "reported pages are gone");
	fill();
	guest_check(offer(2, pages + 1, PAGE, true) && only_zero(0, 0), "half pages stay");
}

static void check_refused(uint32_t pfn, const char *what)
{
	pfns[0] = pfn;
	guest_queue_add(&queues[0], pfns, 4, false);
	guest_queue_offer(&queues[0]);
	guest_check(guest_stops(SLOT_BALLOON) && queues[0].used.idx == queues[0].seen, what);
	start();
}

static bool target_is(uint32_t n)
{
	for (uint32_t i = 0; i < 2000000; i++) {
		if (guest_read(guest_window(SLOT_BALLOON), VIRTIO_MMIO_CONFIG) == n)
			return true;
	}
	return false;
}

void guest_main(void)
{
	const uint32_t w = guest_window(SLOT_BALLOON);

	guest_console_start();
	start();
	check_pages();
	check_refused(0x100000000ull / PAGE, "no page above 4 GiB");
	check_refused(0xd0000000 / PAGE, "no page in the hole");
	check_refused(0xffffffff, "no page at the end of all");
	guest_write(w, VIRTIO_MMIO_CONFIG + 4, 7);
	guest_check(guest_read(w, VIRTIO_MMIO_CONFIG + 4) == 7, "what it has given");
	guest_check(target_is(0), "no target");
	guest_check(target_is(1024), "4 MiB are wanted");
	guest_check(target_is(4096), "more than all is all");
	guest_print("end\n");
}
