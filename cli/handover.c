/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/handover.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/proto/ctl.h"
#include "base/str.h"
#include "cli/digest.h"
#include "cli/guestfile.h"

/* One of the two, with where the spec has what is known of it. */
struct part {
	enum guestfile_kind kind;
	const char *what; /* as messages call it */
	char *path;
	uint8_t *digest;
	uint32_t vouched; /* spec flag: a digest beside it says the same */
	int *fd;
};

static int mismatch(const struct part *part, const uint8_t *wanted, const uint8_t *found,
		    const char *whose, const char *mend, struct err *err)
{
	char wanted_text[DIGEST_TEXT_SIZE], found_text[DIGEST_TEXT_SIZE];

	return err_set(err, ERR_FAILED, "%s %.200s: %s%s, found %s%s", part->what, part->path,
		       whose, digest_text(wanted, wanted_text), digest_text(found, found_text),
		       mend);
}

/* Open it, hash what is open. *vouched: a digest beside it says the same; one that says another is an error. */
static int open_part(const struct host_config *host, const struct part *part,
		     uint8_t digest[SPEC_DIGEST_SIZE], bool *vouched, struct err *err)
{
	uint8_t beside[SPEC_DIGEST_SIZE];
	char real[SPEC_PATH_SIZE] = "";
	int rc;

	*part->fd = guestfile_open(part->kind, part->what, part->path, real, err);
	if (*part->fd < 0)
		return -1;
	memset(part->path, 0, SPEC_PATH_SIZE);
	(void)str_copy(part->path, SPEC_PATH_SIZE, real);
	if (digest_of(host, *part->fd, part->path, digest, err) < 0)
		return -1;
	rc = digest_beside(part->path, beside, err);
	*vouched = rc > 0;
	if (rc > 0 && memcmp(beside, digest, sizeof(beside)) != 0)
		return mismatch(part, beside, digest, "not what it was made as: expected SHA-256 ",
				"", err);
	return rc < 0 ? -1 : 0;
}

static int take_part(struct spec *spec, const struct part *part, struct err *err)
{
	bool vouched;

	if (open_part(&spec->host, part, part->digest, &vouched, err) < 0)
		return -1;
	spec->flags = vouched ? spec->flags | part->vouched : spec->flags & ~part->vouched;
	return 0;
}

static struct part kernel_part(struct handover *handover, struct spec *spec, const char *what)
{
	return (struct part){ GUESTFILE_KERNEL,	   what,
			      spec->kernel,	   spec->kernel_sha256,
			      SPEC_KERNEL_VOUCHED, &handover->kernel_fd };
}

static struct part image_part(struct handover *handover, struct spec *spec, const char *what)
{
	return (struct part){ GUESTFILE_IMAGE,	  what,
			      spec->image,	  spec->image_sha256,
			      SPEC_IMAGE_VOUCHED, &handover->image_fd };
}

int handover_take(struct handover *handover, struct spec *spec, const char *kernel_what,
		  const char *image_what, struct err *err)
{
	const struct part kernel = kernel_part(handover, spec, kernel_what);
	const struct part image = image_part(handover, spec, image_what);

	return take_part(spec, &kernel, err) < 0 ? -1 : take_part(spec, &image, err);
}

int handover_check(const struct host_config *host, enum guestfile_kind kind, const char *what,
		   const char *path, struct err *err)
{
	uint8_t digest[SPEC_DIGEST_SIZE];
	char copy[SPEC_PATH_SIZE];
	auto_fd fd = -1;
	const struct part part = { .kind = kind, .what = what, .path = copy, .fd = &fd };
	bool vouched;

	if (!str_copy(copy, sizeof(copy), path))
		return err_set(err, ERR_USAGE, "%s %.200s: path too long", what, path);
	return open_part(host, &part, digest, &vouched, err);
}

static int take_part_again(struct spec *spec, const struct part *part,
			   enum handover_changes allowed, struct err *err)
{
	uint8_t digest[SPEC_DIGEST_SIZE];
	bool vouched;

	if (open_part(&spec->host, part, digest, &vouched, err) < 0)
		return -1;
	if (memcmp(digest, part->digest, sizeof(digest)) == 0)
		return 0;
	if (digest_is_known(part->digest) && allowed != HANDOVER_ANY &&
	    !(allowed == HANDOVER_VOUCHED && vouched))
		return mismatch(part, part->digest, digest, "has changed since: expected SHA-256 ",
				allowed == HANDOVER_SAME ? ""
							 : "; put the old one back, or "
							   "`mayfly start --accept-changed`",
				err);
	if (digest_is_known(part->digest))
		log_info("%s: its %s is another one than before: %s", spec->name, part->what,
			 part->path);
	memcpy(part->digest, digest, sizeof(digest));
	spec->flags = vouched ? spec->flags | part->vouched : spec->flags & ~part->vouched;
	return 0;
}

int handover_take_again(struct handover *handover, struct spec *spec, enum handover_changes allowed,
			struct err *err)
{
	const struct part kernel = kernel_part(handover, spec, "kernel");
	const struct part image = image_part(handover, spec, "image");

	if (take_part_again(spec, &kernel, allowed, err) < 0)
		return -1;
	return take_part_again(spec, &image, allowed, err);
}

static int send_both(const struct handover *handover, const struct spec *spec, int socket,
		     struct err *err)
{
	const int fds[2] = { handover->kernel_fd, handover->image_fd };
	struct ctl_files files = { .version = CTL_VERSION };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = { 0 };
	struct iovec iov = { &files, sizeof(files) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	memcpy(files.kernel_sha256, spec->kernel_sha256, sizeof(files.kernel_sha256));
	memcpy(files.image_sha256, spec->image_sha256, sizeof(files.image_sha256));
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(head), fds, sizeof(fds));
	if (sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sizeof(files))
		return err_sys(err, "can't hand kernel and image to the keeper");
	return 0;
}

int handover_pack(const struct handover *handover, const struct spec *spec, struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "can't hand kernel and image to the keeper");
	auto_fd ours = pair[0], theirs = pair[1];
	if (send_both(handover, spec, ours, err) < 0)
		return -1;
	if (fcntl(theirs, F_SETFD, 0) < 0)
		return err_sys(err, "can't leave the keeper its files");
	return fd_take(&theirs);
}

void handover_close(struct handover *handover)
{
	fd_close(&handover->kernel_fd);
	fd_close(&handover->image_fd);
}
