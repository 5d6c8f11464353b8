/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/boot/mptable.h"

#include <assert.h>
#include <string.h>

#include "base/bug.h"

enum mptable_entry {
	MPTABLE_CPU = 0,
	MPTABLE_BUS = 1,
	MPTABLE_IOAPIC = 2,
	MPTABLE_IRQ = 3,
	MPTABLE_LINT = 4
};
enum mptable_irq_type { MPTABLE_INT = 0, MPTABLE_NMI = 1, MPTABLE_EXTINT = 3 };

#define MPTABLE_APIC_VERSION 0x14
#define MPTABLE_CPU_ENABLED  0x01
#define MPTABLE_CPU_BOOT     0x02
#define MPTABLE_ISA_BUS	     0
#define MPTABLE_ALL_APICS    0xff

struct mptable_pointer { /* §4.1 */
	char signature[4];
	uint32_t table_gpa;
	uint8_t length; /* in 16 bytes */
	uint8_t revision;
	uint8_t checksum;
	uint8_t features[5];
};

struct mptable_header { /* §4.2 */
	char signature[4];
	uint16_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[8];
	char product[12];
	uint32_t oem_table;
	uint16_t oem_table_size;
	uint16_t n_entries;
	uint32_t lapic_gpa;
	uint16_t extended_length;
	uint8_t extended_checksum;
	uint8_t reserved;
};

struct mptable_cpu { /* §4.3.1 */
	uint8_t type, apic_id, apic_version, flags;
	uint32_t signature, features;
	uint32_t reserved[2];
};

struct mptable_bus { /* §4.3.2 */
	uint8_t type, id;
	char name[6];
};

struct mptable_ioapic { /* §4.3.3 */
	uint8_t type, id, version, flags;
	uint32_t gpa;
};

struct mptable_irq { /* §4.3.4 and §4.3.5; flags 0: polarity and trigger as the bus has them */
	uint8_t type, irq_type;
	uint16_t flags;
	uint8_t bus, bus_irq, apic_id, pin;
};

static_assert(sizeof(struct mptable_pointer) == 16, "ABI");
static_assert(sizeof(struct mptable_header) == 44, "ABI");
static_assert(sizeof(struct mptable_cpu) == 20, "ABI");
static_assert(sizeof(struct mptable_bus) == 8, "ABI");
static_assert(sizeof(struct mptable_ioapic) == 8, "ABI");
static_assert(sizeof(struct mptable_irq) == 8, "ABI");

/* The table while it grows. */
struct mptable {
	uint8_t *out;
	uint32_t len; /* in use, of LAYOUT_MPTABLE_SIZE */
	uint16_t n_entries;
};

static void mptable_add(struct mptable *table, const void *entry, uint32_t len)
{
	BUG_ON(len > LAYOUT_MPTABLE_SIZE - table->len);
	memcpy(table->out + table->len, entry, len);
	table->len += len;
	table->n_entries++;
}

static void mptable_add_irq(struct mptable *table, uint8_t type, uint8_t irq_type, uint8_t bus_irq,
			    uint8_t apic_id, uint8_t pin)
{
	const struct mptable_irq irq = { .type = type,
					 .irq_type = irq_type,
					 .bus = MPTABLE_ISA_BUS,
					 .bus_irq = bus_irq,
					 .apic_id = apic_id,
					 .pin = pin };

	mptable_add(table, &irq, sizeof(irq));
}

static uint8_t mptable_checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	while (len-- > 0)
		sum += *p++;
	return (uint8_t)(0x100u - (sum & 0xff));
}

static void mptable_add_entries(struct mptable *table, uint32_t n_vcpus, uint32_t lines)
{
	const struct mptable_bus bus = { MPTABLE_BUS, MPTABLE_ISA_BUS, "ISA   " };
	const struct mptable_ioapic ioapic = { MPTABLE_IOAPIC, (uint8_t)n_vcpus, 0x11,
					       MPTABLE_CPU_ENABLED, LAYOUT_IOAPIC };

	for (uint32_t i = 0; i < n_vcpus; i++) {
		const struct mptable_cpu cpu = {
			.type = MPTABLE_CPU,
			.apic_id = (uint8_t)i,
			.apic_version = MPTABLE_APIC_VERSION,
			.flags = MPTABLE_CPU_ENABLED | (i == 0 ? MPTABLE_CPU_BOOT : 0),
			.signature = 0x600, /* family 6; kernels ask CPUID instead */
			.features = 0x201,  /* FPU, APIC */
		};

		mptable_add(table, &cpu, sizeof(cpu));
	}
	mptable_add(table, &bus, sizeof(bus));
	mptable_add(table, &ioapic, sizeof(ioapic));
	for (uint8_t gsi = LAYOUT_FIRST_GSI; gsi <= LAYOUT_LAST_GSI; gsi++) {
		if ((lines >> gsi & 1) == 0)
			continue;
		mptable_add_irq(table, MPTABLE_IRQ, MPTABLE_INT, gsi, ioapic.id, gsi);
	}
	mptable_add_irq(table, MPTABLE_LINT, MPTABLE_EXTINT, 0, 0, 0);
	mptable_add_irq(table, MPTABLE_LINT, MPTABLE_NMI, 0, MPTABLE_ALL_APICS, 1);
}

void mptable_build(uint8_t out[LAYOUT_MPTABLE_SIZE], uint32_t n_vcpus, uint32_t lines)
{
	struct mptable_pointer pointer = { .signature = "_MP_",
					   .length = 1,
					   .revision = 4,
					   .table_gpa = LAYOUT_MPTABLE + sizeof(pointer) };
	struct mptable_header header = { .signature = "PCMP",
					 .revision = 4,
					 .oem = "MAYFLY  ",
					 .product = "MICROVM     ",
					 .lapic_gpa = LAYOUT_LAPIC };
	struct mptable table = { out, sizeof(pointer) + sizeof(header), 0 };

	memset(out, 0, LAYOUT_MPTABLE_SIZE);
	mptable_add_entries(&table, n_vcpus, lines);
	header.length = (uint16_t)(table.len - sizeof(pointer));
	header.n_entries = table.n_entries;
	memcpy(out + sizeof(pointer), &header, sizeof(header));
	header.checksum = mptable_checksum(out + sizeof(pointer), header.length);
	memcpy(out + sizeof(pointer), &header, sizeof(header));
	pointer.checksum = mptable_checksum(&pointer, sizeof(pointer));
	memcpy(out, &pointer, sizeof(pointer));
}
