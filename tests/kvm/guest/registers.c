/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Every register of every device, read and written at every offset at 1, 2, 4 and 8 bytes: nothing is read but what
 * virtio 1.2 §4.2.2 says, nothing is changed that may not be, and each device starts afterwards.
 */
#include "tests/kvm/guest/guest.h"

#include <linux/virtio_mmio.h>

#define NONE   0xffffffffu
#define WINDOW 0x1000u

static const struct {
	enum guest_slot slot;
	uint32_t device_id;
	uint32_t features; /* that its driver must take */
	uint32_t n_queues;
	uint32_t config_len;
	const char *name;
} devices[] = {
	{ SLOT_DISK0, 2, 0, 1, 60, "disk" },	    { SLOT_DISK1, 2, 0, 1, 60, "read-only disk" },
	{ SLOT_NET, 1, NET_FEATURES, 2, 6, "net" }, { SLOT_VSOCK, 19, 0, 3, 8, "vsock" },
	{ SLOT_CONSOLE, 3, 0, 2, 0, "console" },    { SLOT_RNG, 4, 0, 1, 0, "rng" },
	{ SLOT_BALLOON, 5, 0, 3, 8, "balloon" },
};
#define N_DEVICES (sizeof(devices) / sizeof(devices[0]))

static const char *wrong[N_DEVICES]; /* NULL: nothing */
static uint32_t wrong_offset[N_DEVICES];

/* ---- accesses ---- */

static uint64_t read_at(uint32_t address, uint32_t width)
{
	uint32_t value = 0;
	uint64_t wide;

	if (width == 1)
		__asm__ volatile("movzbl (%1), %0" : "=r"(value) : "r"(address) : "memory");
	else if (width == 2)
		__asm__ volatile("movzwl (%1), %0" : "=r"(value) : "r"(address) : "memory");
	else if (width == 4)
		__asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(address) : "memory");
	else
		__asm__ volatile("movq (%1), %%mm0; movq %%mm0, %0"
				 : "=m"(wide)
				 : "r"(address)
				 : "memory");
	return width == 8 ? wide : value;
}

static void write_at(uint32_t address, uint32_t width, uint32_t half)
{
	uint64_t wide = (uint64_t)half << 32 | half;

	if (width == 1)
		__asm__ volatile("movb %b0, (%1)" : : "q"(half), "r"(address) : "memory");
	else if (width == 2)
		__asm__ volatile("movw %w0, (%1)" : : "r"(half), "r"(address) : "memory");
	else if (width == 4)
		__asm__ volatile("movl %0, (%1)" : : "r"(half), "r"(address) : "memory");
	else
		__asm__ volatile("movq %0, %%mm0; movq %%mm0, (%1)"
				 :
				 : "m"(wide), "r"(address)
				 : "memory");
}

/* ---- what they must show ---- */

static void note(uint32_t i, uint32_t offset, const char *what)
{
	if (wrong[i])
		return;
	wrong[i] = what;
	wrong_offset[i] = offset;
}

/* A control register read as it should be, while the device is reset and queue and features 0 are selected. */
static bool control_ok(uint32_t i, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return value == 0x74726976;
	case VIRTIO_MMIO_VERSION:
		return value == 2;
	case VIRTIO_MMIO_DEVICE_ID:
		return value == devices[i].device_id;
	case VIRTIO_MMIO_VENDOR_ID:
		return value == 0x594c464d;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return (value & (1u << 28 | 1u << 29)) == (1u << 28 | 1u << 29); /* rings */
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return value != 0 && (value & (value - 1)) == 0;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return value == NONE;
	default:
		return value == 0;
	}
}

/* Config space, read byte by byte before; beyond its end: zero. */
static bool config_ok(uint32_t i, uint32_t offset, uint32_t width, uint64_t value)
{
	uint32_t w = guest_window(devices[i].slot) + VIRTIO_MMIO_CONFIG;
	uint64_t bytes = 0;

	if (offset + width <= devices[i].config_len) {
		for (uint32_t k = 0; k < width; k++)
			bytes |= read_at(w + offset + k, 1) << (8 * k);
	}
	return value == bytes;
}

static void read_all(uint32_t i)
{
	uint32_t w = guest_window(devices[i].slot);

	for (uint32_t width = 1; width <= 8; width *= 2) {
		for (uint32_t offset = 0; offset < VIRTIO_MMIO_CONFIG; offset++) {
			uint64_t value = read_at(w + offset, width);

			if (width == 4 && offset % 4 == 0 ? !control_ok(i, offset, (uint32_t)value)
							  : value != 0)
				note(i, offset, "a control register reads wrong");
		}
		for (uint32_t offset = 0; offset < devices[i].config_len + 16; offset++) {
			if (!config_ok(i, offset, width,
				       read_at(w + VIRTIO_MMIO_CONFIG + offset, width)))
				note(i, VIRTIO_MMIO_CONFIG + offset, "config space reads wrong");
		}
		if (read_at(w + WINDOW - width, width) != 0)
			note(i, WINDOW - width, "the window's end reads wrong");
	}
}

