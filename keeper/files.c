/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

enum { FILES_KERNEL, FILES_IMAGE, FILES_COUNT };

static bool files_is_known(const uint8_t digest[SPEC_DIGEST_SIZE])
{
	static const uint8_t unknown[SPEC_DIGEST_SIZE];

	return memcmp(digest, unknown, SPEC_DIGEST_SIZE) != 0;
}

/* All descriptors of the packet, so that none stays open unseen; -1 where there is none. */
static void files_take_fds(struct msghdr *message, int fds[FILES_COUNT])
{
	struct cmsghdr *head = CMSG_FIRSTHDR(message);

	for (size_t i = 0; i < FILES_COUNT; i++)
		fds[i] = -1;
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(int[FILES_COUNT])))
		memcpy(fds, CMSG_DATA(head), sizeof(int[FILES_COUNT]));
}

static int files_recv(int socket, struct ctl_files *files, int fds[FILES_COUNT], struct err *err)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int[FILES_COUNT]))];
	} control;
	struct iovec iov = { files, sizeof(*files) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n != (ssize_t)sizeof(*files) || files->version != CTL_VERSION)
		return err_set(err, ERR_FAILED,
			       "kernel and image were not handed over: CLI and keeper must be of "
			       "one version");
	files_take_fds(&message, fds);
	return 0;
}

/* Plain, not empty, and nothing that could be written through. */
static int files_check(int fd, const char *path, struct err *err)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (fd < 0 || flags < 0 || (flags & O_ACCMODE) != O_RDONLY || fstat(fd, &st) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_size == 0)
		return err_set(err, ERR_USAGE,
			       "%s is not a plain file, or empty, or not handed over to be read",
			       path);
	return 0;
}

int files_receive(struct keeper *k, int socket, struct err *err)
{
	auto_fd inherited = socket;
	int fds[FILES_COUNT] = { -1, -1 };

	if (inherited < 0)
		return 0;
	if (files_recv(inherited, &k->files, fds, err) < 0)
		return -1;
	k->kernel_fd = fds[FILES_KERNEL];
	k->image_fd = fds[FILES_IMAGE];
	if (files_check(k->kernel_fd, k->spec.kernel, err) < 0)
		return -1;
	return files_check(k->image_fd, k->spec.image, err);
}

int files_open_plain(const char *path, int *fd, struct err *err)
{
	*fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (*fd < 0)
		return err_sys(err, "can't open %s", path);
	return files_check(*fd, path, err);
}

int files_open(struct keeper *k, struct err *err)
{
	if (!files_is_known(k->spec.kernel_sha256) && !files_is_known(k->spec.image_sha256)) {
		fd_close(&k->kernel_fd);
		fd_close(&k->image_fd);
		if (files_open_plain(k->spec.kernel, &k->kernel_fd, err) < 0)
			return -1;
		return files_open_plain(k->spec.image, &k->image_fd, err);
	}
	if (k->kernel_fd < 0 || k->image_fd < 0)
		return err_set(
			err, ERR_FAILED,
			"nobody handed over kernel and image: a keeper is started by mayfly");
	if (memcmp(k->files.kernel_sha256, k->spec.kernel_sha256, SPEC_DIGEST_SIZE) != 0 ||
	    memcmp(k->files.image_sha256, k->spec.image_sha256, SPEC_DIGEST_SIZE) != 0)
		return err_set(err, ERR_FAILED,
			       "kernel or image that were handed over are not those of the spec: "
			       "try again");
	return 0;
}
