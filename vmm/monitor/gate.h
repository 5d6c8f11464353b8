/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MONITOR_GATE_H
#define VMM_MONITOR_GATE_H

#include <stdint.h>
#include <stdnoreturn.h>

/* A word that threads wait on: one futex each, the two operations that the filters allow. */
struct gate {
	uint32_t value;
};

uint32_t gate_get(const struct gate *gate);

/* Add one and wake all who wait. */
void gate_step(struct gate *gate);

/* Return once the value is at least `value`. */
void gate_wait(struct gate *gate, uint32_t value);

/* For a thread that is done: threads never exit, because that takes system calls of its own. */
noreturn void gate_sleep(void);

#endif
