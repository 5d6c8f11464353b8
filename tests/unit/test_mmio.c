/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Registers, by a device of two queues and ten bytes of configuration that notes what it is called
 * for. */
#include "tests/unit/support/driver.h"

#include "base/bug.h"

#define CONFIG_LEN 10
#define F_OWN	   (1ull << 3 | 1ull << 50)

static struct driver d;
static struct virtio_dev dev;
static unsigned int n_reset;

static void config_read(struct virtio_dev *of, uint32_t offset, void *out, uint32_t len)
{
	assert_ptr_equal(of, &dev);
	assert_true(offset + len <= CONFIG_LEN);
	memcpy(out, &"ABCDEFGHIJ"[offset], len);
}

static bool kick(struct virtio_dev *of, uint32_t q)
{
	(void)of;
	(void)q;
	fail_msg("mmio never kicks: it may be on a vCPU thread");
	return false;
}

static void reset(struct virtio_dev *of)
{
	assert_false(virtio_dev_active(of));
	n_reset++;
}

static const struct virtio_model model = {
	.device_id = 42,
	.n_queues = 2,
	.queue_max = { 16, 64 },
	.config_len = CONFIG_LEN,
	.config_read = config_read,
	.kick = kick,
	.reset = reset,
};

static int setup(void **state)
{
	(void)state;
	driver_init(&d);
	virtio_dev_init(&dev, &model, &d.mem, driver_irq(&d), F_OWN);
	d.dev = &dev;
	mmio_init(&d.mmio, &dev);
	n_reset = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	driver_fini(&d);
	return 0;
}

static uint64_t errors(void)
{
	uint64_t n = dev.n_guest_errors;

	dev.n_guest_errors = 0;
	return n;
}

static void identity(void **state)
{
	(void)state;
	assert_int_equal(driver_get(&d, 0x000), 0x74726976);
	assert_int_equal(driver_get(&d, 0x004), 2);
	assert_int_equal(driver_get(&d, 0x008), 42);
	assert_int_not_equal(driver_get(&d, 0x00c), 0);
	assert_int_equal(driver_get(&d, 0x0fc), 0);
	for (uint64_t reg = 0x0b0; reg <= 0x0bc; reg += 4)
		assert_int_equal(driver_get(&d, reg), UINT32_MAX);
	driver_set(&d, 0x0ac, 7); /* SHMSel */
	assert_int_equal(driver_get(&d, 0x0b0), UINT32_MAX);
	assert_int_equal(errors(), 0);
}

static void features(void **state)
{
	uint64_t offered;

	(void)state;
	driver_set(&d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	offered = (uint64_t)driver_get(&d, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	driver_set(&d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	offered |= driver_get(&d, VIRTIO_MMIO_DEVICE_FEATURES);
	assert_int_equal(offered, F_OWN | F_BASE | F_RING);
	driver_set(&d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_DEVICE_FEATURES), 0);
	driver_set(&d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, UINT32_MAX);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_DEVICE_FEATURES), 0);
}

static void features_ok_only_for_what_is_offered(void **state)
{
	const uint64_t good[] = { F_BASE, F_BASE | F_INDIRECT, F_BASE | F_OWN,
				  F_BASE | F_OWN | F_RING };
	const uint64_t bad[] = { 0,	     F_OWN,
				 F_BASE | 1, F_BASE | 1ull << 63,
				 UINT64_MAX, F_BASE | 1ull << VIRTIO_F_RING_PACKED };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		driver_negotiate(&d, good[i]);
		assert_int_equal(driver_get(&d, VIRTIO_MMIO_STATUS), S_NEGOTIATED);
		assert_int_equal(dev.driver_features, good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		driver_negotiate(&d, bad[i]);
		assert_int_equal(driver_get(&d, VIRTIO_MMIO_STATUS), S_DRIVEN);
		driver_set(&d, VIRTIO_MMIO_STATUS, S_RUNNING); /* not past it either */
		assert_int_equal(driver_get(&d, VIRTIO_MMIO_STATUS), S_DRIVEN);
		assert_false(virtio_dev_active(&dev));
	}
	/* a second try with fewer, without a reset */
	driver_set_features(&d, F_BASE);
	driver_set(&d, VIRTIO_MMIO_STATUS, S_NEGOTIATED);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_STATUS), S_NEGOTIATED);
}

