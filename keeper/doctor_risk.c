/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Doctor's notes: what no jail can mend, and how it leaks. Nothing here makes create fail. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "keeper/doctor.h"

#define CPU "/sys/devices/system/cpu"

static enum doctor_level check_nested(const struct host_config *host, struct doctor_finding *f)
{
	char text[4096];

	(void)host;
	if (!doctor_read("/proc/cpuinfo", text, sizeof(text)) || !strstr(text, " hypervisor"))
		return doctor_say(f, DOCTOR_GOOD, "", "this is no virtual machine");
	return doctor_say(f, DOCTOR_NOTE, "use a machine of metal where either matters",
			  "this host is a virtual machine: sandboxes run nested, slower, and no "
			  "safer than what it runs on");
}

static enum doctor_level check_smt(const struct host_config *host, struct doctor_finding *f)
{
	(void)host;
	if (doctor_number(CPU "/smt/active") != 1)
		return doctor_say(f, DOCTOR_GOOD, "", "no two threads share a core");
	return doctor_say(
		f, DOCTOR_NOTE, "boot with nosmt where sandboxes distrust each other, or accept it",
		"SMT is on: a guest can time what its neighbour on the same core does, and "
		"learn keys from it");
}

/* Guest memory is a private mapping or a memfd that nobody has marked MADV_MERGEABLE; PR_SET_MEMORY_MERGE is inherited. */
static enum doctor_level check_ksm(const struct host_config *host, struct doctor_finding *f)
{
	(void)host;
	if (doctor_number("/sys/kernel/mm/ksm/run") != 1)
		return doctor_say(f, DOCTOR_GOOD, "", "equal pages are not merged");
	return doctor_say(f, DOCTOR_NOTE, "echo 2 > /sys/kernel/mm/ksm/run",
			  "KSM merges equal pages: by the time a write takes, one process learns "
			  "what another holds in memory");
}

static enum doctor_level check_swap(const struct host_config *host, struct doctor_finding *f)
{
	char text[1024];

	(void)host;
	if (!doctor_read("/proc/swaps", text, sizeof(text)) || !strchr(text, '\n'))
		return doctor_say(f, DOCTOR_GOOD, "", "nothing is swapped");
	return doctor_say(f, DOCTOR_NOTE, "encrypt the swap device, or swapoff -a",
			  "swap is on: keys can reach the disk; a guest's memory too, where its "
			  "cgroup limits are not enforced");
}

static enum doctor_level check_mitigations(const struct host_config *host, struct doctor_finding *f)
{
	DIR *dir = opendir(CPU "/vulnerabilities");
	char names[96] = "", path[320], text[256];
	struct dirent *entry;
	size_t used = 0;

	(void)host;
	if (!dir)
		return doctor_say(
			f, DOCTOR_NOTE, "use a newer kernel",
			"the kernel doesn't say which faults of the processor it mitigates");
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), CPU "/vulnerabilities/%s", entry->d_name);
		if (doctor_read(path, text, sizeof(text)) && strncmp(text, "Vulnerable", 10) == 0 &&
		    used < sizeof(names))
			used += (size_t)snprintf(names + used, sizeof(names) - used, " %s",
						 entry->d_name);
	}
	(void)closedir(dir);
	if (!names[0])
		return doctor_say(f, DOCTOR_GOOD, "",
				  "every known fault of the processor is mitigated");
	return doctor_say(f, DOCTOR_NOTE,
			  "install the processor's microcode, and boot without mitigations=off",
			  "not mitigated, so that a guest may read others' memory through the "
			  "processor:%s",
			  names);
}

const struct doctor_row doctor_risk_rows[] = {
	{ "nested", check_nested, false },
	{ "smt", check_smt, false },
	{ "ksm", check_ksm, false },
	{ "swap", check_swap, false },
	{ "mitigations", check_mitigations, false },
	{ 0 },
};
