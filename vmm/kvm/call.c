/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/kvm/call.h"

#include <sys/syscall.h>
#include <unistd.h>

/* By number, because libcs don't agree on the type of ioctl's second argument. */
int kvm_call_num(int fd, unsigned long request, unsigned long arg, const char *what,
		 struct err *err)
{
	long result = syscall(SYS_ioctl, fd, request, arg);

	if (result < 0)
		return err_sys(err, "%s", what);
	return (int)result;
}

int kvm_call(int fd, unsigned long request, void *arg, const char *what, struct err *err)
{
	return kvm_call_num(fd, request, (unsigned long)arg, what, err);
}
