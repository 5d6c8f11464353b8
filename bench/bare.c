/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * bare MEMORY_MB TOUCHED_MB: what the kernel alone takes to let go of one tap and one VM. Makes both, as large as a sandbox
 * has them, closes them, and prints the milliseconds of the closing.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MIB  (1ull << 20)
#define PAGE 4096u

static int must(int result, const char *what)
{
	if (result >= 0)
		return result;
	perror(what);
	exit(1);
}

static int open_tap(void)
{
	struct ifreq ifr = { .ifr_name = "mfbare0" };
	int fd = must(open("/dev/net/tun", O_RDWR | O_CLOEXEC), "/dev/net/tun");
	int sock = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");

	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	must(ioctl(fd, TUNSETIFF, &ifr), "TUNSETIFF");
	ifr.ifr_flags = IFF_UP;
	must(ioctl(sock, SIOCSIFFLAGS, &ifr), "SIOCSIFFLAGS");
	close(sock);
	return fd;
}

static uint8_t *map(uint64_t len, int flags, int fd)
{
	uint8_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p != MAP_FAILED)
		return p;
	perror("mmap");
	exit(1);
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	const uint64_t len = argc == 3 ? strtoull(argv[1], NULL, 10) * MIB : 0;
	const uint64_t touched = argc == 3 ? strtoull(argv[2], NULL, 10) * MIB : 0;
	struct kvm_userspace_memory_region slot = { .memory_size = len };
	int kvm, vm, vcpu, tap, run_size;
	uint8_t *memory, *run;
	double begun;

	if (len == 0 || touched > len) {
		fputs("usage: bare MEMORY_MB TOUCHED_MB\n", stderr);
		return 2;
	}
	tap = open_tap();
	memory = map(len, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	(void)madvise(memory, len, MADV_HUGEPAGE);
	for (uint64_t at = 0; at < touched; at += PAGE)
		memory[at] = 1;
	kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	slot.userspace_addr = (uintptr_t)memory;
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
	must(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	vcpu = must(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	run_size = must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	run = map((uint64_t)run_size, MAP_SHARED, vcpu);

	begun = now_ms();
	close(tap);
	munmap(run, (size_t)run_size);
	close(vcpu);
	close(vm); /* the last reference: the VM goes */
	munmap(memory, len);
	printf("%.3f\n", now_ms() - begun);
	return 0;
}
