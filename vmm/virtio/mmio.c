/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * virtio-mmio version 2: one switch for reads, one for writes.
 *
 * When a register may be written:
 *
 *	features and their selector	DRIVER set, FEATURES_OK not yet
 *	a queue's size and addresses	FEATURES_OK set, DRIVER_OK not yet, and this queue not ready
 *	a queue's ready flag		FEATURES_OK set, DRIVER_OK not yet
 *	status				bits are added in the order of the specification; 0 resets
 *
 * So nothing that a queue was checked for can change while it is in use.
 */
#include "vmm/virtio/mmio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "base/num.h"

#define MAGIC	  0x74726976u /* "virt" */
#define VERSION	  2u
#define VENDOR_ID 0x594c464du /* "MFLY" */
#define NO_SHM	  UINT32_MAX  /* length and address of a shared memory region that isn't there */

/* The steps of the status register (virtio 1.2 §3.1.1); each has the bits of those before it. */
#define STEP_FOUND	(VIRTIO_CONFIG_S_ACKNOWLEDGE)
#define STEP_DRIVEN	(STEP_FOUND | VIRTIO_CONFIG_S_DRIVER)
#define STEP_NEGOTIATED (STEP_DRIVEN | VIRTIO_CONFIG_S_FEATURES_OK)
#define STEP_RUNNING	(STEP_NEGOTIATED | VIRTIO_CONFIG_S_DRIVER_OK)
#define DRIVER_BITS	(STEP_RUNNING | VIRTIO_CONFIG_S_FAILED)

void mmio_init(struct mmio_dev *mmio, struct virtio_dev *dev)
{
	*mmio = (struct mmio_dev){ .dev = dev };
}

static void refuse(struct mmio_dev *mmio)
{
	mmio->dev->n_guest_errors++;
}

static uint32_t half(uint64_t value, uint32_t sel)
{
	return sel > 1 ? 0 : (uint32_t)(value >> (32 * sel));
}

static void set_half(uint64_t *value, uint32_t sel, uint32_t bits)
{
	*value &= ~((uint64_t)UINT32_MAX << (32 * sel));
	*value |= (uint64_t)bits << (32 * sel);
}

static struct virtq *selected_queue(struct mmio_dev *mmio)
{
	if (mmio->queue_sel >= mmio->dev->model->n_queues)
		return NULL;
	return &mmio->dev->queues[mmio->queue_sel];
}

static uint32_t read_register(struct mmio_dev *mmio, uint64_t offset)
{
	const struct virtio_dev *dev = mmio->dev;
	const struct virtq *q = selected_queue(mmio);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return dev->model->device_id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR_ID;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return half(dev->features, mmio->device_features_sel);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return q == NULL ? 0 : q->max;
	case VIRTIO_MMIO_QUEUE_READY:
		return q != NULL && q->ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return dev->interrupt_status;
	case VIRTIO_MMIO_STATUS:
		return dev->status;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return NO_SHM;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return dev->config_generation;
	default:
		refuse(mmio);
		return 0;
	}
}

static bool is_control(uint64_t offset, uint32_t len)
{
	return offset < VIRTIO_MMIO_CONFIG && offset % sizeof(uint32_t) == 0 &&
	       len == sizeof(uint32_t);
}

static bool is_config(const struct virtio_dev *dev, uint64_t offset, uint32_t len)
{
	return offset >= VIRTIO_MMIO_CONFIG && len <= 8 && num_is_pow2(len) &&
	       num_range_ok(offset - VIRTIO_MMIO_CONFIG, len, dev->model->config_len);
}

void mmio_read(struct mmio_dev *mmio, uint64_t offset, void *data, uint32_t len)
{
	struct virtio_dev *dev = mmio->dev;

	memset(data, 0, len);
	if (is_control(offset, len)) {
		uint32_t value = read_register(mmio, offset);

		memcpy(data, &value, sizeof(value));
	} else if (is_config(dev, offset, len)) {
		dev->model->config_read(dev, (uint32_t)(offset - VIRTIO_MMIO_CONFIG), data, len);
	} else {
		refuse(mmio);
	}
}

static void reset(struct mmio_dev *mmio)
{
	struct virtio_dev *dev = mmio->dev;

	for (uint32_t q = 0; q < dev->model->n_queues; q++)
		virtq_reset(&dev->queues[q]);
	dev->driver_features = 0;
	dev->status = 0;
	dev->interrupt_status = 0;
	mmio_init(mmio, dev);
	if (dev->model->reset != NULL)
		dev->model->reset(dev);
}

static bool features_ok(const struct virtio_dev *dev)
{
	const uint64_t needs = dev->model->needs | 1ull << VIRTIO_F_VERSION_1;

	return (dev->driver_features & ~dev->features) == 0 &&
	       (dev->driver_features & needs) == needs;
}

