/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_LIMITS_H
#define CLI_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proto/spec.h"

/*
 * One grammar for every rate, on the command line and in the configuration: words between commas, each at most once:
 *   SIZE            bytes per second: 10M
 *   ops=N           operations (requests, frames) per second
 *   burst=SIZE      bytes that may come at once after a pause; without it one second's worth
 *   burst-ops=N     the same for operations
 * or the one word "none": no limit.
 */
#define LIMITS_RATE_HELP "RATE"

#define LIMITS_BYTES_MIN       4096ULL /* what is slower stands still */
#define LIMITS_BYTES_MAX       (1ULL << 40)
#define LIMITS_OPS_MAX	       1000000000ULL
#define LIMITS_CPU_WEIGHT_MAX  10000u
#define LIMITS_CPU_PERCENT_MAX 800u

/* Read text into *rate. Where bursts is false (io.max has none) a burst is refused. NULL, or what is wrong. Pure. */
const char *limits_parse_rate(const char *text, bool bursts, struct spec_rate *rate);

#define LIMITS_RATE_TEXT_SIZE 160

/* The same words, exact; "" for no limit. Returns out. Pure. */
const char *limits_rate_text(const struct spec_rate *rate, char out[LIMITS_RATE_TEXT_SIZE]);

#endif