static void features_are_frozen(void **state)
{
	(void)state;
	driver_set_features(&d, F_BASE | F_OWN); /* before DRIVER */
	assert_int_equal(dev.driver_features, 0);
	assert_int_equal(errors(), 2);
	driver_negotiate(&d, F_BASE);
	assert_int_equal(errors(), 0);
	driver_set_features(&d, F_BASE | F_OWN);
	assert_int_equal(dev.driver_features, F_BASE);
	assert_int_equal(errors(), 2);
}

static void features_beyond_64(void **state)
{
	(void)state;
	driver_set(&d, VIRTIO_MMIO_STATUS, 1);
	driver_set(&d, VIRTIO_MMIO_STATUS, 3);
	driver_set(&d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 2);
	driver_set(&d, VIRTIO_MMIO_DRIVER_FEATURES, 0);
	assert_int_equal(errors(), 0);
	driver_set(&d, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	driver_set(&d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, UINT32_MAX);
	driver_set(&d, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	assert_int_equal(errors(), 2);
	assert_int_equal(dev.driver_features, 0);
}

/* From each state that can be reached, every value is written; the same rules, said another way. */
static uint32_t expected_status(uint32_t old, uint32_t value)
{
	static const uint32_t ladder[] = { 0, 1, 3, 11, 15 };
	uint32_t low = value & ~128u;

	if (value == 0)
		return 0;
	if ((old & 128) != 0)
		return old;
	for (size_t i = 0; i < ARRAY_SIZE(ladder); i++) {
		if (low == ladder[i] && low >= old)
			return value;
	}
	return old;
}

static void status_transitions(void **state)
{
	static const uint32_t reachable[] = { 0, 1, 3, 11, 15, 128, 129, 131, 139, 143 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(reachable); i++) {
		for (uint32_t value = 0; value < 512; value++) {
			uint32_t old = reachable[i], now;

			driver_set(&d, VIRTIO_MMIO_STATUS, 0);
			driver_set(&d, VIRTIO_MMIO_STATUS, 1);
			driver_set(&d, VIRTIO_MMIO_STATUS, 3);
			driver_set_features(&d, F_BASE);
			dev.status = old; /* as if its steps had been taken */
			driver_set(&d, VIRTIO_MMIO_STATUS, value);
			now = driver_get(&d, VIRTIO_MMIO_STATUS);
			assert_int_equal(now, expected_status(old, value));
			assert_int_equal(virtio_dev_active(&dev), now == S_RUNNING);
		}
	}
}

static void needs_reset_is_not_the_drivers(void **state)
{
	(void)state;
	driver_start(&d, &dev, F_BASE, 16);
	driver_set(&d, VIRTIO_MMIO_STATUS, S_RUNNING | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_STATUS), S_RUNNING);
	virtio_dev_fail(&dev);
	assert_int_equal(d.n_irqs, 1);
	virtio_dev_fail(&dev); /* told once, counted twice */
	assert_int_equal(d.n_irqs, 1);
	driver_expect_failed(&d);
	driver_set(&d, VIRTIO_MMIO_STATUS, S_RUNNING); /* can't be written away */
	driver_expect_failed(&d);
	driver_set(&d, VIRTIO_MMIO_STATUS, S_RUNNING | VIRTIO_CONFIG_S_NEEDS_RESET);
	driver_expect_failed(&d);
	assert_int_equal(driver_set(&d, VIRTIO_MMIO_STATUS, 0), 0);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_STATUS), 0);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	assert_int_equal(driver_start(&d, &dev, F_BASE, 16), 3);
	assert_true(virtio_dev_active(&dev));
}

