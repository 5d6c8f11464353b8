/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "tests/kvm/guest/guest.h"

#include <linux/virtio_mmio.h>

#define MMIO_BASE 0xd0000000u
#define FIRST_GSI 5
#define IOAPIC	  0xfec00000u
#define LAPIC	  0xfee00000u
#define VECTOR	  0x40
#define CODE_SEG  0x10

#define DESC_NEXT  1
#define DESC_WRITE 2

#define NEEDS_RESET 64

/* Of the time stamp counter's: most of a minute. The host's threads may have other work than this guest's. */
#define PATIENCE (1ull << 37)
#define SPINS	 1000u /* between two looks at it */

static struct guest_queue console_rx, console_tx;
extern uint32_t guest_n_irqs;
uint32_t guest_n_irqs; /* counted by the handler in start.S */

uint32_t guest_read(uint32_t window, uint32_t offset)
{
	uint32_t value;

	__asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(window + offset) : "memory");
	return value;
}

void guest_write(uint32_t window, uint32_t offset, uint32_t value)
{
	__asm__ volatile("movl %0, (%1)" : : "r"(value), "r"(window + offset) : "memory");
}

uint32_t guest_window(enum guest_slot slot)
{
	return MMIO_BASE + (uint32_t)slot * 0x1000;
}

uint32_t guest_status(enum guest_slot slot)
{
	return guest_read(guest_window(slot), VIRTIO_MMIO_STATUS);
}

bool guest_device_start(enum guest_slot slot, uint32_t device_id, uint32_t features)
{
	const uint32_t w = guest_window(slot);

	if (guest_read(w, VIRTIO_MMIO_MAGIC_VALUE) != 0x74726976 ||
	    guest_read(w, VIRTIO_MMIO_VERSION) != 2 ||
	    guest_read(w, VIRTIO_MMIO_DEVICE_ID) != device_id)
		return false;
	guest_write(w, VIRTIO_MMIO_STATUS, 0);
	guest_write(w, VIRTIO_MMIO_STATUS, 1);
	guest_write(w, VIRTIO_MMIO_STATUS, 3);
	guest_write(w, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	guest_write(w, VIRTIO_MMIO_DRIVER_FEATURES, features);
	guest_write(w, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	guest_write(w, VIRTIO_MMIO_DRIVER_FEATURES, 1); /* VERSION_1 */
	guest_write(w, VIRTIO_MMIO_STATUS, 3 | 8);
	return guest_status(slot) == (3 | 8);
}

void guest_device_go(enum guest_slot slot)
{
	guest_write(guest_window(slot), VIRTIO_MMIO_STATUS, 3 | 8 | 4);
}

void guest_queue_start(enum guest_slot slot, uint32_t index, struct guest_queue *q)
{
	const uint32_t w = guest_window(slot);

	q->window = w;
	q->index = index;
	guest_write(w, VIRTIO_MMIO_QUEUE_SEL, index);
	guest_write(w, VIRTIO_MMIO_QUEUE_NUM, GUEST_RING);
	guest_write(w, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)&q->desc);
	guest_write(w, VIRTIO_MMIO_QUEUE_DESC_HIGH, 0);
	guest_write(w, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)&q->avail);
	guest_write(w, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 0);
	guest_write(w, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)&q->used);
	guest_write(w, VIRTIO_MMIO_QUEUE_USED_HIGH, 0);
	guest_write(w, VIRTIO_MMIO_QUEUE_READY, 1);
}

void guest_queue_add(struct guest_queue *q, const void *buf, uint32_t len, bool writable)
{
	struct guest_desc *desc = &q->desc[q->n_desc];

	if (q->n_desc > 0) {
		desc[-1].flags |= DESC_NEXT;
		desc[-1].next = q->n_desc;
	}
	desc->addr = (uint32_t)buf;
	desc->len = len;
	desc->flags = writable ? DESC_WRITE : 0;
	q->n_desc++;
}

void guest_queue_again(struct guest_queue *q)
{
	q->avail.ring[q->avail.idx % GUEST_RING] = 0;
	__atomic_store_n(&q->avail.idx, (uint16_t)(q->avail.idx + 1), __ATOMIC_SEQ_CST);
	guest_write(q->window, VIRTIO_MMIO_QUEUE_NOTIFY, q->index);
}

