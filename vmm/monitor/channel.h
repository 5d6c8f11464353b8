/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef VMM_MONITOR_CHANNEL_H
#define VMM_MONITOR_CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/proto/launch.h"

/* The keeper's channel (base/proto/launch.h). All of it works within the I/O thread's filter. */
#define CHANNEL_EXIT_FAILED 1 /* exit code after LAUNCH_MSG_FAILED */
#define CHANNEL_EXIT_END    0 /* exit code after LAUNCH_MSG_END, and when the keeper is gone */

/* Send a message with len bytes behind its head. Errors are ignored: a dead keeper is seen by channel_receive. */
void channel_send(enum launch_msg_type type, const void *body, size_t len);

/* The jail stands, without the walls named in jail_flags (enum jail_enter_flags). */
void channel_ready(uint32_t jail_flags);

/* Receive a message: *head, and up to size bytes behind it; *fd gets the descriptor that came along, -1 without one
 * (when several came, all but the first are closed). flags: 0, or MSG_DONTWAIT. Bytes behind the head, -1 with errno
 * (ENOTCONN: the keeper is gone; EBADMSG: shorter than a head, too long or truncated; no fd then). */
ssize_t channel_receive(struct launch_msg *head, void *body, size_t size, int *fd, int flags);

/* Say what went wrong and exit. */
noreturn void channel_fail(const struct err *err);

/* Say why the guest ended and exit. */
noreturn void channel_end(enum launch_end_reason reason, uint32_t detail);

#endif