static void activation(void **state)
{
	(void)state;
	assert_int_equal(driver_start(&d, &dev, F_BASE | F_INDIRECT, 64), 3);
	assert_int_equal(n_reset, 1);
	assert_int_equal(dev.queues[0].size, 16);
	assert_int_equal(dev.queues[1].size, 64);
	assert_true(dev.queues[0].indirect);
	assert_int_equal(driver_set(&d, VIRTIO_MMIO_STATUS, S_RUNNING), 0); /* not twice */
	assert_int_equal(errors(), 0);
}

static void reset_then_fresh_start(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		driver_start(&d, &dev, i == 1 ? F_BASE | F_INDIRECT : F_BASE, 16);
		assert_int_equal(dev.queues[0].indirect, i == 1);
		dev.queues[0].last_avail = 9;
		dev.queues[0].used_idx = 8;
		virtio_dev_notify(&dev, 0);
		driver_set(&d, VIRTIO_MMIO_STATUS, 0);
		assert_int_equal(driver_get(&d, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
		assert_int_equal(dev.driver_features, 0);
		assert_int_equal(d.mmio.queue_sel, 0);
		assert_int_equal(d.mmio.driver_features_sel, 0);
		for (uint32_t q = 0; q < 2; q++) {
			driver_set(&d, VIRTIO_MMIO_QUEUE_SEL, q);
			assert_int_equal(driver_get(&d, VIRTIO_MMIO_QUEUE_READY), 0);
			assert_int_equal(driver_get(&d, VIRTIO_MMIO_QUEUE_NUM_MAX), q ? 64 : 16);
			assert_int_equal(dev.queues[q].size, 0);
			assert_int_equal(dev.queues[q].desc_gpa, 0);
			assert_int_equal(dev.queues[q].last_avail, 0);
			assert_int_equal(dev.queues[q].used_idx, 0);
		}
	}
}

static void queue_sizes(void **state)
{
	const uint32_t bad[] = { 0, 3, 15, 17, 32, 0x10000, 0x10010, UINT32_MAX };

	(void)state;
	driver_negotiate(&d, F_BASE);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		driver_place(&d, 0, bad[i], 0x1000, 0x2000, 0x3000);
		assert_int_equal(driver_get(&d, VIRTIO_MMIO_QUEUE_READY), 0);
		assert_int_equal(errors(), 1);
	}
	driver_place(&d, 0, 16, 0x1000, 0x2000, 0x3000);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_QUEUE_READY), 1);
	driver_place(&d, 1, 1, 0x4000, 0x5000, HIGH_GPA);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_QUEUE_READY), 1);
	assert_int_equal(errors(), 0);
}

static void failed_activation_then_right(void **state)
{
	(void)state;
	driver_negotiate(&d, F_BASE);
	driver_place(&d, 0, 16, HOLE_GPA, 0x2000, 0x3000);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_int_equal(driver_set(&d, VIRTIO_MMIO_STATUS, S_RUNNING), 0); /* no queue to serve */
	driver_negotiate(&d, F_BASE);
	driver_place(&d, 0, 16, 0x1000, 0x2000, 0x3000);
	assert_int_equal(driver_set(&d, VIRTIO_MMIO_STATUS, S_RUNNING), 1);
}

/* All of a queue's registers with values of no sense; none may change anything. */
static void scribble(void)
{
	static const uint64_t regs[] = {
		VIRTIO_MMIO_QUEUE_NUM,	     VIRTIO_MMIO_QUEUE_READY,
		VIRTIO_MMIO_QUEUE_DESC_LOW,  VIRTIO_MMIO_QUEUE_DESC_HIGH,
		VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
		VIRTIO_MMIO_QUEUE_USED_LOW,  VIRTIO_MMIO_QUEUE_USED_HIGH,
	};

	for (size_t i = 0; i < ARRAY_SIZE(regs); i++)
		assert_int_equal(driver_set(&d, regs[i], 0x10), 0);
	assert_int_equal(errors(), ARRAY_SIZE(regs));
}

