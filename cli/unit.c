/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "jail/cgroup.h"

#define UNIT_NAME_SIZE 64
#define SCOPE_LOOKS    1000 /* of 10 ms */
/* longer than the longest sandbox.stop_timeout: systemd must not kill a keeper that is stopping its guest */
#define STOP_US	     (660ULL * 1000 * 1000)
#define SLICE_LOOKS  500
#define UNIT_LOOKS   500
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

static int ask_transient(sd_bus *bus, const char *unit, append_fn *append, const char *name,
			 const void *arg, sd_bus_error *error)
{
	sd_bus_message *call = NULL;
	int rc = sd_bus_message_new_method_call(bus, &call, MANAGER, "StartTransientUnit");

	if (rc >= 0)
		rc = sd_bus_message_append(call, "ss", unit, "fail");
	if (rc >= 0)
		rc = append(call, name, arg);
	if (rc >= 0)
		rc = sd_bus_message_append(call, "a(sa(sv))", 0);
	if (rc >= 0)
		rc = sd_bus_call(bus, call, 0, error, NULL);
	sd_bus_message_unref(call);
	return rc;
}

/* The unit of a sandbox that has just stopped may still be on its way out. */
static int start_transient(const char *unit, append_fn *append, const char *name, const void *arg,
			   struct err *err)
{
	const struct timespec pause = { .tv_nsec = 10L * 1000 * 1000 };
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus *bus = NULL;
	int rc = open_manager(&bus);

	if (rc >= 0)
		rc = ask_transient(bus, unit, append, name, arg, &error);
	for (int i = 0; rc == -EEXIST && i < UNIT_LOOKS; i++) {
		(void)nanosleep(&pause, NULL);
		sd_bus_error_free(&error);
		rc = ask_transient(bus, unit, append, name, arg, &error);
	}
	if (rc < 0)
		(void)bus_error(err, &error, rc, "systemd doesn't start the sandbox's unit");
	sd_bus_error_free(&error);
	sd_bus_flush_close_unref(bus);
	return rc < 0 ? -1 : 0;
}

/* ---- the template ---- */

/* What is known of mayfly@NAME.service once systemd has looked for its files. */
struct loaded {
	bool file;    /* a unit file makes it, the template's or its own */
	bool is_ours; /* and that runs this program */
};

/* The first word of ExecStart: a(sasbttttuii), its first s. */
static int read_program(sd_bus *bus, const char *path, char *out, size_t size)
{
	sd_bus_message *reply = NULL;
	const char *text = NULL;
	int rc = sd_bus_get_property(bus, "org.freedesktop.systemd1", path,
				     "org.freedesktop.systemd1.Service", "ExecStart", NULL, &reply,
				     "a(sasbttttuii)");

	if (rc >= 0)
		rc = sd_bus_message_enter_container(reply, 'a', "(sasbttttuii)");
	if (rc > 0)
		rc = sd_bus_message_enter_container(reply, 'r', "sasbttttuii");
	if (rc > 0)
		rc = sd_bus_message_read(reply, "s", &text);
	(void)snprintf(out, size, "%s", rc > 0 && text != NULL ? text : "");
	sd_bus_message_unref(reply);
	return rc;
}

static bool own_program(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size - 1);

	out[n < 0 ? 0 : n] = '\0';
	return n > 0;
}

static struct loaded look_at_unit(sd_bus *bus, const char *unit)
{
	char program[PATH_MAX], own[PATH_MAX];
	struct loaded loaded = { 0 };
	sd_bus_message *reply = NULL;
	const char *path = NULL;
	char *file = NULL;
	int transient = 1;

	if (sd_bus_call_method(bus, MANAGER, "LoadUnit", NULL, &reply, "s", unit) >= 0 &&
	    sd_bus_message_read(reply, "o", &path) > 0 &&
	    sd_bus_get_property_string(bus, "org.freedesktop.systemd1", path,
				       "org.freedesktop.systemd1.Unit", "FragmentPath", NULL,
				       &file) >= 0 &&
	    sd_bus_get_property_trivial(bus, "org.freedesktop.systemd1", path,
					"org.freedesktop.systemd1.Unit", "Transient", NULL, 'b',
					&transient) >= 0) {
		loaded.file = file[0] != '\0' && !transient;
		(void)read_program(bus, path, program, sizeof(program));
		loaded.is_ours =
			loaded.file && own_program(own, sizeof(own)) && strcmp(program, own) == 0;
	}
	free(file);
	sd_bus_message_unref(reply);
	return loaded;
}

