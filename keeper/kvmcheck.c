/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * One vCPU in flat 32-bit mode runs `dec ecx; jnz` until ecx is 0, then `hlt`, which exits as there is no interrupt
 * controller. Rounds are short and the quickest counts, so that a busy host is not mistaken for one that emulates:
 * hardware needs about 1 ns an instruction, a host that is itself emulated (the lab) below 50, an emulator 400 to 1,000.
 */
#include "keeper/kvmcheck.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

#define ROUNDS	    8
#define LOOPS	    12500u /* two instructions each: 25,000 a round, 200,000 in all */
#define LIMIT_PS    150000u
#define MEMORY_SIZE 0x2000u
#define CODE_GPA    0x1000u
#define TIMEOUT_US  900000

/* KVM's own pages on old Intel hardware; anywhere outside the guest's memory (KVM api.rst 4.36, 4.41) */
#define IDENTITY_MAP_GPA 0xfffbc000ull
#define TSS_GPA		 0xfffbd000ul

static const uint8_t code[] = { 0x49, 0x75, 0xfd, 0xf4 }; /* dec ecx; jnz -3; hlt */

struct probe {
	int kvm, vm, vcpu;
	uint8_t *memory;
	struct kvm_run *run;
	size_t run_size;
};

/* the run that the timer ends; one at a time */
static struct kvm_run *running;

static void on_alarm(int signal)
{
	(void)signal;
	if (running)
		__atomic_store_n(&running->immediate_exit, 1, __ATOMIC_RELAXED);
}

static void say(struct kvmcheck *out, enum kvmcheck_result result, const char *text,
		const char *mend)
{
	out->result = result;
	(void)snprintf(out->text, sizeof(out->text), "%s", text);
	(void)snprintf(out->mend, sizeof(out->mend), "%s", mend);
}

/* Is the flag among those that the kernel shows of the first processor? */
static bool cpu_has(const char *flag)
{
	auto_fd fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	char text[4096], *end;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	end = strstr(text, "\n\n");
	if (end)
		*end = '\0';
	return strstr(text, flag) != NULL;
}

/* errno as the failed call left it */
static void say_none(struct kvmcheck *out, const char *what)
{
	const char *mend = "switch on VT-x or AMD-V in the firmware";
	char text[sizeof(out->text)];

	(void)snprintf(text, sizeof(text), "no virtualisation: %s (%s)", what,
		       err_errno_text(errno));
	if (cpu_has(" vmx"))
		mend = "modprobe kvm_intel; if that says \"disabled by bios\", switch VT-x on "
		       "there";
	else if (cpu_has(" svm"))
		mend = "modprobe kvm_amd; if that says \"disabled by bios\", switch SVM on there";
	else if (cpu_has(" hypervisor"))
		mend = "this machine is virtual: switch on nested virtualisation for it, where it "
		       "is run";
	say(out, KVMCHECK_NONE, text, mend);
}

static void probe_fini(struct probe *p)
{
	if (p->run)
		(void)munmap(p->run, p->run_size);
	if (p->memory)
		(void)munmap(p->memory, MEMORY_SIZE);
	fd_close(&p->vcpu);
	fd_close(&p->vm);
	fd_close(&p->kvm);
}

