/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef TESTS_LINT_KNOWN_H
#define TESTS_LINT_KNOWN_H

/*
 * What base/err.h promises and an analyzer that sees one file at a time can't know: these always
 * return -1. test_tidy puts this in front of each file.
 */
#include "base/err.h"

#define err_set(...)  (err_set(__VA_ARGS__), -1)
#define err_sys(...)  (err_sys(__VA_ARGS__), -1)
#define err_wrap(...) (err_wrap(__VA_ARGS__), -1)

#endif
