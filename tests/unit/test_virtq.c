/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Queues, by a device of one queue that does nothing by itself. */
#include "tests/unit/support/driver.h"

#include "base/bug.h"

#define SIZE 8

static struct driver d;
static struct virtio_dev dev;
static struct virtq_chain chain;

static bool no_kick(struct virtio_dev *of, uint32_t q)
{
	(void)of;
	(void)q;
	return false;
}

static const struct virtio_model model = {
	.device_id = 4,
	.n_queues = 1,
	.queue_max = { VIRTQ_MAX_SIZE },
	.kick = no_kick,
};

static int start(uint64_t features, uint16_t size)
{
	driver_init(&d);
	virtio_dev_init(&dev, &model, &d.mem, driver_irq(&d), 0);
	driver_start(&d, &dev, features, size);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return start(F_BASE, SIZE);
}

static int setup_indirect(void **state)
{
	(void)state;
	return start(F_BASE | F_INDIRECT, SIZE);
}

static int setup_large(void **state)
{
	(void)state;
	return start(F_BASE | F_INDIRECT, 256);
}

static int teardown(void **state)
{
	(void)state;
	driver_fini(&d);
	return 0;
}

static enum virtq_result pop(void)
{
	return virtq_pop(&dev.queues[0], &d.mem, &chain);
}

static void push(uint32_t written)
{
	virtq_push(&dev.queues[0], &d.mem, chain.head, written);
}

static void empty(void **state)
{
	(void)state;
	assert_int_equal(pop(), VIRTQ_EMPTY);
}

static void chain_of_three(void **state)
{
	gpa_t a = driver_alloc(&d, 64);
	uint16_t head = ADD(&d, 0, { a, 10, false }, { HIGH_GPA, 20, true }, { a + 32, 5, true });

	(void)state;
	assert_int_equal(pop(), VIRTQ_CHAIN);
	assert_int_equal(chain.head, head);
	assert_int_equal(chain.n_readable, 1);
	assert_int_equal(chain.n_writable, 2);
	assert_int_equal(chain.readable_len, 10);
	assert_int_equal(chain.writable_len, 25);
	assert_ptr_equal(virtq_readable(&chain)[0].iov_base, driver_ptr(&d, a, 10));
	assert_ptr_equal(virtq_writable(&chain)[0].iov_base, d.mem.regions[1].host);
	assert_int_equal(virtq_writable(&chain)[1].iov_len, 5);
	push(25);
	driver_expect(&d, 0, head, 25);
	assert_int_equal(pop(), VIRTQ_EMPTY);
}

static void unpop_gives_it_again(void **state)
{
	gpa_t a = driver_alloc(&d, 16);
	uint16_t head = ADD(&d, 0, { a, 16, true });

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pop(), VIRTQ_CHAIN);
		assert_int_equal(chain.head, head);
		assert_int_equal(chain.n_writable, 1);
		virtq_unpop(&dev.queues[0], 1);
	}
	driver_expect_nothing(&d, 0);
}

static void indices_wrap(void **state)
{
	gpa_t a = driver_alloc(&d, 16);

	(void)state;
	for (uint32_t i = 0; i < 70000; i++) {
		uint16_t head = ADD(&d, 0, { a, 1, false }, { a, 2, true });

		assert_int_equal(pop(), VIRTQ_CHAIN);
		push(i & 1);
		driver_expect(&d, 0, head, i & 1);
	}
	assert_int_equal(dev.queues[0].used_idx, (uint16_t)70000);
}

static void full_ring(void **state)
{
	gpa_t a = driver_alloc(&d, 16);

	(void)state;
	for (int i = 0; i < SIZE; i++)
		ADD(&d, 0, { a, 1, false });
	for (int i = 0; i < SIZE; i++) {
		assert_int_equal(pop(), VIRTQ_CHAIN);
		push(0);
	}
	assert_int_equal(pop(), VIRTQ_EMPTY);
}

static void zero_lengths_are_left_out(void **state)
{
	gpa_t a = driver_alloc(&d, 16);

	(void)state;
	ADD(&d, 0, { a, 0, false }, { a, 4, false }, { HOLE_GPA, 0, false }, { a, 0, true });
	assert_int_equal(pop(), VIRTQ_CHAIN);
	assert_int_equal(chain.n_readable, 1);
	assert_int_equal(chain.readable_len, 4);
	assert_int_equal(chain.n_writable, 0);
	ADD(&d, 0, { a, 0, false });
	assert_int_equal(pop(), VIRTQ_CHAIN);
	assert_int_equal(chain.n_readable + chain.n_writable, 0);
}

