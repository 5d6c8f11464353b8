/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/monitor/gate.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

uint32_t gate_get(const struct gate *gate)
{
	return __atomic_load_n(&gate->value, __ATOMIC_ACQUIRE);
}

void gate_step(struct gate *gate)
{
	(void)__atomic_add_fetch(&gate->value, 1, __ATOMIC_RELEASE);
	(void)syscall(SYS_futex, &gate->value, FUTEX_WAKE_PRIVATE, INT_MAX);
}

void gate_wait(struct gate *gate, uint32_t value)
{
	uint32_t seen;

	while ((seen = gate_get(gate)) < value)
		(void)syscall(SYS_futex, &gate->value, FUTEX_WAIT_PRIVATE, seen, NULL);
}

noreturn void gate_sleep(void)
{
	static struct gate never;

	for (;;)
		gate_wait(&never, 1);
}
