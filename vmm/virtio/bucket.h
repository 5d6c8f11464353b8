/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_VIRTIO_BUCKET_H
#define VMM_VIRTIO_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A token bucket: so many bytes and so many operations a second, with a burst each. What comes is let through while there
 * are tokens at all, and may put the bucket into debt: so a request larger than the burst passes too, the next one waits
 * the longer, and in the long run the rate holds. Time comes in ticks, from whoever has a clock.
 */
#define BUCKET_TICKS_PER_S 100

/* A rate of 0 is no limit; a burst of 0 is one second's worth. */
struct bucket_rate {
	uint64_t per_s;
	uint64_t burst;
};

/* Counted in tokens / BUCKET_TICKS_PER_S, so that a tick adds whole numbers. */
struct bucket_level {
	int64_t per_tick; /* 0: no limit */
	int64_t full;
	int64_t level; /* negative: debt */
};

struct bucket {
	struct bucket_level bytes, ops;
};

/* Starts full. Rates and bursts above 2^40 are taken for that. */
void bucket_init(struct bucket *bucket, struct bucket_rate bytes, struct bucket_rate ops);

bool bucket_is_limited(const struct bucket *bucket);

/* May something pass? */
bool bucket_is_open(const struct bucket *bucket);

/* One operation of so many bytes passes. The bucket is open. */
void bucket_take(struct bucket *bucket, uint64_t bytes);

/* So many ticks have gone by. */
void bucket_refill(struct bucket *bucket, uint64_t ticks);

#endif
