/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * logs: the console ring of a running sandbox (struct launch_ring, written by its monitor), or the
 * tail that was kept of the last run. The head is the monitor's to write: nothing in it is believed
 * but how far it says to have come.
 */
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/proto/launch.h"
#include "cli/target.h"
#include "cli/text.h"
#include "store/lock.h"
#include "store/paths.h"

#define CHUNK	   16384
#define RING_MAX   (64u << 20)
#define RING_TRIES 100 /* to read a chunk before the writer overtakes it */

const struct opt verb_logs_options[] = {
	{ 'f', "follow", NULL, "go on as it writes, until it ends" },
	{ 0 },
};

struct output {
	bool escape;
	char rest[4]; /* the beginning of a character */
	size_t n_rest;
};

static int put(struct output *output, const char *bytes, size_t len, struct err *err)
{
	static char joined[CHUNK + 4], escaped[TEXT_ESCAPED_SIZE(CHUNK + 4)];
	size_t used = len, n = len;

	if (output->escape) {
		memcpy(joined, output->rest, output->n_rest);
		memcpy(joined + output->n_rest, bytes, len);
		len += output->n_rest;
		n = text_escape(joined, len, escaped, &used);
		output->n_rest = len - used;
		memcpy(output->rest, joined + used, output->n_rest);
		bytes = escaped;
	}
	return fd_write_all(STDOUT_FILENO, bytes, n) < 0 ? err_sys(err, "can't write to stdout")
							 : 0;
}

struct ring {
	int fd;
	uint64_t size; /* bytes behind the head, from the file's own size */
	uint64_t at;   /* next byte to print, counted from the beginning of time */
};

static int ring_open(struct ring *ring, const char *path, struct err *err)
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

/*
 * Up to CHUNK bytes into buf: their number, 0 when there are no more now, -1 on a read error. What
 * the writer has overtaken meanwhile is left out: the head is read again after the bytes.
 */
static ssize_t ring_read(struct ring *ring, char *buf)
{
	struct launch_ring head;
	uint64_t offset, n;

	for (int i = 0; i < RING_TRIES; i++) {
		if (pread(ring->fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
			return -1;
		if (head.written < ring->at) /* a writer that counts back has lost its say */
			return 0;
		if (head.written - ring->at > ring->size)
			ring->at = head.written - ring->size;
		n = head.written - ring->at;
		offset = ring->at % ring->size;
		if (n > CHUNK)
			n = CHUNK;
		if (n > ring->size - offset)
			n = ring->size - offset;
		if (n == 0)
			return 0;
		if (pread(ring->fd, buf, n, (off_t)(sizeof(head) + offset)) != (ssize_t)n ||
		    pread(ring->fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
			return -1;
		if (head.written >= ring->at && head.written - ring->at > ring->size)
			continue;
		ring->at += n;
		return (ssize_t)n;
	}
	return -1;
}

/* What there is now; what is written meanwhile waits for the next call, else a guest that writes without end would be
 * printed without end. */
static int print_now(struct ring *ring, struct output *output, struct err *err)
{
	static char buf[CHUNK];
	struct launch_ring head;
	ssize_t n = pread(ring->fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) ? 1 : -1;

	while (n > 0 && ring->at < head.written && (n = ring_read(ring, buf)) > 0) {
		if (put(output, buf, (size_t)n, err) < 0)
			return -1;
	}
	return n < 0 ? err_set(err, ERR_FAILED, "the console ring can't be read") : 0;
}

/* The keeper's lock tells the end; what was written just before is printed after it. */
static int print_ring(const struct host_config *host, const char *id, bool follow,
		      struct output *output, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	char path[PATHS_SIZE], lock[PATHS_SIZE];
	struct ring ring;
	bool alive;
	int rc;

	if (ring_open(&ring, paths_run(host, id, "console", path), err) < 0)
		return -1;
	(void)paths_run(host, id, "lock", lock);
	do {
		alive = follow && lock_is_held(lock);
		rc = print_now(&ring, output, err);
		if (rc == 0 && alive)
			(void)nanosleep(&pause, NULL);
	} while (rc == 0 && alive);
	fd_close(&ring.fd);
	return rc;
}

static int print_tail(const char *path, struct output *output, struct err *err)
{
	static char buf[CHUNK];
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return err_sys(err, "%s", path);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (put(output, buf, (size_t)n, err) < 0)
			return -1;
	}
	return n < 0 ? err_sys(err, "%s", path) : 0;
}

int verb_logs(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct opts opts = { .cli = cli, .argc = argc, .argv = argv };
	struct output output = { .escape = isatty(STDOUT_FILENO) == 1 };
	char id[ID_SIZE], path[PATHS_SIZE], **words;
	const char *value;
	bool follow = false;
	int option, n;

	while ((option = opt_next(&opts, &value, err)) > 0)
		follow = true;
	if (option < 0)
		return -1;
	words = opt_rest(&opts, &n);
	if (n != 1)
		return cli_usage(cli, err, n < 1 ? "the name is missing" : "one name, please");
	if (cli_begin(cli, err) < 0 || target_find(&cli->config.host, words[0], id, err) < 0)
		return -1;
	if (print_ring(&cli->config.host, id, follow, &output, err) == 0)
		return 0;
	if (err->os_errno == EACCES)
		return err_set(err, ERR_FAILED,
			       "%s: only root and the group %s may read its console", words[0],
			       cli->config.host.group);
	if (err->os_errno != ENOENT)
		return -1;
	if (print_tail(paths_sandbox(&cli->config.host, id, "console-tail", path), &output, err) <
	    0)
		return err->os_errno == ENOENT
			       ? err_set(err, ERR_FAILED, "%s has written nothing yet", words[0])
			       : -1;
	return 0;
}