static void queues_change_only_while_set_up(void **state)
{
	struct virtq before;

	(void)state;
	before = dev.queues[0];
	scribble(); /* before FEATURES_OK */
	assert_memory_equal(&before, &dev.queues[0], sizeof(before));

	driver_negotiate(&d, F_BASE);
	driver_place(&d, 0, 16, 0x1000, 0x2000, 0x3000);
	before = dev.queues[0];
	scribble(); /* ready */
	assert_memory_equal(&before, &dev.queues[0], sizeof(before));
	driver_set(&d, VIRTIO_MMIO_QUEUE_READY, 0); /* may be taken back before DRIVER_OK */
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_QUEUE_READY), 0);
	driver_set(&d, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_QUEUE_READY), 1);

	driver_set(&d, VIRTIO_MMIO_STATUS, S_RUNNING);
	before = dev.queues[0];
	scribble(); /* DRIVER_OK */
	driver_set(&d, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(errors(), 1);
	assert_memory_equal(&before, &dev.queues[0], sizeof(before));
	driver_set(&d, VIRTIO_MMIO_QUEUE_SEL, 1); /* and one that isn't ready */
	before = dev.queues[1];
	scribble();
	assert_memory_equal(&before, &dev.queues[1], sizeof(before));

	virtio_dev_fail(&dev);
	errors();
	scribble(); /* DEVICE_NEEDS_RESET */
	assert_memory_equal(&before, &dev.queues[1], sizeof(before));
}