static void broken(void)
{
	assert_int_equal(pop(), VIRTQ_BROKEN);
	assert_int_equal(pop(), VIRTQ_BROKEN);
	driver_expect_nothing(&d, 0);
}

static void self_loop(void **state)
{
	gpa_t a = driver_alloc(&d, 16);

	(void)state;
	ADD(&d, 0, { a, 4, false });
	*driver_desc(&d, 0, 0) = (struct vring_desc){ a, 4, VRING_DESC_F_NEXT, 0 };
	broken();
}

static void self_loop_of_nothing(void **state)
{
	(void)state;
	driver_offer(&d, 0, 3);
	*driver_desc(&d, 0, 3) = (struct vring_desc){ 0, 0, VRING_DESC_F_NEXT, 3 };
	broken();
}

static void two_cycle(void **state)
{
	gpa_t a = driver_alloc(&d, 16);

	(void)state;
	ADD(&d, 0, { a, 4, true }, { a, 4, true });
	driver_desc(&d, 0, 1)->flags |= VRING_DESC_F_NEXT;
	driver_desc(&d, 0, 1)->next = 0;
	broken();
}

static void next_out_of_table(void **state)
{
	gpa_t a = driver_alloc(&d, 16);
	uint16_t bad[] = { SIZE, SIZE + 1, 0xffff };

	(void)state;
	ADD(&d, 0, { a, 4, true });
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		*driver_desc(&d, 0, 0) = (struct vring_desc){ a, 4, VRING_DESC_F_NEXT, bad[i] };
		broken();
	}
}

static void head_out_of_table(void **state)
{
	(void)state;
	driver_offer(&d, 0, SIZE);
	broken();
	driver_avail(&d, 0)->ring[0] = 0xffff;
	broken();
}

static void avail_jumps(void **state)
{
	gpa_t a = driver_alloc(&d, 16);

	(void)state;
	ADD(&d, 0, { a, 4, true });
	driver_avail(&d, 0)->idx = SIZE + 1;
	broken();
	driver_avail(&d, 0)->idx = 0xffff; /* that is: backwards */
	broken();
	driver_avail(&d, 0)->idx = SIZE;
	assert_int_equal(pop(), VIRTQ_CHAIN);
}

static void addresses_not_in_ram(void **state)
{
	const struct buf bad[] = {
		{ LOW_LEN - 8, 9, true },	      /* over the end, into the hole */
		{ HOLE_GPA, 1, true },		      /* in the hole */
		{ HIGH_GPA - 1, 2, true },	      /* out of the hole */
		{ HIGH_GPA + HIGH_LEN - 1, 2, true }, /* over the end of RAM */
		{ UINT64_MAX, 1, true },
		{ UINT64_MAX - 3, 8, true }, /* over 2^64 */
		{ 0, UINT32_MAX, true },
		{ HIGH_GPA, UINT32_MAX, false },
	};

	(void)state;
	ADD(&d, 0, { 0, 1, true });
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		driver_describe(driver_desc(&d, 0, 0), SIZE, 0, &bad[i], 1);
		broken();
	}
}

static void readable_after_writable(void **state)
{
	gpa_t a = driver_alloc(&d, 16);

	(void)state;
	ADD(&d, 0, { a, 4, true }, { a, 4, false });
	broken();
}

static void indirect_not_negotiated(void **state)
{
	gpa_t table = driver_alloc(&d, 16);

	(void)state;
	driver_describe(driver_ptr(&d, table, 16), 1, 0, &(struct buf){ table, 4, true }, 1);
	driver_offer(&d, 0, 0);
	*driver_desc(&d, 0, 0) = (struct vring_desc){ table, 16, VRING_DESC_F_INDIRECT, 0 };
	broken();
}

/* Offer an indirect table at gpa, behind one direct buffer when lead is set. */
static void offer_indirect(gpa_t table, uint32_t len, uint16_t flags, bool lead)
{
	*driver_desc(&d, 0, 0) = (struct vring_desc){ 0x800, 8, VRING_DESC_F_NEXT, 1 };
	*driver_desc(&d, 0, 1) =
		(struct vring_desc){ table, len, (uint16_t)(VRING_DESC_F_INDIRECT | flags), 2 };
	*driver_desc(&d, 0, 2) = (struct vring_desc){ 0x800, 8, VRING_DESC_F_WRITE, 0 };
	driver_offer(&d, 0, lead ? 0 : 1);
}

