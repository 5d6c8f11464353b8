/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * The probe of test_probe, launched by the real mayfly-keeper from a spec that names mayfly-vmm-probe as its monitor:
 * what holds for the parts holds for the product as it is put together. As root, with /dev/kvm; state and run
 * directories of its own, no network, so that no `host up` is needed.
 */
#include <errno.h>
#include <ftw.h>
#include <libgen.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/proto/spec.h"
#include "jail/proc.h"
#include "store/paths.h"
#include "store/spec.h"
#include "store/status.h"
#include "tests/jail/probe/judge.h"

#define UID_BASE 2147000016u
#define WAIT_MS	 60000

static char bin[4096];
static char top[] = "/tmp/mayfly-test-probe-XXXXXX";
static struct spec spec;

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- a sandbox ---- */

static void make_file(const char *name, const void *data, size_t len)
{
	char path[256];
	auto_fd fd = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || fd_write_all(fd, data, len) < 0)
		die(path);
}

static void make_files(void)
{
	static const char empty[4096];
	struct judge_kernel kernel;

	if (!mkdtemp(top) || chmod(top, 0755) < 0)
		die(top);
	judge_make_kernel(&kernel);
	make_file("kernel", &kernel, sizeof(kernel));
	make_file("initrd", empty, 512);
	make_file("image", empty, sizeof(empty));
}

