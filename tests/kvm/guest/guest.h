/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef TESTS_KVM_GUEST_GUEST_H
#define TESTS_KVM_GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The runtime of micro-guests: 32-bit code without paging, linked to each guest's guest_main(). It plays the driver's
 * side of virtio-mmio, with one chain in flight a queue. What a guest has to say it prints on its console, and the host
 * compares; it ends by a triple fault when guest_main returns.
 * Guest code may be emulated at a microsecond an instruction: short loops, no copying.
 */
enum guest_slot {
	SLOT_DISK0,
	SLOT_DISK1,
	SLOT_NET = 4,
	SLOT_VSOCK,
	SLOT_CONSOLE,
	SLOT_RNG,
	SLOT_BALLOON
};

#define GUEST_RING 16

struct guest_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct guest_queue {
	struct guest_desc desc[GUEST_RING] __attribute__((aligned(16)));
	struct {
		uint16_t flags, idx, ring[GUEST_RING];
	} avail __attribute__((aligned(4)));
	struct {
		uint16_t flags, idx;
		struct {
			uint32_t id, len;
		} ring[GUEST_RING];
	} used __attribute__((aligned(4)));
	uint16_t n_desc; /* of the chain that is being built */
	uint16_t seen;	 /* used entries taken */
	uint32_t window;
	uint32_t index;
};

void guest_main(void);
void guest_end(void) __attribute__((noreturn));

/* Registers and ports. */
uint32_t guest_read(uint32_t window, uint32_t offset);
void guest_write(uint32_t window, uint32_t offset, uint32_t value);
uint32_t guest_window(enum guest_slot slot);

/* Reset the device and negotiate VERSION_1 and `features` (bits 0–31). False unless it is there and takes them. */
bool guest_device_start(enum guest_slot slot, uint32_t device_id, uint32_t features);
/* A card's: MAC and the receive offloads, which it isn't to be had without. */
#define NET_FEATURES (1u << 5 | 1u << 1 | 1u << 7 | 1u << 8)
void guest_device_go(enum guest_slot slot); /* DRIVER_OK */
uint32_t guest_status(enum guest_slot slot);
bool guest_stops(enum guest_slot slot); /* DEVICE_NEEDS_RESET, be it late */

void guest_queue_start(enum guest_slot slot, uint32_t index, struct guest_queue *q);
/* Build a chain from buffer to buffer, then offer it. The first buffer is descriptor 0. */
void guest_queue_add(struct guest_queue *q, const void *buf, uint32_t len, bool writable);
void guest_queue_offer(struct guest_queue *q);
void guest_queue_again(struct guest_queue *q); /* the same chain once more, once it has come back */
/* Wait for the chain, be it late; bytes written by the device, -1 when it doesn't come back. */
int32_t guest_queue_wait(struct guest_queue *q);

/* The console. */
void guest_console_start(void);
void guest_print(const char *text);
void guest_print_bytes(const void *bytes, uint32_t len);
void guest_check(bool ok, const char *what); /* prints "ok WHAT" or "BAD WHAT" */

/* Route the slot's line to an interrupt handler; sleep until it has come at least once. */
void guest_irq_start(enum guest_slot slot);
void guest_irq_wait(void);
/* As guest_queue_wait, for as long as it takes, asleep meanwhile; the slot's line must have been routed. */
int32_t guest_queue_sleep(struct guest_queue *q);

uint32_t guest_strlen(const char *text);
void *memset(void *dst, int c, size_t n);
void *memcpy(void *dst, const void *src, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