/* Bits are only added, in order; FAILED can come at any time, and nothing after it. */
static bool status_step_ok(uint32_t old, uint32_t new)
{
	uint32_t step = new & ~(uint32_t)VIRTIO_CONFIG_S_FAILED;

	if ((old & ~new) != 0 || ((old & VIRTIO_CONFIG_S_FAILED) != 0 && new != old))
		return false;
	return step == 0 || step == STEP_FOUND || step == STEP_DRIVEN || step == STEP_NEGOTIATED ||
	       step == STEP_RUNNING;
}

static uint32_t write_status(struct mmio_dev *mmio, uint32_t value)
{
	struct virtio_dev *dev = mmio->dev;
	uint32_t old = dev->status & DRIVER_BITS;
	uint32_t ready = 0;

	if (value == 0) {
		reset(mmio);
		return 0;
	}
	value &= ~(dev->status &
		   VIRTIO_CONFIG_S_NEEDS_RESET); /* ours; drivers write back what they read */
	if (!status_step_ok(old, value)) {
		refuse(mmio);
		return 0;
	}
	if ((value & ~old & VIRTIO_CONFIG_S_FEATURES_OK) != 0 && !features_ok(dev))
		value &= ~(uint32_t)(VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	dev->status |= value;
	if ((old & VIRTIO_CONFIG_S_DRIVER_OK) != 0 || !virtio_dev_active(dev))
		return 0;
	for (uint32_t q = 0; q < dev->model->n_queues; q++)
		ready |= (uint32_t)dev->queues[q].ready << q;
	return ready;
}

static void write_driver_features(struct mmio_dev *mmio, uint32_t value)
{
	struct virtio_dev *dev = mmio->dev;

	if (dev->status != STEP_DRIVEN)
		refuse(mmio);
	else if (mmio->driver_features_sel <= 1)
		set_half(&dev->driver_features, mmio->driver_features_sel, value);
	else if (value != 0) /* a driver may clear what is beyond bit 63 */
		refuse(mmio);
}

/* Registers of a queue that isn't ready yet. */
static bool write_queue(struct mmio_dev *mmio, struct virtq *q, uint64_t offset, uint32_t value)
{
	const struct virtio_dev *dev = mmio->dev;

	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		q->size = value <= q->max ? (uint16_t)value : 0;
		return true;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&q->desc_gpa, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
		return true;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&q->avail_gpa, offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
		return true;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&q->used_gpa, offset == VIRTIO_MMIO_QUEUE_USED_HIGH, value);
		return true;
	case VIRTIO_MMIO_QUEUE_READY:
		return value == 0 ||
		       (value == 1 && virtq_activate(q, dev->mem, dev->driver_features));
	default:
		return false;
	}
}

static void configure_queue(struct mmio_dev *mmio, uint64_t offset, uint32_t value)
{
	struct virtq *q = selected_queue(mmio);

	if (q == NULL || mmio->dev->status != STEP_NEGOTIATED)
		refuse(mmio);
	else if (q->ready && offset == VIRTIO_MMIO_QUEUE_READY && value == 0)
		q->ready = false;
	else if (q->ready || !write_queue(mmio, q, offset, value))
		refuse(mmio);
}

static uint32_t write_notify(struct mmio_dev *mmio, uint32_t value)
{
	if (value < mmio->dev->model->n_queues)
		return virtio_dev_active(mmio->dev) ? 1u << value : 0;
	refuse(mmio);
	return 0;
}

static uint32_t write_register(struct mmio_dev *mmio, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		mmio->device_features_sel = value;
		return 0;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		mmio->driver_features_sel = value;
		return 0;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		write_driver_features(mmio, value);
		return 0;
	case VIRTIO_MMIO_QUEUE_SEL:
		mmio->queue_sel = value;
		return 0;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		return write_notify(mmio, value);
	case VIRTIO_MMIO_INTERRUPT_ACK:
		mmio->dev->interrupt_status &= ~value;
		return 0;
	case VIRTIO_MMIO_STATUS:
		return write_status(mmio, value);
	case VIRTIO_MMIO_SHM_SEL:
		return 0; /* no such region, whichever */
	default:
		configure_queue(mmio, offset, value);
		return 0;
	}
}

uint32_t mmio_write(struct mmio_dev *mmio, uint64_t offset, const void *data, uint32_t len)
{
	struct virtio_dev *dev = mmio->dev;
	uint32_t value;

	if (is_config(dev, offset, len) && dev->model->config_write != NULL &&
	    dev->model->config_write(dev, (uint32_t)(offset - VIRTIO_MMIO_CONFIG), data, len))
		return 0;
	if (!is_control(offset, len)) {
		refuse(mmio);
		return 0;
	}
	memcpy(&value, data, sizeof(value));
	return write_register(mmio, offset, value);
}