void guest_queue_offer(struct guest_queue *q)
{
	q->n_desc = 0;
	guest_queue_again(q);
}

static uint64_t now(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

int32_t guest_queue_wait(struct guest_queue *q)
{
	const uint64_t begun = now();

	do {
		for (uint32_t i = 0; i < SPINS; i++) {
			if (__atomic_load_n(&q->used.idx, __ATOMIC_ACQUIRE) != q->seen)
				return (int32_t)q->used.ring[q->seen++ % GUEST_RING].len;
			__asm__ volatile("pause");
		}
	} while (now() - begun < PATIENCE);
	return -1;
}

bool guest_stops(enum guest_slot slot)
{
	const uint64_t begun = now();

	do {
		if (guest_status(slot) & NEEDS_RESET)
			return true;
	} while (now() - begun < PATIENCE);
	return false;
}

void guest_console_start(void)
{
	if (!guest_device_start(SLOT_CONSOLE, 3, 0))
		guest_end();
	guest_queue_start(SLOT_CONSOLE, 0, &console_rx);
	guest_queue_start(SLOT_CONSOLE, 1, &console_tx);
	guest_device_go(SLOT_CONSOLE);
}

void guest_print_bytes(const void *bytes, uint32_t len)
{
	guest_queue_add(&console_tx, bytes, len, false);
	guest_queue_offer(&console_tx);
	if (guest_queue_wait(&console_tx) < 0)
		guest_end();
}

uint32_t guest_strlen(const char *text)
{
	uint32_t n = 0;

	while (text[n] != '\0')
		n++;
	return n;
}

void guest_print(const char *text)
{
	guest_print_bytes(text, guest_strlen(text));
}

void guest_check(bool ok, const char *what)
{
	const char *verdict = ok ? "ok " : "BAD ";

	guest_queue_add(&console_tx, verdict, guest_strlen(verdict), false);
	guest_queue_add(&console_tx, what, guest_strlen(what), false);
	guest_queue_add(&console_tx, "\n", 1, false);
	guest_queue_offer(&console_tx);
	if (guest_queue_wait(&console_tx) < 0)
		guest_end();
}

static void ioapic_write(uint32_t reg, uint32_t value)
{
	guest_write(IOAPIC, 0, reg);
	guest_write(IOAPIC, 0x10, value);
}

void guest_irq_start(enum guest_slot slot)
{
	extern void guest_irq_entry(void);
	static uint64_t idt[VECTOR + 1];
	static struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, 0 };
	const uint32_t entry = (uint32_t)guest_irq_entry;
	const uint32_t pin = FIRST_GSI + (uint32_t)slot;

	idt[VECTOR] = (uint64_t)(entry & 0xffff0000) << 32 | 0x8e00ull << 32 | CODE_SEG << 16 |
		      (entry & 0xffff);
	pointer.base = (uint32_t)idt;
	__asm__ volatile("lidt %0" : : "m"(pointer));
	/* the PIC, which nobody has set up, would deliver the line too */
	__asm__ volatile("outb %b0, $0x21; outb %b0, $0xa1" : : "a"(0xff));
	guest_write(LAPIC, 0xf0, 0x1ff); /* on; spurious vector 0xff */
	ioapic_write(0x10 + 2 * pin + 1, 0);
	ioapic_write(0x10 + 2 * pin, VECTOR); /* fixed, edge, active high, to APIC 0 */
}

void guest_irq_wait(void)
{
	while (__atomic_load_n(&guest_n_irqs, __ATOMIC_SEQ_CST) == 0)
		__asm__ volatile("sti; hlt; cli" : : : "eax", "memory");
}

int32_t guest_queue_sleep(struct guest_queue *q)
{
	/* interrupts are off but for the HLT: none can come between the look and the sleep */
	while (__atomic_load_n(&q->used.idx, __ATOMIC_ACQUIRE) == q->seen) {
		__atomic_store_n(&guest_n_irqs, 0, __ATOMIC_SEQ_CST);
		guest_irq_wait();
		guest_write(q->window, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	}
	return guest_queue_wait(q);
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return dst;
}

void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n) : : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;

	for (; n > 0; n--, p++, q++) {
		if (*p != *q)
			return *p < *q ? -1 : 1;
	}
	return 0;
}
