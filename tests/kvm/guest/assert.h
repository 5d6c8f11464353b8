/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef TESTS_KVM_GUEST_ASSERT_H
#define TESTS_KVM_GUEST_ASSERT_H

/* Micro-guests have no libc; base/proto's headers want this one word of it. */
#define static_assert _Static_assert

#endif
