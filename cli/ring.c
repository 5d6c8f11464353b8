/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/ring.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proto/launch.h"

#define RING_MAX   (64u << 20)
#define RING_TRIES 100 /* to read a chunk before the writer overtakes it */

int ring_open(struct ring *ring, const char *path, struct err *err)
{
	struct stat st;

	ring->at = 0;
	ring->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (ring->fd < 0)
		return err_sys(err, "%s", path);
	if (fstat(ring->fd, &st) < 0 || st.st_size <= (off_t)sizeof(struct launch_ring) ||
	    st.st_size > RING_MAX) {
		fd_close(&ring->fd);
		return err_set(err, ERR_FAILED, "%s: not a console ring", path);
	}
	ring->size = (uint64_t)st.st_size - sizeof(struct launch_ring);
	return 0;
}

void ring_close(struct ring *ring)
{
	fd_close(&ring->fd);
}

static int ring_head(const struct ring *ring, struct launch_ring *head)
{
	return pread(ring->fd, head, sizeof(*head), 0) == (ssize_t)sizeof(*head) ? 0 : -1;
}

int ring_written(const struct ring *ring, uint64_t *written, struct err *err)
{
	struct launch_ring head;

	if (ring_head(ring, &head) < 0)
		return err_set(err, ERR_FAILED, "the console ring can't be read");
	*written = head.written;
	return 0;
}

ssize_t ring_read(struct ring *ring, char *buf)
{
	struct launch_ring head;
	uint64_t offset, n;

	for (int i = 0; i < RING_TRIES; i++) {
		if (ring_head(ring, &head) < 0)
			return -1;
		if (head.written < ring->at) /* a writer that counts back has lost its say */
			return 0;
		if (head.written - ring->at > ring->size)
			ring->at = head.written - ring->size;
		n = head.written - ring->at;
		offset = ring->at % ring->size;
		if (n > RING_CHUNK)
			n = RING_CHUNK;
		if (n > ring->size - offset)
			n = ring->size - offset;
		if (n == 0)
			return 0;
		/* the head again after the bytes: were they overtaken? */
		if (pread(ring->fd, buf, n, (off_t)(sizeof(head) + offset)) != (ssize_t)n ||
		    ring_head(ring, &head) < 0)
			return -1;
		if (head.written >= ring->at && head.written - ring->at > ring->size)
			continue;
		ring->at += n;
		return (ssize_t)n;
	}
	return -1;
}