static void indirect_table(void **state)
{
	gpa_t table = driver_alloc(&d, 3 * 16);
	const struct buf bufs[] = { { 0x900, 4, false }, { 0xa00, 5, true }, { 0xb00, 6, true } };

	(void)state;
	driver_describe(driver_ptr(&d, table, 48), 3, 0, bufs, 3);
	offer_indirect(table, 48, VRING_DESC_F_WRITE /* must be ignored */, false);
	assert_int_equal(pop(), VIRTQ_CHAIN);
	assert_int_equal(chain.head, 1);
	assert_int_equal(chain.n_readable, 1);
	assert_int_equal(chain.writable_len, 11);
	offer_indirect(table, 48, 0, true);
	assert_int_equal(pop(), VIRTQ_CHAIN);
	assert_int_equal(chain.head, 0);
	assert_int_equal(chain.n_readable, 2);
	assert_int_equal(chain.readable_len, 12);
}

static void indirect_misuse(void **state)
{
	gpa_t table = driver_alloc(&d, 4 * 16);
	struct vring_desc *t = driver_ptr(&d, table, 64);
	const struct buf bufs[] = { { 0x900, 4, false }, { 0xa00, 5, true } };

	(void)state;
	driver_describe(t, 4, 0, bufs, 2);
	offer_indirect(table, 32, VRING_DESC_F_NEXT, false);
	broken();
	driver_desc(&d, 0, 1)->flags = VRING_DESC_F_INDIRECT;
	for (uint32_t len = 0; len < 48; len += 17) { /* nothing, and not a multiple of 16 */
		driver_desc(&d, 0, 1)->len = len;
		broken();
	}
	driver_desc(&d, 0, 1)->len = 257 * 16; /* more than VIRTQ_MAX_SEGS */
	broken();
	driver_desc(&d, 0, 1)->len = 0xfffffff0;
	broken();
	driver_desc(&d, 0, 1)->len = 32;
	t[1].flags = VRING_DESC_F_INDIRECT; /* nested */
	broken();
	t[1].flags = VRING_DESC_F_NEXT;
	t[1].next = 2; /* beyond the table, though memory is there */
	broken();
	t[1].next = 0; /* a cycle */
	broken();
	t[0].flags = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE; /* readable after writable */
	t[1].flags = 0;
	broken();
	driver_desc(&d, 0, 1)->addr = LOW_LEN - 16; /* half of it in the hole */
	broken();
	driver_desc(&d, 0, 1)->addr = UINT64_MAX - 15;
	broken();
}

static void most_segments(void **state)
{
	gpa_t table = driver_alloc(&d, 256 * 16);
	struct vring_desc *t = driver_ptr(&d, table, 256 * 16);
	struct buf bufs[256];

	(void)state;
	for (int i = 0; i < 256; i++)
		bufs[i] = (struct buf){ 0x800, 8, true }; /* all overlap */
	driver_describe(t, 256, 0, bufs, 256);
	offer_indirect(table, 256 * 16, 0, false);
	assert_int_equal(pop(), VIRTQ_CHAIN);
	assert_int_equal(chain.n_writable, 256);
	assert_int_equal(chain.writable_len, 2048);
	push(0);
	offer_indirect(table, 256 * 16, 0, true); /* one too many */
	assert_int_equal(pop(), VIRTQ_BROKEN);
}

static void total_beyond_32_bits(void **state)
{
	struct mem_region *low = &d.mem.regions[0];
	uint64_t whole = low->len;

	(void)state;
	/* a region that claims to be large; nothing touches it */
	low->len = HIGH_GPA;
	ADD(&d, 0, { 0, 0x80000000, true }, { 0, 0x7fffffff, true });
	assert_int_equal(pop(), VIRTQ_CHAIN);
	assert_int_equal(chain.writable_len, UINT32_MAX);
	ADD(&d, 0, { 0, 0x80000000, false }, { 0, 0x80000000, true });
	assert_int_equal(pop(), VIRTQ_BROKEN);
	low->len = whole;
}

