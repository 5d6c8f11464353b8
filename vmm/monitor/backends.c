/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "vmm/monitor/backends.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/num.h"
#include "vmm/monitor/event.h"

/* ---- disk */

static ssize_t backend_disk_preadv(void *ctx, const struct iovec *iov, int n, uint64_t offset)
{
	const struct backend_disk *disk = ctx;
	ssize_t done = preadv(disk->fd, iov, n, (off_t)offset);

	return done < 0 ? -errno : done;
}

static ssize_t backend_disk_pwritev(void *ctx, const struct iovec *iov, int n, uint64_t offset)
{
	const struct backend_disk *disk = ctx;
	ssize_t done = pwritev(disk->fd, iov, n, (off_t)offset);

	return done < 0 ? -errno : done;
}

static int backend_disk_flush(void *ctx)
{
	const struct backend_disk *disk = ctx;

	return fdatasync(disk->fd) < 0 ? -errno : 0;
}

static int backend_disk_zero(void *ctx, uint64_t offset, uint64_t len, bool unmap)
{
	const int how = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
	const struct backend_disk *disk = ctx;

	/* FALLOC_FL_ZERO_RANGE isn't in the filter: it takes space beyond a file's end, whatever the limits */
	if (!unmap)
		return -EOPNOTSUPP;
	return fallocate(disk->fd, how, (off_t)offset, (off_t)len) < 0 ? -errno : 0;
}

const struct blk_backend backend_disk_ops = { backend_disk_preadv, backend_disk_pwritev,
					      backend_disk_flush, backend_disk_zero };

int backend_disk_open(struct backend_disk *disk, uint32_t index, bool read_only, struct err *err)
{
	off_t size;
	int flags;

	disk->fd = LAUNCH_FD_DISK0 + (int)index;
	flags = fcntl(disk->fd, F_GETFL);
	size = lseek(disk->fd, 0, SEEK_END); /* block devices too */
	if (flags < 0 || size < 0)
		return err_sys(err, "disk %u", index);
	if (!read_only && (flags & O_ACCMODE) != O_RDWR)
		return err_set(err, ERR_USAGE, "disk %u: is not read-only, but its descriptor is",
			       index);
	disk->capacity_bytes = (uint64_t)size;
	return 0;
}

/* ---- tap */

static ssize_t backend_tap_send(void *ctx, const struct iovec *iov, int n)
{
	ssize_t done = writev(LAUNCH_FD_TAP, iov, n);

	(void)ctx;
	return done < 0 ? -errno : done;
}

static ssize_t backend_tap_recv(void *ctx, const struct iovec *iov, int n)
{
	struct bucket *limit = ctx;
	ssize_t done;

	if (limit != NULL && !bucket_is_open(limit))
		return -EAGAIN;
	done = readv(LAUNCH_FD_TAP, iov, n);
	if (limit != NULL && done > 0)
		bucket_take(limit, (uint64_t)done);
	return done < 0 ? -errno : done;
}

const struct net_backend backend_tap_ops = { backend_tap_send, backend_tap_recv };

int backend_tap_open(struct err *err)
{
	const unsigned long offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	int header_len = NET_HDR_LEN;
	int flags = fcntl(LAUNCH_FD_TAP, F_GETFL);

	if (flags < 0 || fcntl(LAUNCH_FD_TAP, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    syscall(SYS_ioctl, LAUNCH_FD_TAP, TUNSETVNETHDRSZ, &header_len) < 0 ||
	    syscall(SYS_ioctl, LAUNCH_FD_TAP, TUNSETOFFLOAD, offloads) < 0)
		return err_sys(err, "tap");
	return 0;
}

/* ---- console ring */

static void backend_ring_put(struct backend_ring *ring, const uint8_t *src, uint64_t len)
{
	uint64_t at, part;

	while (len > 0) {
		at = ring->written % ring->size;
		part = num_min_u64(len, ring->size - at);
		memcpy(ring->bytes + at, src, part);
		ring->written += part;
		src += part;
		len -= part;
	}
}

static void backend_ring_write(void *ctx, const struct iovec *iov, int n)
{
	struct backend_ring *ring = ctx;

	for (int i = 0; i < n; i++)
		backend_ring_put(ring, iov[i].iov_base, iov[i].iov_len);
	/* the keeper, in another process, reads it before the bytes */
	__atomic_store_n(&ring->head->written, ring->written, __ATOMIC_RELEASE);
	attach_output(&ring->attach, iov, n);
}

const struct console_backend backend_ring_ops = { backend_ring_write };

int backend_ring_open(struct backend_ring *ring, uint32_t memfd_bytes, struct err *err)
{
	struct launch_ring *head;

	head = mmap(NULL, memfd_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, LAUNCH_FD_CONSOLE, 0);
	if (head == MAP_FAILED)
		return err_sys(err, "console ring");
	*ring = (struct backend_ring){ .head = head,
				       .bytes = (uint8_t *)(head + 1),
				       .size = memfd_bytes - sizeof(*head) };
	attach_init(&ring->attach);
	head->size = ring->size;
	head->written = 0;
	return 0;
}

/* ---- guest memory */

static bool backend_memory_release(void *ctx, void *at, uint64_t len)
{
	(void)ctx;
	return madvise(at, len, MADV_DONTNEED) == 0;
}

const struct balloon_backend backend_memory_ops = { backend_memory_release };

/* ---- entropy */

static ssize_t backend_random_fill(void *ctx, const struct iovec *iov, int n)
{
	ssize_t done = readv(LAUNCH_FD_URANDOM, iov, n);

	(void)ctx;
	return done < 0 ? -errno : done;
}

const struct rng_backend backend_random_ops = { backend_random_fill };

/* ---- vsock streams */

static ssize_t backend_streams_read(void *ctx, uint32_t slot, const struct iovec *iov, int n)
{
	const struct backend_streams *streams = ctx;
	ssize_t done = readv(streams->slots[slot].fd, iov, n);

	return done < 0 ? -errno : done;
}

static ssize_t backend_streams_write(void *ctx, uint32_t slot, const struct iovec *iov, int n)
{
	const struct backend_streams *streams = ctx;
	ssize_t done = writev(streams->slots[slot].fd, iov, n);

	return done < 0 ? -errno : done;
}

static void backend_streams_shutdown(void *ctx, uint32_t slot)
{
	const struct backend_streams *streams = ctx;

	(void)shutdown(streams->slots[slot].fd, SHUT_WR);
}

static void backend_streams_closed(void *ctx, uint32_t slot)
{
	struct backend_streams *streams = ctx;

	streams->slots[slot].over = true;
	streams->any_over = true;
	event_raise(streams->wake_fd);
}

const struct vsock_backend backend_streams_ops = { backend_streams_read, backend_streams_write,
						   backend_streams_shutdown,
						   backend_streams_closed };

void backend_streams_init(struct backend_streams *streams, int wake_fd)
{
	*streams = (struct backend_streams){ .wake_fd = wake_fd };
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++)
		streams->slots[i].fd = -1;
}

void backend_streams_reap(struct backend_streams *streams)
{
	if (!streams->any_over)
		return;
	streams->any_over = false;
	for (uint32_t i = 0; i < VSOCK_MAX_CONNS; i++) {
		if (!streams->slots[i].over)
			continue;
		streams->slots[i].over = false;
		(void)close(streams->slots[i].fd);
		streams->slots[i].fd = -1;
	}
}
