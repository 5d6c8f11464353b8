/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/account.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "guest-init/files.h"
#include "guest-init/say.h"

#define KEYS	 "/run/mayfly/authorized_keys"
#define HOST_KEY "/run/mayfly/host_key"

static const char sshd_config[] = "HostKey " HOST_KEY "\n"
				  "AuthorizedKeysFile " KEYS "\n"
				  "PermitRootLogin prohibit-password\n"
				  "PasswordAuthentication no\n"
				  "KbdInteractiveAuthentication no\n"
				  "UsePAM no\n"
				  "UseDNS no\n"
				  "PrintMotd yes\n"
				  "PidFile none\n"
				  "AcceptEnv LANG LC_*\n"
				  "Subsystem sftp internal-sftp\n";

static const char *login_shell(void)
{
	return access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
}

static void make_account(const char *name)
{
	char key[64], line[256], home[64];

	(void)snprintf(key, sizeof(key), "%s:", name);
	(void)snprintf(home, sizeof(home), "/home/%s", name);
	(void)snprintf(line, sizeof(line), "%s:x:%u:%u::%s:%s\n", name, ACCOUNT_UID, ACCOUNT_UID,
		       home, login_shell());
	(void)files_append_once("/etc/passwd", key, line);
	(void)snprintf(line, sizeof(line), "%s:x:%u:\n", name, ACCOUNT_UID);
	(void)files_append_once("/etc/group", key, line);
	(void)snprintf(line, sizeof(line), "%s:*:19000:0:99999:7:::\n", name);
	(void)files_append_once("/etc/shadow", key, line);
	(void)files_mkdir("/home", 0755);
	if (mkdir(home, 0750) < 0 && errno != EEXIST)
		say("%s: %s", home, err_errno_text(errno));
	if (chown(home, ACCOUNT_UID, ACCOUNT_UID) < 0)
		say("%s: %s", home, err_errno_text(errno));
}

static void set_hostname(const char *hostname)
{
	char line[256];

	if (sethostname(hostname, strlen(hostname)) < 0)
		say("hostname: %s", err_errno_text(errno));
	(void)snprintf(line, sizeof(line), "%s\n", hostname);
	(void)files_write("/etc/hostname", 0644, line, strlen(line));
	(void)snprintf(line, sizeof(line), "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n",
		       hostname);
	(void)files_write("/etc/hosts", 0644, line, strlen(line));
}

void account_set_up(const struct config *config)
{
	const struct guest_config *record = &config->record;

	set_hostname(record->hostname);
	if (record->account[0] != '\0')
		make_account(record->account);
	(void)files_mkdir("/run/mayfly", 0755);
	(void)files_mkdir("/run/sshd", 0755);
	(void)files_write(KEYS, 0644, config->authorized_keys, record->authorized_keys_len);
	(void)files_write(HOST_KEY, 0600, config->host_key, record->host_key_len);
	(void)files_write(ACCOUNT_SSHD_CONFIG, 0644, sshd_config, sizeof(sshd_config) - 1);
}
