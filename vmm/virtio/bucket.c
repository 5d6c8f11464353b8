/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/virtio/bucket.h"

#include "base/num.h"

#define MAX_TOKENS (UINT64_C(1) << 40) /* so nothing here comes near 2^63 */

static struct bucket_level level_init(struct bucket_rate rate)
{
	uint64_t burst = rate.burst == 0 ? rate.per_s : rate.burst;
	int64_t full = (int64_t)num_min_u64(burst, MAX_TOKENS) * BUCKET_TICKS_PER_S;

	return (struct bucket_level){ (int64_t)num_min_u64(rate.per_s, MAX_TOKENS), full, full };
}

void bucket_init(struct bucket *bucket, struct bucket_rate bytes, struct bucket_rate ops)
{
	*bucket = (struct bucket){ level_init(bytes), level_init(ops) };
}

bool bucket_is_limited(const struct bucket *bucket)
{
	return bucket->bytes.per_tick != 0 || bucket->ops.per_tick != 0;
}

static bool level_is_open(const struct bucket_level *level)
{
	return level->per_tick == 0 || level->level > 0;
}

bool bucket_is_open(const struct bucket *bucket)
{
	return level_is_open(&bucket->bytes) && level_is_open(&bucket->ops);
}

static void level_take(struct bucket_level *level, uint64_t tokens)
{
	if (level->per_tick != 0)
		level->level -= (int64_t)num_min_u64(tokens, MAX_TOKENS) * BUCKET_TICKS_PER_S;
}

void bucket_take(struct bucket *bucket, uint64_t bytes)
{
	level_take(&bucket->bytes, bytes);
	level_take(&bucket->ops, 1);
}

static void level_refill(struct bucket_level *level, uint64_t ticks)
{
	if (level->per_tick == 0)
		return;
	if (ticks > (uint64_t)((level->full - level->level) / level->per_tick))
		level->level = level->full;
	else
		level->level += (int64_t)ticks * level->per_tick;
}

void bucket_refill(struct bucket *bucket, uint64_t ticks)
{
	level_refill(&bucket->bytes, ticks);
	level_refill(&bucket->ops, ticks);
}
