/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/mke2fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "store/paths.h"

#define MKE2FS_MS	120000
#define MKE2FS_TOO_LONG 125
#define MKE2FS_NO_ROOM	126
#define MKE2FS_MISSING	127

_Noreturn static void mke2fs_become(const char *path, int said, pid_t parent)
{
	char *const env[] = { (char[]){ "PATH=/usr/sbin:/sbin:/usr/bin:/bin" }, NULL };
	char file[PATHS_SIZE];
	char *const args[] = {
		(char[]){ "mke2fs" },
		(char[]){ "-q" },
		(char[]){ "-F" },
		(char[]){ "-t" },
		(char[]){ "ext4" },
		(char[]){ "-m" },
		(char[]){ "0" },
		(char[]){ "-E" },
		(char[]){ "lazy_itable_init=1,lazy_journal_init=1,nodiscard" },
		file,
		NULL,
	};
	sigset_t none;

	(void)str_copy(file, sizeof(file), path);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
	    dup2(said, STDERR_FILENO) < 0)
		_exit(1);
	(void)execve("/usr/sbin/mke2fs", args, env);
	(void)execve("/sbin/mke2fs", args, env);
	_exit(MKE2FS_MISSING);
}

/* The first line of what it said. */
static int mke2fs_failed(const char *path, int said, struct err *err)
{
	char text[200];
	ssize_t n = pread(said, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return err_set(err, ERR_FAILED, "mke2fs failed on %s: %s", path,
		       text[0] ? text : "it does not say why");
}

static pid_t mke2fs_fork(int cgroup_fd)
{
	struct clone_args args = { .exit_signal = SIGCHLD };

	if (cgroup_fd >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (unsigned)cgroup_fd;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int mke2fs_start(struct mke2fs *job, const char *path, int fd, uint64_t bytes, int cgroup_fd,
		 struct err *err)
{
	const pid_t parent = getpid();

	job->said = memfd_create("mke2fs-says", MFD_CLOEXEC);
	job->pid = job->said < 0 ? -1 : mke2fs_fork(cgroup_fd);
	if (job->pid == 0 && ftruncate(fd, (off_t)bytes) < 0)
		_exit(errno == EFBIG ? MKE2FS_TOO_LONG : MKE2FS_NO_ROOM);
	if (job->pid == 0)
		mke2fs_become(path, job->said, parent);
	if (job->pid > 0)
		return 0;
	(void)err_sys(err, "can't start mke2fs");
	fd_close(&job->said);
	job->pid = 0;
	return -1;
}

static int mke2fs_judge(const siginfo_t *info, const char *path, uint64_t bytes, int said,
			struct err *err)
{
	if (info->si_code != CLD_EXITED)
		return mke2fs_failed(path, said, err);
	switch (info->si_status) {
	case 0:
		return 0;
	case MKE2FS_MISSING:
		return err_set(err, ERR_FAILED, "there is no mke2fs; install e2fsprogs");
	case MKE2FS_TOO_LONG:
	case MKE2FS_NO_ROOM:
		return err_set(err, ERR_FAILED, "can't make %s %llu bytes long: %s", path,
			       (unsigned long long)bytes,
			       err_errno_text(info->si_status == MKE2FS_TOO_LONG ? EFBIG : ENOSPC));
	default:
		return mke2fs_failed(path, said, err);
	}
}

int mke2fs_wait(struct mke2fs *job, const char *path, uint64_t bytes, struct err *err)
{
	auto_fd pidfd = (int)syscall(SYS_pidfd_open, job->pid, 0);
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };
	const pid_t pid = job->pid;
	auto_fd said = job->said;
	siginfo_t info = { 0 };

	*job = (struct mke2fs){ 0 };
	if (pidfd < 0 || poll(&wait, 1, MKE2FS_MS) <= 0)
		(void)kill(pid, SIGKILL); /* our child, not yet waited for */
	if (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0)
		return err_sys(err, "can't wait for mke2fs");
	return mke2fs_judge(&info, path, bytes, said, err);
}

void mke2fs_stop(struct mke2fs *job)
{
	if (job->pid <= 0)
		return;
	(void)kill(job->pid, SIGKILL);
	(void)waitpid(job->pid, NULL, 0);
	fd_close(&job->said);
	job->pid = 0;
}
