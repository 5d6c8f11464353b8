/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef GUEST_INIT_SAY_H
#define GUEST_INIT_SAY_H

/* One line on the console: "mayfly-init: text". `mayfly logs` shows it. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
