/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_KVM_CALL_H
#define VMM_KVM_CALL_H

#include "base/err.h"

/* ioctl with a pointer or a number as its argument (KVM api.rst); the result, or -1 with err naming `what`. */
int kvm_call(int fd, unsigned long request, void *arg, const char *what, struct err *err);
int kvm_call_num(int fd, unsigned long request, unsigned long arg, const char *what,
		 struct err *err);

#endif