static void queue_sel_out_of_range(void **state)
{
	static const uint32_t sels[] = { 2, 3, 0x7fffffff, UINT32_MAX };

	(void)state;
	driver_negotiate(&d, F_BASE);
	for (size_t i = 0; i < ARRAY_SIZE(sels); i++) {
		struct virtio_dev before = dev;

		driver_set(&d, VIRTIO_MMIO_QUEUE_SEL, sels[i]);
		assert_int_equal(driver_get(&d, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
		assert_int_equal(driver_get(&d, VIRTIO_MMIO_QUEUE_READY), 0);
		assert_int_equal(errors(), 0);
		scribble();
		assert_memory_equal(&before, &dev, sizeof(dev));
	}
}

static void notify(void **state)
{
	(void)state;
	assert_int_equal(driver_set(&d, VIRTIO_MMIO_QUEUE_NOTIFY, 0), 0); /* not active */
	assert_int_equal(errors(), 0);
	driver_start(&d, &dev, F_BASE, 16);
	assert_int_equal(driver_set(&d, VIRTIO_MMIO_QUEUE_NOTIFY, 0), 1);
	assert_int_equal(driver_set(&d, VIRTIO_MMIO_QUEUE_NOTIFY, 1), 2);
	assert_int_equal(driver_set(&d, VIRTIO_MMIO_QUEUE_NOTIFY, 2), 0);
	assert_int_equal(driver_set(&d, VIRTIO_MMIO_QUEUE_NOTIFY, 32), 0);
	assert_int_equal(driver_set(&d, VIRTIO_MMIO_QUEUE_NOTIFY, UINT32_MAX), 0);
	assert_int_equal(errors(), 3);
	driver_set(&d, VIRTIO_MMIO_STATUS, S_RUNNING | VIRTIO_CONFIG_S_FAILED);
	assert_int_equal(driver_set(&d, VIRTIO_MMIO_QUEUE_NOTIFY, 0), 0);
}

static void interrupts(void **state)
{
	(void)state;
	driver_start(&d, &dev, F_BASE, 16);
	virtq_push(&dev.queues[1], &d.mem, 0, 0);
	virtio_dev_notify(&dev, 1);
	virtio_dev_fail(&dev);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_INTERRUPT_STATUS), 3);
	driver_set(&d, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
	driver_set(&d, VIRTIO_MMIO_INTERRUPT_ACK, UINT32_MAX);
	assert_int_equal(driver_get(&d, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	assert_int_equal(d.n_irqs, 2);
}

static void config_space(void **state)
{
	char data[8];

	(void)state;
	for (uint32_t offset = 0; offset < 24; offset++) {
		for (uint32_t len = 1; len <= 8; len++) {
			bool width = len == 1 || len == 2 || len == 4 || len == 8;
			bool ok = width && offset + len <= CONFIG_LEN;
			char zero[8] = "";

			memset(data, 'x', sizeof(data));
			mmio_read(&d.mmio, 0x100 + offset, data, len);
			assert_memory_equal(data, ok ? &"ABCDEFGHIJ"[offset] : zero, len);
			assert_int_equal(errors(), !ok);
			for (uint32_t i = len; i < 8; i++)
				assert_int_equal(data[i], 'x');
			mmio_write(&d.mmio, 0x100 + offset, "........", len);
			assert_int_equal(errors(), 1);
		}
	}
	mmio_read(&d.mmio, UINT64_MAX, data, 8);
	mmio_read(&d.mmio, 0x100ull + UINT32_MAX, data, 4);
	assert_int_equal(errors(), 2);
}

/* Only aligned 32 bits count, at each place of the page, in each state. */
static void every_register_at_every_width(void **state)
{
	static const uint32_t widths[] = { 1, 2, 4, 8 };
	static const uint64_t states[] = { 0, S_DRIVEN, S_RUNNING };

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(states); s++) {
		driver_start(&d, &dev, F_BASE, 16);
		dev.status = (uint32_t)states[s];
		for (uint64_t offset = 0; offset < 0x100; offset++) {
			for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
				struct virtio_dev before = dev;
				uint8_t data[8], zero[8] = { 0 };

				if (widths[w] == 4 && offset % 4 == 0)
					continue;
				memset(data, 0xff, sizeof(data));
				before.n_guest_errors += 2;
				assert_int_equal(mmio_write(&d.mmio, offset, data, widths[w]), 0);
				mmio_read(&d.mmio, offset, data, widths[w]);
				assert_memory_equal(data, zero, widths[w]);
				assert_memory_equal(&before, &dev, sizeof(dev));
			}
		}
	}
}

static void unknown_and_one_way_registers(void **state)
{
	static const uint64_t write_only[] = { 0x14, 0x20, 0x24, 0x30, 0x38, 0x50, 0x64,
					       0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0xac };
	static const uint64_t unknown[] = { 0x28, 0x3c, 0x40, 0x48, 0xc0, 0xc4, 0xf8 };
	static const uint64_t read_only[] = {
		0x00, 0x04, 0x08, 0x0c, 0x10, 0x34, 0x60, 0xb0, 0xfc
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(write_only); i++)
		assert_int_equal(driver_get(&d, write_only[i]), 0);
	assert_int_equal(errors(), ARRAY_SIZE(write_only));
	driver_negotiate(&d, F_BASE);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		assert_int_equal(driver_get(&d, unknown[i]), 0);
		driver_set(&d, unknown[i], 1);
	}
	assert_int_equal(errors(), 2 * ARRAY_SIZE(unknown));
	for (size_t i = 0; i < ARRAY_SIZE(read_only); i++) {
		struct virtio_dev before = dev;

		driver_set(&d, read_only[i], 1);
		assert_int_equal(errors(), 1);
		assert_memory_equal(&before, &dev, sizeof(dev));
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(identity),
		T(features),
		T(features_ok_only_for_what_is_offered),
		T(features_are_frozen),
		T(features_beyond_64),
		T(status_transitions),
		T(needs_reset_is_not_the_drivers),
		T(activation),
		T(reset_then_fresh_start),
		T(queue_sizes),
		T(failed_activation_then_right),
		T(queues_change_only_while_set_up),
		T(queue_sel_out_of_range),
		T(notify),
		T(interrupts),
		T(config_space),
		T(every_register_at_every_width),
		T(unknown_and_one_way_registers),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("mmio", tests, NULL, NULL);
}