static int open_device(struct probe *p, const char *device, struct kvmcheck *out)
{
	p->kvm = open(device, O_RDWR | O_CLOEXEC);
	if (p->kvm < 0 && (errno == EACCES || errno == EPERM)) {
		say(out, KVMCHECK_NO_PERMISSION, "this process may not open /dev/kvm",
		    "run it as root, or as a member of the group that /dev/kvm has");
		return -1;
	}
	if (p->kvm < 0) {
		say_none(out, "/dev/kvm does not open");
		return -1;
	}
	if (ioctl(p->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		say_none(out, "/dev/kvm does not speak KVM's API");
		return -1;
	}
	return 0;
}

static int map_memory(struct probe *p)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY_SIZE };
	void *memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -1;
	p->memory = memory;
	memcpy(p->memory + CODE_GPA, code, sizeof(code));
	region.userspace_addr = (uint64_t)(uintptr_t)memory;
	return ioctl(p->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static int make_vcpu(struct probe *p)
{
	struct kvm_segment flat = { .limit = 0xffffffff, .present = 1, .db = 1, .s = 1, .g = 1 };
	struct kvm_sregs sregs;
	void *run;
	int size = ioctl(p->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	p->vcpu = ioctl(p->vm, KVM_CREATE_VCPU, 0ul);
	if (p->vcpu < 0 || size < (int)sizeof(struct kvm_run))
		return -1;
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu, 0);
	if (run == MAP_FAILED)
		return -1;
	p->run = run;
	p->run_size = (size_t)size;
	if (ioctl(p->vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -1;
	flat.type = 3; /* data, read and write, accessed */
	flat.selector = 16;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
	flat.type = 11; /* code, execute and read, accessed */
	flat.selector = 8;
	sregs.cs = flat;
	sregs.cr0 |= 1; /* protection on, paging off */
	return ioctl(p->vcpu, KVM_SET_SREGS, &sregs);
}

static int build(struct probe *p)
{
	uint64_t identity = IDENTITY_MAP_GPA;

	p->vm = ioctl(p->kvm, KVM_CREATE_VM, 0ul);
	if (p->vm < 0)
		return -1;
	/* wanted by old Intel processors alone, and refused elsewhere by some */
	(void)ioctl(p->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	(void)ioctl(p->vm, KVM_SET_TSS_ADDR, TSS_GPA);
	return map_memory(p) < 0 ? -1 : make_vcpu(p);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Picoseconds an instruction took in this round; 0 when the guest didn't run at all. *late: the timer ended it. */
static uint64_t run_round(struct probe *p, bool *late)
{
	struct kvm_regs regs = { .rip = CODE_GPA, .rcx = LOOPS, .rflags = 2 };
	uint64_t start, ns, done;
	int r;

	if (ioctl(p->vcpu, KVM_SET_REGS, &regs) < 0)
		return 0;
	start = now_ns();
	r = ioctl(p->vcpu, KVM_RUN, 0);
	ns = now_ns() - start;
	if (r < 0 && errno != EINTR)
		return 0;
	if (ioctl(p->vcpu, KVM_GET_REGS, &regs) < 0)
		return 0;
	*late = r < 0;
	if (!*late && p->run->exit_reason != KVM_EXIT_HLT)
		return 0;
	done = 2 * (LOOPS - (regs.rcx & 0xffffffff)) + 1;
	return ns * 1000 / done + 1;
}

static void measure(struct probe *p, struct kvmcheck *out)
{
	bool late = false;

	for (int i = 0; i < ROUNDS && !late; i++) {
		uint64_t ps = run_round(p, &late);

		if (ps == 0) {
			say_none(out, "a guest of four bytes does not run");
			return;
		}
		if (out->ps_per_instruction == 0 || ps < out->ps_per_instruction)
			out->ps_per_instruction = ps;
	}
	if (out->ps_per_instruction < LIMIT_PS) {
		say(out, KVMCHECK_OK, "/dev/kvm runs guest kernel code", "");
		return;
	}
	say(out, KVMCHECK_EMULATES,
	    "/dev/kvm only emulates guest kernel code, hundreds of times too slowly for a stock "
	    "kernel",
	    "use a machine with real virtualisation, or switch on nested virtualisation where this "
	    "one is a guest");
}

static void measure_bounded(struct probe *p, struct kvmcheck *out)
{
	struct sigaction action = { .sa_handler = on_alarm }, old_action;
	struct itimerval timer = { .it_value = { .tv_usec = TIMEOUT_US } }, old_timer;
	sigset_t set, old_set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	running = p->run;
	(void)sigaction(SIGALRM, &action, &old_action);
	(void)sigprocmask(SIG_UNBLOCK, &set, &old_set);
	(void)setitimer(ITIMER_REAL, &timer, &old_timer);
	measure(p, out);
	(void)setitimer(ITIMER_REAL, &old_timer, NULL);
	(void)sigprocmask(SIG_SETMASK, &old_set, NULL);
	(void)sigaction(SIGALRM, &old_action, NULL);
	running = NULL;
}

void kvmcheck_run(const char *device, struct kvmcheck *out)
{
	struct probe p = { .kvm = -1, .vm = -1, .vcpu = -1 };

	memset(out, 0, sizeof(*out));
	if (open_device(&p, device ? device : "/dev/kvm", out) == 0) {
		if (build(&p) < 0)
			say_none(out, "/dev/kvm makes no virtual machine");
		else
			measure_bounded(&p, out);
	}
	probe_fini(&p);
}