static void write_all(uint32_t i, uint32_t value)
{
	uint32_t w = guest_window(devices[i].slot);

	for (uint32_t width = 1; width <= 8; width *= 2) {
		for (uint32_t offset = 0; offset < VIRTIO_MMIO_CONFIG + devices[i].config_len + 16;
		     offset++)
			write_at(w + offset, width, value);
		write_at(w + WINDOW - width, width, value);
	}
	guest_write(w, VIRTIO_MMIO_QUEUE_SEL, 0);
	guest_write(w, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	guest_write(w, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
}

/* Selectors beyond what there is: nothing there, and nothing changes. */
static void select_beyond(uint32_t i)
{
	static const uint32_t beyond[] = { 0, 1, 0x80, 0xffff, 0x10000, 0x80000000, NONE };
	uint32_t w = guest_window(devices[i].slot);

	for (uint32_t k = 0; k < sizeof(beyond) / sizeof(beyond[0]); k++) {
		uint32_t sel = beyond[k] < 2 ? devices[i].n_queues + beyond[k] : beyond[k];

		guest_write(w, VIRTIO_MMIO_QUEUE_SEL, sel);
		for (uint32_t reg = VIRTIO_MMIO_QUEUE_NUM; reg < VIRTIO_MMIO_CONFIG; reg += 4) {
			if (reg != VIRTIO_MMIO_STATUS)
				guest_write(w, reg, 1);
		}
		if (guest_read(w, VIRTIO_MMIO_QUEUE_NUM_MAX) != 0 ||
		    guest_read(w, VIRTIO_MMIO_QUEUE_READY) != 0)
			note(i, VIRTIO_MMIO_QUEUE_SEL, "a queue that isn't there");
		guest_write(w, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2 + beyond[k] % NONE);
		if (beyond[k] != NONE && guest_read(w, VIRTIO_MMIO_DEVICE_FEATURES) != 0)
			note(i, VIRTIO_MMIO_DEVICE_FEATURES, "features beyond bit 63");
	}
	guest_write(w, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	if ((guest_read(w, VIRTIO_MMIO_DEVICE_FEATURES) & 1) == 0)
		note(i, VIRTIO_MMIO_DEVICE_FEATURES, "no VERSION_1");
	guest_write(w, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	guest_write(w, VIRTIO_MMIO_QUEUE_SEL, 0);
}

/* Nothing that is written to a device in use changes its queues; only its status and its selectors are spared. */
static bool works_on(void)
{
	static struct guest_queue q;
	static uint8_t bytes[8];
	uint32_t rng = N_DEVICES - 2;

	guest_queue_start(SLOT_RNG, 0, &q);
	guest_device_go(SLOT_RNG);
	write_all(rng, NONE);
	write_all(rng, 1);
	guest_queue_add(&q, bytes, sizeof(bytes), true);
	guest_queue_offer(&q);
	return guest_queue_wait(&q) == sizeof(bytes) && guest_status(SLOT_RNG) == 15;
}

static void walk(uint32_t i)
{
	guest_write(guest_window(devices[i].slot), VIRTIO_MMIO_STATUS, 0);
	read_all(i);
	write_all(i, NONE);
	if (guest_status(devices[i].slot) != 0)
		note(i, VIRTIO_MMIO_STATUS, "a status that isn't one is taken");
	guest_write(guest_window(devices[i].slot), VIRTIO_MMIO_STATUS, 0);
	write_all(i, 0);
	select_beyond(i);
	read_all(i);
	if (!guest_device_start(devices[i].slot, devices[i].device_id, devices[i].features))
		note(i, 0, "doesn't start any more");
}

static void say(uint32_t i)
{
	char at[] = " at 0x000: ";

	if (!wrong[i]) {
		guest_check(true, devices[i].name);
		return;
	}
	for (uint32_t k = 0; k < 3; k++)
		at[8 - k] = "0123456789abcdef"[wrong_offset[i] >> (4 * k) & 15];
	guest_print(devices[i].name);
	guest_print(at);
	guest_check(false, wrong[i]);
}

void guest_main(void)
{
	bool works;

	for (uint32_t i = 0; i < N_DEVICES; i++)
		walk(i);
	works = works_on();
	guest_console_start();
	for (uint32_t i = 0; i < N_DEVICES; i++)
		say(i);
	guest_check(works, "a device in use works on");
	guest_print("end\n");
}
