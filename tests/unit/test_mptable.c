/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* The table as a kernel reads it: by offsets of the MultiProcessor Specification 1.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/proto/launch.h"
#include "vmm/boot/mptable.h"

static uint8_t table[LAYOUT_MPTABLE_SIZE];

static uint32_t get(size_t offset, size_t len)
{
	uint32_t value = 0;

	assert_true(offset + len <= sizeof(table));
	memcpy(&value, table + offset, len);
	return value;
}

static uint8_t sum(size_t offset, size_t len)
{
	uint8_t total = 0;

	for (size_t i = 0; i < len; i++)
		total = (uint8_t)(total + table[offset + i]);
	return total;
}

/* What the entries say. */
struct seen {
	uint32_t n_entries, n_cpus, n_boot_cpus, n_buses, n_ioapics, n_lints, ioapic_id;
	uint32_t apic_ids; /* bit n: a CPU with id n */
	uint32_t pins;	   /* bit n: ISA line n goes to IOAPIC pin n, edge-triggered */
};

static size_t read_entry(struct seen *seen, size_t at)
{
	seen->n_entries++;
	switch (table[at]) {
	case 0:
		seen->n_cpus++;
		seen->apic_ids |= 1u << table[at + 1];
		assert_int_equal(table[at + 3] & 1, 1); /* enabled */
		seen->n_boot_cpus += (table[at + 3] & 2) != 0;
		return 20;
	case 1:
		seen->n_buses++;
		assert_memory_equal(table + at + 2, "ISA   ", 6);
		return 8;
	case 2:
		seen->n_ioapics++;
		seen->ioapic_id = table[at + 1];
		assert_int_equal(table[at + 3] & 1, 1);
		assert_int_equal(get(at + 4, 4), 0xfec00000);
		return 8;
	case 3:
		assert_int_equal(table[at + 1], 0);  /* INT */
		assert_int_equal(get(at + 2, 2), 0); /* as the bus: edge, active high */
		assert_int_equal(table[at + 6], seen->ioapic_id);
		assert_int_equal(table[at + 5], table[at + 7]);
		seen->pins |= 1u << table[at + 7];
		return 8;
	case 4:
		seen->n_lints++;
		return 8;
	default:
		fail_msg("unknown entry %u", table[at]);
		return sizeof(table);
	}
}

static struct seen read_table(uint32_t n_vcpus, uint32_t lines)
{
	struct seen seen = { 0 };
	size_t at = 16 + 44;
	size_t end;

	mptable_build(table, n_vcpus, lines);
	assert_memory_equal(table, "_MP_", 4);
	assert_int_equal(get(4, 4), LAYOUT_MPTABLE + 16);
	assert_int_equal(table[8], 1); /* its own length, in 16 bytes */
	assert_int_equal(sum(0, 16), 0);
	assert_int_equal(table[11], 0); /* there is a table, not a default configuration */
	assert_memory_equal(table + 16, "PCMP", 4);
	assert_int_equal(get(16 + 36, 4), 0xfee00000);
	end = 16 + get(16 + 4, 2);
	assert_int_equal(sum(16, end - 16), 0);
	while (at < end)
		at += read_entry(&seen, at);
	assert_int_equal(at, end);
	assert_int_equal(seen.n_entries, get(16 + 34, 2));
	for (; at < sizeof(table); at++)
		assert_int_equal(table[at], 0);
	return seen;
}

static void check(uint32_t n_vcpus, uint32_t lines)
{
	const struct seen seen = read_table(n_vcpus, lines);

	assert_int_equal(seen.n_cpus, n_vcpus);
	assert_int_equal(seen.n_boot_cpus, 1);
	assert_int_equal(seen.apic_ids, (1u << n_vcpus) - 1);
	assert_int_equal(seen.n_buses, 1);
	assert_int_equal(seen.n_ioapics, 1);
	assert_true(seen.ioapic_id >= n_vcpus);
	assert_int_equal(seen.pins, lines & 0xffffe0); /* 5 to 23 are virtio's */
	assert_int_equal(seen.n_lints, 2);
}

static void one_vcpu(void **state)
{
	(void)state;
	check(1, 0);
	check(1, 1u << 5 | 1u << 12 | 1u << 23);
	check(1, ~0u); /* those below 5 and above 23 don't get in */
}

static void each_number_of_vcpus(void **state)
{
	(void)state;
	for (uint32_t n_vcpus = 1; n_vcpus <= LAUNCH_MAX_VCPUS; n_vcpus++)
		check(n_vcpus, 0xffffe0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_vcpu),
		cmocka_unit_test(each_number_of_vcpus),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
