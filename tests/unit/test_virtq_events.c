/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Event indices: who has to wake whom, and that nobody is forgotten. */
#include "tests/unit/support/driver.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "base/bug.h"

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

static int setup(void **state)
{
	(void)state;
	driver_init(&d);
	virtio_dev_init(&dev, &model, &d.mem, driver_irq(&d), 0);
	driver_start(&d, &dev, F_BASE | F_EVENT, 8);
	return 0;
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

/* A kick is wanted for the first chain after VIRTQ_EMPTY, and for no other. */
static void notifications_suppressed(void **state)
{
	gpa_t a = driver_alloc(&d, 16);

	(void)state;
	for (uint32_t i = 0; i < 30000; i++) { /* three chains each: wraps */
		uint16_t old = d.rings[0].avail_idx;

		assert_int_equal(pop(), VIRTQ_EMPTY);
		ADD(&d, 0, { a, 1, false });
		assert_true(driver_must_kick(&d, 0, old));
		ADD(&d, 0, { a, 1, false });
		assert_false(driver_must_kick(&d, 0, (uint16_t)(old + 1)));
		assert_true(driver_must_kick(&d, 0, old)); /* both in one batch */
		assert_int_equal(pop(), VIRTQ_CHAIN);
		assert_int_equal(pop(), VIRTQ_CHAIN);
		ADD(&d, 0, { a, 1, false }); /* it would look again before it sleeps */
		assert_false(driver_must_kick(&d, 0, (uint16_t)(old + 2)));
		assert_int_equal(pop(), VIRTQ_CHAIN);
	}
	virtq_unpop(&dev.queues[0], 2); /* what is given back needs no notification */
	assert_int_equal(pop(), VIRTQ_CHAIN);
	assert_int_equal(pop(), VIRTQ_CHAIN);
	assert_int_equal(pop(), VIRTQ_EMPTY);
}

/* Pushes n chains in one batch; whether that raised an interrupt. */
static bool batch_interrupts(uint32_t n)
{
	unsigned int before = d.n_irqs;

	for (uint32_t i = 0; i < n; i++)
		virtq_push(&dev.queues[0], &d.mem, 0, 0);
	virtio_dev_notify(&dev, 0);
	return d.n_irqs > before;
}

static void interrupts_suppressed(void **state)
{
	uint16_t used = 0;

	(void)state;
	driver_avail(&d, 0)->flags = VRING_AVAIL_F_NO_INTERRUPT; /* means nothing now */
	for (uint32_t i = 0; i < 20000; i++) {			 /* wraps more than once */
		driver_set_used_event(&d, 0, used);
		assert_true(batch_interrupts(1));
		assert_false(batch_interrupts(0));
		assert_false(batch_interrupts(1)); /* the driver hasn't moved on */
		driver_set_used_event(&d, 0, (uint16_t)(used + 4));
		assert_false(batch_interrupts(2)); /* the third and fourth */
		assert_true(batch_interrupts(3));  /* the fifth, somewhere in the batch */
		used = (uint16_t)(used + 7);
	}
	/* as many as a batch may have */
	driver_set_used_event(&d, 0, (uint16_t)(used - 2));
	assert_true(batch_interrupts(0xffff));
}

static void several_chains_appear_at_once(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 3; i++) {
		virtq_fill(&dev.queues[0], &d.mem, i, 10u + i);
		driver_expect_nothing(&d, 0);
	}
	virtq_publish(&dev.queues[0], &d.mem);
	for (uint16_t i = 0; i < 3; i++)
		driver_expect(&d, 0, i, 10u + i);
}

/* Driver and device as two threads that sleep whenever the other side doesn't owe them a wake-up: a
 * lost one is a sleep that doesn't end. */
#define N_RACES 100000
static sem_t kicks, interrupts;

static bool doze(sem_t *sem)
{
	struct timespec end;

	BUG_ON(clock_gettime(CLOCK_REALTIME, &end) < 0);
	end.tv_sec += 100;
	while (sem_timedwait(sem, &end) < 0) {
		if (errno != EINTR)
			return false;
	}
	return true;
}

static void *device_thread(void *arg)
{
	struct virtq *q = &dev.queues[0];

	for (uint32_t n = 0; n < N_RACES;) {
		if (pop() == VIRTQ_CHAIN) {
			push(0);
			n++;
			if (virtq_wants_interrupt(q, &d.mem))
				BUG_ON(sem_post(&interrupts) < 0);
		} else if (!doze(&kicks)) {
			return NULL;
		}
	}
	return arg;
}

static bool await_used(void)
{
	struct vring_used_elem elem;

	/* looks a while, so that both often fall asleep at the same moment */
	for (uint32_t look = 0; look < 1000; look++) {
		if (driver_take(&d, 0, &elem))
			return true;
	}
	while (!driver_take(&d, 0, &elem)) {
		driver_set_used_event(&d, 0, d.rings[0].last_used);
		if (driver_take(&d, 0, &elem))
			break;
		if (!doze(&interrupts))
			return false;
	}
	return true;
}

static void no_wake_up_is_lost(void **state)
{
	const struct buf buf = { driver_alloc(&d, 16), 1, false };
	pthread_t device;
	bool told = true;
	void *result;

	(void)state;
	BUG_ON(sem_init(&kicks, 0, 0) < 0 || sem_init(&interrupts, 0, 0) < 0);
	BUG_ON(pthread_create(&device, NULL, device_thread, &d) != 0);
	for (uint32_t i = 0; i < N_RACES && told;) {
		uint32_t n = 1 + i % 3;

		for (uint32_t k = 0; k < n && i < N_RACES; k++, i++) {
			uint16_t old = d.rings[0].avail_idx;

			driver_add(&d, 0, &buf, 1);
			if (driver_must_kick(&d, 0, old))
				BUG_ON(sem_post(&kicks) < 0);
		}
		for (uint32_t pause = 0; pause < i % 97; pause++)
			__asm__ volatile("pause");
		while (told && d.rings[0].last_used != d.rings[0].avail_idx)
			told = await_used();
	}
	BUG_ON(pthread_join(device, &result) != 0);
	assert_true(told);
	assert_ptr_equal(result, &d);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(notifications_suppressed),
		T(interrupts_suppressed),
		T(several_chains_appear_at_once),
		T(no_wake_up_is_lost),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("virtq_events", tests, NULL, NULL);
}
