/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Ports and addresses where nothing is, at every width: reads give ones, writes do nothing, and it lives on. */
#include "tests/kvm/guest/guest.h"

#include <linux/virtio_mmio.h>

static uint32_t in(uint16_t port, uint32_t width)
{
	uint32_t value = 0;

	if (width == 1)
		__asm__ volatile("inb %%dx, %%al" : "+a"(value) : "d"(port));
	else if (width == 2)
		__asm__ volatile("inw %%dx, %%ax" : "+a"(value) : "d"(port));
	else
		__asm__ volatile("inl %%dx, %%eax" : "+a"(value) : "d"(port));
	return value;
}

static void out(uint16_t port, uint32_t width, uint32_t value)
{
	if (width == 1)
		__asm__ volatile("outb %%al, %%dx" : : "a"(value), "d"(port));
	else if (width == 2)
		__asm__ volatile("outw %%ax, %%dx" : : "a"(value), "d"(port));
	else
		__asm__ volatile("outl %%eax, %%dx" : : "a"(value), "d"(port));
}

static void check_ports(void)
{
	static const uint16_t ports[] = { 0x3f5, 0x3f8, 0x60, 0x64, 0xcf8, 0x80, 0xfffc };
	bool ok = true;

	for (uint32_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		for (uint32_t width = 1; width <= 4; width *= 2) {
			out(ports[i], width, 0xa5a5a5a5);
			ok = ok && in(ports[i], width) == 0xffffffffu >> (32 - 8 * width);
		}
	}
	guest_check(ok, "unknown ports");
}

static void check_string_port(void)
{
	uint8_t bytes[16] = { 0 };
	void *p = bytes;
	uint32_t n = sizeof(bytes);
	bool ok = true;

	__asm__ volatile("rep insb" : "+D"(p), "+c"(n) : "d"(0x3f5) : "memory");
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		ok = ok && bytes[i] == 0xff;
	guest_check(ok, "string input");
}

static bool memory_is_absent(uint32_t address)
{
	uint8_t b;
	uint16_t w;

	__asm__ volatile("movb $1, (%0)" : : "r"(address) : "memory");
	__asm__ volatile("movw $1, (%0)" : : "r"(address) : "memory");
	__asm__ volatile("movl $1, (%0)" : : "r"(address) : "memory");
	__asm__ volatile("movb (%1), %0" : "=q"(b) : "r"(address) : "memory");
	__asm__ volatile("movw (%1), %0" : "=r"(w) : "r"(address) : "memory");
	return b == 0xff && w == 0xffff && guest_read(address, 0) == 0xffffffff;
}

static void check_memory(void)
{
	guest_check(memory_is_absent(0x40000000), "behind RAM");
	guest_check(memory_is_absent(0xc0000000), "start of the hole");
	guest_check(memory_is_absent(guest_window(SLOT_NET)), "window without a device");
	guest_check(memory_is_absent(guest_window(SLOT_RNG) + 0x1000), "behind the last window");
	guest_check(memory_is_absent(0xfffffff8), "end of the hole");
}

/* Odd accesses to a device that is there: it lives, and works afterwards. */
static void poke_device(void)
{
	const uint32_t w = guest_window(SLOT_CONSOLE);
	uint8_t b;

	for (uint32_t offset = 0; offset < 0x110; offset += 3) {
		__asm__ volatile("movb (%1), %0" : "=q"(b) : "r"(w + offset) : "memory");
		if (offset < VIRTIO_MMIO_STATUS || offset > VIRTIO_MMIO_STATUS + 3)
			__asm__ volatile("movw %w0, (%1)"
					 :
					 : "r"(0xffff), "r"(w + offset)
					 : "memory");
	}
	guest_write(w, VIRTIO_MMIO_QUEUE_NOTIFY, 77); /* no such queue */
	guest_write(w, 0xffc, 1);
	(void)guest_read(w, 0xffc);
	guest_check((guest_status(SLOT_CONSOLE) & 64) == 0, "odd accesses to a device");
}

void guest_main(void)
{
	guest_console_start();
	check_ports();
	check_string_port();
	check_memory();
	poke_device();
	guest_print("end\n");
}