static void make_spec(const char *word)
{
	struct err err;
	time_t now = time(NULL);

	spec = (struct spec){
		.magic = SPEC_MAGIC,
		.version = SPEC_VERSION,
		.size = sizeof(spec),
		.host = { .group = "root",
			  .uid_base = UID_BASE,
			  .slot_count = 4,
			  .pool4 = 0x0a630000,
			  .pool4_prefix = 24,
			  .pool6 = { 0xfd, 0x6d, 0x66, 0x99 },
			  .mark_base = 0x63000000,
			  .mark_mask = 0xffff0000,
			  .stop_timeout_s = 1 },
		.name = "probe",
		.owner = "root",
		.hostname = "probe",
		.account = "probe",
		.created_s = now,
		.deadline_s = now + 600,
		.memory_bytes = 16u << 20,
		.vcpus = 1,
	};
	(void)snprintf(spec.host.state_dir, sizeof(spec.host.state_dir), "%s/state", top);
	(void)snprintf(spec.host.run_dir, sizeof(spec.host.run_dir), "%s/run", top);
	(void)snprintf(spec.host.monitor, sizeof(spec.host.monitor), "%.200s/mayfly-vmm-probe",
		       bin);
	(void)snprintf(spec.kernel, sizeof(spec.kernel), "%s/kernel", top);
	(void)snprintf(spec.initrd, sizeof(spec.initrd), "%s/initrd", top);
	(void)snprintf(spec.image, sizeof(spec.image), "%s/image", top);
	(void)snprintf(spec.cmdline, sizeof(spec.cmdline), "%s%s", PROBE_WORD, word);
	if (id_draw(spec.id, &err) < 0 || spec_write_spool(&spec, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
}

struct keeper_run {
	pid_t pid;
	char log[4096];
};

/* Its stderr goes into a file: what it says about the end is looked at afterwards. */
static void start_keeper(struct keeper_run *run, const char *word)
{
	char program[4200];

	make_spec(word);
	(void)snprintf(program, sizeof(program), "%s/mayfly-keeper", bin);
	(void)snprintf(run->log, sizeof(run->log), "%s/log", top);
	(void)fflush(stdout);
	run->pid = fork();
	if (run->pid < 0)
		die("fork");
	if (run->pid == 0) {
		(void)dup2(open(run->log, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
		(void)execl(program, program, "--start", spec.id, "--state-dir",
			    spec.host.state_dir, "--foreground", (char *)NULL);
		_exit(127);
	}
}

static void read_log(const struct keeper_run *run, char *text, size_t size)
{
	struct err err;
	ssize_t n = fd_read_file(AT_FDCWD, run->log, text, size - 1, &err);

	text[n > 0 ? n : 0] = '\0';
}

/* Its exit code; -1 when it had to be killed. */
static int await_keeper(struct keeper_run *run)
{
	int status;

	for (int waited = 0; waited < WAIT_MS; waited += 20) {
		if (waitpid(run->pid, &status, WNOHANG) == run->pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		(void)poll(NULL, 0, 20);
	}
	(void)kill(run->pid, SIGKILL);
	(void)waitpid(run->pid, NULL, 0);
	return -1;
}

/* ---- tests ---- */

static const struct launch_ring *map_console(void)
{
	char path[PATHS_SIZE];

	for (int waited = 0; waited < WAIT_MS; waited += 20) {
		struct stat st;
		auto_fd fd =
			open(paths_run(&spec.host, spec.id, "console", path), O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= 65536) {
			const void *p =
				mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);

			return p == MAP_FAILED ? NULL : p;
		}
		(void)poll(NULL, 0, 20);
	}
	return NULL;
}

/* The one process of the first slot's uid. */
static pid_t monitor_pid(void)
{
	struct err err;
	pid_t pid = -1;

	return proc_uid_in_use(UID_BASE, &pid, &err) == 1 ? pid : -1;
}

static void print_log(const struct keeper_run *run)
{
	char text[8192];

	read_log(run, text, sizeof(text));
	printf("# %s\n", text);
}

static void test_survey(void)
{
	const struct launch_ring *ring;
	struct keeper_run run;
	pid_t pid;
	struct err err;

	start_keeper(&run, "survey");
	ring = map_console();
	if (judge_check(ring && judge_await(ring, WAIT_MS),
			"launched by the keeper, each thread has tried every call")) {
		judge_survey(ring);
		judge_process(monitor_pid());
	} else {
		print_log(&run);
	}
	(void)kill(run.pid, SIGTERM);
	judge_check(await_keeper(&run) >= 0, "the keeper ends when it is told to");
	judge_check(proc_uid_in_use(UID_BASE, &pid, &err) == 0, "and the monitor with it");
}

/* One call on one thread ends the sandbox; the keeper says why. */
static void test_single(enum jail_thread thread, enum probe_abi abi, uint64_t nr, int arg,
			uint64_t value, const char *what)
{
	struct keeper_run run;
	char word[128], text[8192], name[256];
	bool told;

	(void)snprintf(word, sizeof(word), "%d:%d:%llu:%d:%llu", (int)thread, (int)abi,
		       (unsigned long long)nr, arg + 1, (unsigned long long)value);
	start_keeper(&run, word);
	(void)snprintf(name, sizeof(name), "%s: the keeper is told of %s", judge_thread(thread),
		       what);
	told = await_keeper(&run) > 0;
	read_log(&run, text, sizeof(text));
	if (!judge_check(told && (strstr(text, "seccomp") || strstr(text, "system call 39")), name))
		printf("# %s\n", text);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	return remove(path);
}

int main(int argc, char **argv)
{
	char relative[4000];

	(void)argc;
	(void)snprintf(relative, sizeof(relative), "%s/../../bin", dirname(argv[0]));
	if (!realpath(relative, bin))
		die(relative);
	make_files();
	test_survey();
	for (enum jail_thread thread = 0; thread < JAIL_THREADS; thread++) {
		test_single(thread, PROBE_NATIVE, SYS_getpid, ARG_ANY, 0,
			    "a call outside the table");
		test_single(thread, PROBE_NATIVE, SYS_execve, ARG_ANY, 0, "an execve");
		test_single(thread, PROBE_NATIVE, SYS_mmap, 2, PROT_READ | PROT_EXEC,
			    "an executable mapping");
		test_single(thread, PROBE_NATIVE, SYS_execve | 0x40000000, ARG_ANY, 0,
			    "a call of x32");
		test_single(thread, PROBE_I386, 11, ARG_ANY, 0, "a call of i386");
	}
	(void)nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return judge_end();
}