/* The name of NAME's unit, and whether a file of ours makes it. */
static bool choose_unit(const char *name, const char *config_path, char unit[UNIT_NAME_SIZE])
{
	struct loaded loaded = { 0 };
	sd_bus *bus = NULL;

	unit_name(name, unit);
	if (open_manager(&bus) >= 0)
		loaded = look_at_unit(bus, unit);
	sd_bus_flush_close_unref(bus);
	if (loaded.file && (!loaded.is_ours || config_path != NULL))
		(void)snprintf(unit, UNIT_NAME_SIZE, "mayfly-%s.service", name);
	return loaded.is_ours && config_path == NULL;
}

static int start_installed(const char *unit, struct err *err)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus *bus = NULL;
	int rc = open_manager(&bus);

	if (rc >= 0)
		rc = sd_bus_call_method(bus, MANAGER, "StartUnit", &error, NULL, "ss", unit,
					"replace");
	if (rc < 0)
		(void)bus_error(err, &error, rc, "systemd doesn't start the sandbox's unit");
	sd_bus_error_free(&error);
	sd_bus_flush_close_unref(bus);
	return rc < 0 ? -1 : 0;
}

int unit_start(const char *name, const char *config_path, struct err *err)
{
	char unit[UNIT_NAME_SIZE], own[PATH_MAX], config[PATH_MAX];
	const char *args[7];
	char *argv[ARRAY_SIZE(args)];
	size_t n = 0;

	if (choose_unit(name, config_path, unit))
		return start_installed(unit, err);
	if (!own_program(own, sizeof(own)))
		return err_sys(err, "/proc/self/exe");
	args[n++] = own;
	if (config_path != NULL) {
		if (realpath(config_path, config) == NULL)
			return err_sys(err, "%s", config_path);
		args[n++] = "--config";
		args[n++] = config;
	}
	args[n++] = "start";
	args[n++] = "--foreground";
	args[n++] = name;
	args[n] = NULL;
	for (size_t i = 0; i <= n; i++)
		argv[i] = (char *)(uintptr_t)args[i];
	return start_transient(unit, append_service, name, argv, err);
}

/* ---- where this process is ---- */

bool unit_is_own(const char *name)
{
	char path[CGROUP_PATH_SIZE], unit[UNIT_NAME_SIZE], other[UNIT_NAME_SIZE];
	const char *leaf;
	struct err ignored;

	if (cgroup_own(path, &ignored) < 0 || (leaf = strrchr(path, '/')) == NULL)
		return false;
	unit_name(name, unit);
	(void)snprintf(other, sizeof(other), "mayfly-%s.service", name);
	return strcmp(leaf + 1, unit) == 0 || strcmp(leaf + 1, other) == 0;
}

/* systemd marks what it has delegated, since version 240. */
bool unit_is_delegated(void)
{
	char path[CGROUP_PATH_SIZE], value[8] = "";
	struct err ignored;

	return cgroup_own(path, &ignored) == 0 &&
	       getxattr(path, "trusted.delegate", value, sizeof(value) - 1) > 0 &&
	       strcmp(value, "1") == 0;
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

/* Something is to be done with the unit: it waits for its own end, say, to be started again. */
static bool has_job(sd_bus *bus, const char *path)
{
	sd_bus_message *reply = NULL;
	uint32_t job = 0;

	if (sd_bus_get_property(bus, "org.freedesktop.systemd1", path,
				"org.freedesktop.systemd1.Unit", "Job", NULL, &reply, "(uo)") >= 0)
		(void)sd_bus_message_read(reply, "(uo)", &job, NULL);
	sd_bus_message_unref(reply);
	return job != 0;
}

bool unit_is_dead(const char *name, const char *config_path)
{
	char unit[UNIT_NAME_SIZE], *state = NULL, *path = NULL;
	sd_bus *bus = NULL;
	bool dead = false;

	(void)choose_unit(name, config_path, unit);
	if (open_manager(&bus) >= 0 &&
	    sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) >= 0 &&
	    !has_job(bus, path) &&
	    sd_bus_get_property_string(bus, "org.freedesktop.systemd1", path,
				       "org.freedesktop.systemd1.Unit", "ActiveState", NULL,
				       &state) >= 0)
		dead = strcmp(state, "failed") == 0 || strcmp(state, "inactive") == 0;
	free(state);
	free(path);
	sd_bus_flush_close_unref(bus);
	return dead;
}