static void activation(void **state)
{
	struct virtq q = { .max = 256 };
	const struct {
		uint16_t size;
		gpa_t desc, avail, used;
	} bad[] = {
		{ 0, 0x1000, 0x2000, 0x3000 },		{ 3, 0x1000, 0x2000, 0x3000 },
		{ 512, 0x1000, 0x2000, 0x3000 },	{ 8, 0x1008, 0x2000, 0x3000 },
		{ 8, 0x1000, 0x2001, 0x3000 },		{ 8, 0x1000, 0x2000, 0x3002 },
		{ 8, LOW_LEN - 112, 0x2000, 0x3000 },	{ 8, 0x1000, LOW_LEN - 20, 0x3000 },
		{ 8, 0x1000, 0x2000, LOW_LEN - 68 },	{ 8, HOLE_GPA, 0x2000, 0x3000 },
		{ 8, 0x1000, UINT64_MAX - 1, 0x3000 },	{ 8, 0x1000, 0x2000, UINT64_MAX - 3 },
		{ 8, UINT64_MAX - 15, 0x2000, 0x3000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		q.size = bad[i].size;
		q.desc_gpa = bad[i].desc;
		q.avail_gpa = bad[i].avail;
		q.used_gpa = bad[i].used;
		assert_false(virtq_activate(&q, &d.mem, F_BASE | F_RING));
		assert_false(q.ready);
		assert_int_equal(virtq_pop(&q, &d.mem, &chain), VIRTQ_EMPTY);
	}
	q.size = 8;
	q.desc_gpa = LOW_LEN - 128; /* each ring up to the last byte of RAM */
	q.avail_gpa = HIGH_GPA + HIGH_LEN - 22;
	q.used_gpa = LOW_LEN - 128 - 72;
	assert_true(virtq_activate(&q, &d.mem, F_BASE | F_RING));
	assert_int_equal(virtq_pop(&q, &d.mem, &chain), VIRTQ_EMPTY);
	virtq_reset(&q);
	assert_false(q.ready);
	assert_int_equal(q.max, 256);
	assert_int_equal(q.size, 0);
}

static void interrupts_wanted(void **state)
{
	(void)state;
	assert_false(virtq_wants_interrupt(&dev.queues[0], &d.mem)); /* of what? */
	push(0);
	assert_true(virtq_wants_interrupt(&dev.queues[0], &d.mem));
	push(0);
	virtio_dev_notify(&dev, 0);
	virtio_dev_notify(&dev, 0);
	assert_int_equal(d.n_irqs, 1);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	driver_avail(&d, 0)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	push(0);
	assert_false(virtq_wants_interrupt(&dev.queues[0], &d.mem));
	push(0);
	virtio_dev_notify(&dev, 0);
	assert_int_equal(d.n_irqs, 1);
}

static void slices_and_copies(void **state)
{
	char a[4] = "abcd", b[1] = "e", c[5] = "fghij", out[16];
	const struct iovec in[] = { { a, 4 }, { b, 1 }, { c, 5 } };
	struct iovec part[3];

	(void)state;
	assert_int_equal(virtq_slice(in, 3, 2, 4, part), 3);
	assert_ptr_equal(part[0].iov_base, a + 2);
	assert_int_equal(part[0].iov_len, 2);
	assert_int_equal(part[2].iov_len, 1);
	assert_int_equal(virtq_slice(in, 3, 4, 1, part), 1);
	assert_ptr_equal(part[0].iov_base, b);
	assert_int_equal(virtq_slice(in, 3, 10, 1, part), 0);
	assert_int_equal(virtq_slice(in, 3, UINT64_MAX, UINT64_MAX, part), 0);
	assert_int_equal(virtq_slice(in, 3, 0, 0, part), 0);
	assert_int_equal(virtq_slice(in, 3, 0, UINT64_MAX, part), 3);
	assert_int_equal(virtq_copy_out(in, 3, 3, out, 16), 7);
	assert_memory_equal(out, "defghij", 7);
	assert_int_equal(virtq_copy_in(in, 3, 3, "1234", 4), 4);
	assert_memory_equal(a, "abc1", 4);
	assert_memory_equal(b, "2", 1);
	assert_memory_equal(c, "34hij", 5);
	assert_int_equal(virtq_copy_in(in, 3, 9, "xyz", 3), 1);
}

#define T(f)	      cmocka_unit_test_setup_teardown(f, setup, teardown)
#define T_INDIRECT(f) cmocka_unit_test_setup_teardown(f, setup_indirect, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(empty),
		T(chain_of_three),
		T(unpop_gives_it_again),
		T(indices_wrap),
		T(full_ring),
		T(zero_lengths_are_left_out),
		T(self_loop),
		T(self_loop_of_nothing),
		T(two_cycle),
		T(next_out_of_table),
		T(head_out_of_table),
		T(avail_jumps),
		T(addresses_not_in_ram),
		T(readable_after_writable),
		T(indirect_not_negotiated),
		T_INDIRECT(indirect_table),
		T_INDIRECT(indirect_misuse),
		cmocka_unit_test_setup_teardown(most_segments, setup_large, teardown),
		T(total_beyond_32_bits),
		T(activation),
		T(interrupts_wanted),
		T(slices_and_copies),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("virtq", tests, NULL, NULL);
}
