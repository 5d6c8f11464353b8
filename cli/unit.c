/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/unit.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

#define UNIT_NAME_SIZE 64
#define SCOPE_LOOKS    1000 /* of 10 ms */
/* longer than the longest sandbox.stop_timeout: systemd must not kill a keeper that is stopping its guest */
#define STOP_US	     (660ULL * 1000 * 1000)
#define SLICE_LOOKS  500
#define SLICE	     "mayfly.slice"
#define SLICE_CGROUP "/sys/fs/cgroup/" SLICE
#define MANAGER                                                                                    \
	"org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"

static void unit_name(const char *name, char out[UNIT_NAME_SIZE])
{
	(void)snprintf(out, UNIT_NAME_SIZE, "mayfly@%s.service", name);
}

bool unit_possible(void)
{
	return sd_booted() > 0 && access("/run/systemd/private", F_OK) == 0;
}

/*
 * The system bus, or systemd's own socket where no bus runs: root may use that too, as systemctl
 * does.
 */
static int open_manager(sd_bus **bus)
{
	int rc = sd_bus_open_system(bus);

	if (rc >= 0)
		return rc;
	rc = sd_bus_new(bus);
	if (rc >= 0)
		rc = sd_bus_set_address(*bus, "unix:path=/run/systemd/private");
	return rc < 0 ? rc : sd_bus_start(*bus);
}

static int bus_error(struct err *err, const sd_bus_error *error, int rc, const char *what)
{
	return err_set(err, ERR_FAILED, "%s: %s", what,
		       error->message != NULL ? error->message : err_errno_text(-rc));
}

/* One struct (path, argv, "failure is no failure") in ExecStart's array. */
static int append_command(sd_bus_message *message, char *const argv[])
{
	int rc = sd_bus_message_open_container(message, 'r', "sv");

	if (rc >= 0)
		rc = sd_bus_message_append(message, "s", "ExecStart");
	if (rc >= 0)
		rc = sd_bus_message_open_container(message, 'v', "a(sasb)");
	if (rc >= 0)
		rc = sd_bus_message_open_container(message, 'a', "(sasb)");
	if (rc >= 0)
		rc = sd_bus_message_open_container(message, 'r', "sasb");
	if (rc >= 0)
		rc = sd_bus_message_append(message, "s", argv[0]);
	if (rc >= 0)
		rc = sd_bus_message_append_strv(message, (char **)(uintptr_t)argv);
	if (rc >= 0)
		rc = sd_bus_message_append(message, "b", 0);
	for (int depth = 0; depth < 4 && rc >= 0; depth++)
		rc = sd_bus_message_close_container(message);
	return rc;
}

static int append_service(sd_bus_message *message, const char *name, const void *argv)
{
	char description[96];
	const uint64_t start_us = 180ULL * 1000 * 1000, stop_us = STOP_US;
	int rc;

	(void)snprintf(description, sizeof(description), "mayfly sandbox %s", name);
	rc = sd_bus_message_open_container(message, 'a', "(sv)");
	if (rc >= 0)
		rc = sd_bus_message_append(
			message, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s",
			description, "Type", "s", "notify", "Delegate", "b", 1, "KillMode", "s",
			"mixed", "Slice", "s", SLICE, "CollectMode", "s", "inactive-or-failed",
			"TimeoutStartUSec", "t", start_us, "TimeoutStopUSec", "t", stop_us);
	if (rc >= 0)
		rc = append_command(message, argv);
	return rc < 0 ? rc : sd_bus_message_close_container(message);
}

/* The properties of what is asked for; arg is theirs. */
typedef int append_fn(sd_bus_message *message, const char *name, const void *arg);

static int start_transient(const char *unit, append_fn *append, const char *name, const void *arg,
			   struct err *err)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *call = NULL;
	sd_bus *bus = NULL;
	int rc = open_manager(&bus);

	if (rc >= 0)
		rc = sd_bus_message_new_method_call(bus, &call, MANAGER, "StartTransientUnit");
	if (rc >= 0)
		rc = sd_bus_message_append(call, "ss", unit, "fail");
	if (rc >= 0)
		rc = append(call, name, arg);
	if (rc >= 0)
		rc = sd_bus_message_append(call, "a(sa(sv))", 0);
	if (rc >= 0)
		rc = sd_bus_call(bus, call, 0, &error, NULL);
	if (rc < 0)
		(void)bus_error(err, &error, rc, "systemd doesn't start the sandbox's unit");
	sd_bus_error_free(&error);
	sd_bus_message_unref(call);
	sd_bus_flush_close_unref(bus);
	return rc < 0 ? -1 : 0;
}

int unit_start(const char *name, char *const argv[], struct err *err)
{
	char unit[UNIT_NAME_SIZE];

	unit_name(name, unit);
	return start_transient(unit, append_service, name, argv, err);
}

static int append_scope(sd_bus_message *message, const char *name, const void *arg)
{
	char description[96];
	const uint64_t stop_us = STOP_US;

	(void)snprintf(description, sizeof(description), "mayfly sandbox %s in the foreground",
		       name);
	return sd_bus_message_append(message, "a(sv)", 6, "Description", "s", description, "Slice",
				     "s", SLICE, "Delegate", "b", 1, "CollectMode", "s",
				     "inactive-or-failed", "TimeoutStopUSec", "t", stop_us, "PIDs",
				     "au", 1, *(const uint32_t *)arg);
}

static bool is_in_cgroup(pid_t pid, const char *unit)
{
	char path[64], text[4096];
	struct err ignored;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	n = fd_read_file(AT_FDCWD, path, text, sizeof(text) - 1, &ignored);
	text[n < 0 ? 0 : n] = '\0';
	return strstr(text, unit) != NULL;
}

int unit_scope(const char *name, pid_t pid, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 10L * 1000 * 1000 };
	const uint32_t process = (uint32_t)pid;
	char unit[UNIT_NAME_SIZE];

	(void)snprintf(unit, sizeof(unit), "mayfly-%s.scope", name);
	if (start_transient(unit, append_scope, name, &process, err) < 0)
		return -1;
	for (int i = 0; i < SCOPE_LOOKS; i++) {
		if (is_in_cgroup(pid, unit))
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	return err_set(err, ERR_TIMEOUT, "systemd doesn't start %s in time", unit);
}

void unit_stop_slice(void)
{
	const struct timespec pause = { .tv_nsec = 10L * 1000 * 1000 };
	sd_bus *bus = NULL;
	int rc = open_manager(&bus);

	if (rc >= 0)
		rc = sd_bus_call_method(bus, MANAGER, "StopUnit", NULL, NULL, "ss", SLICE,
					"replace");
	for (int i = 0; rc >= 0 && i < SLICE_LOOKS && access(SLICE_CGROUP, F_OK) == 0; i++)
		(void)nanosleep(&pause, NULL);
	sd_bus_flush_close_unref(bus);
}

bool unit_is_dead(const char *name)
{
	char unit[UNIT_NAME_SIZE], *state = NULL, *path = NULL;
	sd_bus *bus = NULL;
	bool dead = false;

	unit_name(name, unit);
	if (open_manager(&bus) >= 0 &&
	    sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) >= 0 &&
	    sd_bus_get_property_string(bus, "org.freedesktop.systemd1", path,
				       "org.freedesktop.systemd1.Unit", "ActiveState", NULL,
				       &state) >= 0)
		dead = strcmp(state, "failed") == 0 || strcmp(state, "inactive") == 0;
	free(state);
	free(path);
	sd_bus_flush_close_unref(bus);
	return dead;
}
