/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/*
 * The one table of configuration keys. config.example.toml says the same in words; a test keeps the
 * two together.
 */
#include "cli/config.h"

#include "base/bug.h"
#include "cli/limits.h"

#define AT(field) .offset = offsetof(struct config, field)
#define DAY	  86400ULL

const struct config_key config_keys[] = {
	{ "site", "default_ttl", CONFIG_DURATION, "7d", .min = 60, .max = 3650 * DAY,
	  AT(default_ttl_s) },
	{ "site", "max_ttl", CONFIG_DURATION, "90d", .min = 60, .max = 3650 * DAY, AT(max_ttl_s) },
	{ "site", "grace", CONFIG_DURATION, "0s", .max = 3650 * DAY, AT(grace_s) },
	{ "site", "max_grace", CONFIG_DURATION, "30d", .max = 3650 * DAY, AT(max_grace_s) },
	{ "site", "group", CONFIG_NAME, "mayfly", AT(host.group) },

	{ "paths", "state_dir", CONFIG_PATH_TYPE, "/var/lib/mayfly", AT(host.state_dir) },
	{ "paths", "run_dir", CONFIG_PATH_TYPE, "/run/mayfly", AT(host.run_dir) },
	{ "paths", "keeper", CONFIG_PATH_TYPE, "/usr/lib/mayfly/mayfly-keeper", AT(keeper),
	  .beside = "mayfly-keeper" },
	{ "paths", "monitor", CONFIG_PATH_TYPE, "/usr/lib/mayfly/mayfly-vmm", AT(host.monitor),
	  .beside = "mayfly-vmm" },
	{ "paths", "kernel", CONFIG_PATH_TYPE, "/usr/lib/mayfly/vmlinux", AT(kernel),
	  .beside = "../vmlinux" },
	{ "paths", "initrd", CONFIG_PATH_TYPE, "/usr/lib/mayfly/initrd.cpio", AT(initrd),
	  .beside = "../initrd.cpio" },
	{ "paths", "image", CONFIG_PATH_TYPE, "/usr/lib/mayfly/base.erofs", AT(image),
	  .beside = "../base.erofs" },

	{ "network", "pool4", CONFIG_POOL4, "10.215.0.0/16", .min = 8, .max = 30, AT(host.pool4) },
	{ "network", "pool6", CONFIG_POOL6, "fd6d:6179:666c:79::/64", AT(host.pool6) },
	{ "network", "ipv6", CONFIG_FLAG, .fallback_number = 1, AT(host.ipv6) },
	{ "network", "resolvers", CONFIG_ADDRESSES, .max = SPEC_MAX_RESOLVERS, AT(resolvers) },
	{ "network", "mark_base", CONFIG_NUMBER, .fallback_number = 0x4d460000, .min = 1,
	  .max = UINT32_MAX, AT(host.mark_base) },
	{ "network", "mark_mask", CONFIG_NUMBER, .fallback_number = 0xffff0000, .min = 1,
	  .max = UINT32_MAX, AT(host.mark_mask) },

	{ "jail", "uid_base", CONFIG_NUMBER, .fallback_number = 1900000000, .min = 1000,
	  .max = 4294900000, AT(host.uid_base) },
	{ "jail", "slots", CONFIG_NUMBER, .fallback_number = 1024, .min = 1, .max = 16384,
	  AT(host.slot_count) },
	{ "jail", "cgroup", CONFIG_REQUIRE, "require", AT(host.cgroup_required) },

	{ "sandbox", "memory", CONFIG_SIZE, "512M", .min = CONFIG_MEMORY_MIN,
	  .max = CONFIG_MEMORY_MAX, .step = CONFIG_MEMORY_STEP, AT(memory_bytes) },
	{ "sandbox", "cpus", CONFIG_NUMBER, .fallback_number = 1, .min = 1, .max = CONFIG_CPUS_MAX,
	  AT(cpus) },
	{ "sandbox", "disk", CONFIG_SIZE, "2G", .min = CONFIG_DISK_MIN, .max = CONFIG_DISK_MAX,
	  .step = CONFIG_DISK_STEP, AT(disk_bytes) },
	{ "sandbox", "account", CONFIG_NAME, "dev", AT(account) },
	{ "sandbox", "stop_timeout", CONFIG_SECONDS, "10s", .min = 1, .max = 600,
	  AT(host.stop_timeout_s) },

	{ "notices", "before", CONFIG_NOTICES, "24h 1h 10m", .min = 1, .max = 365 * DAY,
	  AT(host.notices_s) },
	{ "notices", "hook", CONFIG_HOOK, "", AT(host.hook) },
	{ "notices", "hook_timeout", CONFIG_SECONDS, "10s", .min = 1, .max = SPEC_HOOK_MAX_S,
	  AT(host.hook_timeout_s) },

	{ "policy", "max_cpus", CONFIG_NUMBER, .max = CONFIG_CPUS_MAX, AT(policy.max_cpus) },
	{ "policy", "max_memory", CONFIG_MIB, "none", .min = CONFIG_MEMORY_MIN,
	  AT(policy.max_memory_mib) },
	{ "policy", "max_disk", CONFIG_MIB, "none", .min = CONFIG_DISK_MIN,
	  AT(policy.max_disk_mib) },
	{ "policy", "total_sandboxes", CONFIG_NUMBER, .max = 1000000, AT(host.totals.sandboxes) },
	{ "policy", "total_cpus", CONFIG_NUMBER, .max = 1000000, AT(host.totals.cpus) },
	{ "policy", "total_memory", CONFIG_MIB, "none", .min = CONFIG_MEMORY_MIN,
	  AT(host.totals.memory_mib) },
	{ "policy", "total_disk", CONFIG_MIB, "none", .min = CONFIG_DISK_MIN,
	  AT(host.totals.disk_mib) },
	{ "policy", "images", CONFIG_FILES, AT(policy.images) },
	{ "policy", "kernels", CONFIG_FILES, AT(policy.kernels) },
	{ "policy", "users", CONFIG_NAMES, AT(policy.users) },
	{ "policy", "groups", CONFIG_NAMES, AT(policy.groups) },
	{ "policy", "egress", CONFIG_EGRESS, "any", AT(policy.egress) },

	{ "limits", "cpu_weight", CONFIG_NUMBER, .max = LIMITS_CPU_WEIGHT_MAX, AT(cpu_weight) },
	{ "limits", "cpu_max", CONFIG_NUMBER, .max = LIMITS_CPU_PERCENT_MAX, AT(cpu_max) },
	{ "limits", "io_read", CONFIG_RATE, "none", AT(io_read) },
	{ "limits", "io_write", CONFIG_RATE, "none", AT(io_write) },
	{ "limits", "net_rx", CONFIG_RATE, "none", .max = 1, AT(net_rx) },
	{ "limits", "net_tx", CONFIG_RATE, "none", .max = 1, AT(net_tx) },
	{ "limits", "disk", CONFIG_RATE, "none", .max = 1, AT(disk_rate) },
};

const size_t config_n_keys = ARRAY_SIZE(config_keys);
