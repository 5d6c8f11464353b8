/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/* Keys: what we make, OpenSSH reads; what users bring is looked at closely. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bug.h"
#include "cli/base64.h"
#include "cli/sshkey.h"

static char dir[] = "/tmp/mayfly-test-sshkey-XXXXXX";

static void write_file(const char *name, const char *text, char path[128])
{
	FILE *file;

	(void)snprintf(path, 128, "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

/* First line of a command's stdout; its exit code. */
static int first_line(const char *command, char *line, size_t size)
{
	FILE *pipe = popen(command, "r");

	assert_non_null(pipe);
	line[0] = '\0';
	if (fgets(line, (int)size, pipe) != NULL)
		line[strcspn(line, "\n")] = '\0';
	return pclose(pipe);
}

static void test_openssh_reads_both(void **state)
{
	char public_path[128], private_path[128], command[256], a[512], b[512];
	struct sshkey key;
	struct err err;

	(void)state;
	assert_int_equal(sshkey_make(&key, "web", &err), 0);
	write_file("key.pub", key.public_line, public_path);
	write_file("key", key.private_pem, private_path);
	(void)snprintf(command, sizeof(command), "ssh-keygen -l -f %s", public_path);
	assert_int_equal(first_line(command, a, sizeof(a)), 0);
	assert_non_null(strstr(a, "256 SHA256:"));
	assert_non_null(strstr(a, " web (ECDSA)"));
	/* the public key that OpenSSH derives from the private one is ours; it knows no comment */
	(void)snprintf(command, sizeof(command), "ssh-keygen -y -f %s", private_path);
	assert_int_equal(first_line(command, b, sizeof(b)), 0);
	assert_true(strlen(b) > 100);
	assert_memory_equal(key.public_line, b, strlen(b));
	assert_null(sshkey_check_line(key.public_line, strlen(key.public_line)));
	(void)unlink(private_path);
	(void)unlink(public_path);
}

static void test_keys_differ(void **state)
{
	struct sshkey a, b;
	struct err err;

	(void)state;
	assert_int_equal(sshkey_make(&a, "x", &err), 0);
	assert_int_equal(sshkey_make(&b, "x", &err), 0);
	assert_string_not_equal(a.public_line, b.public_line);
	assert_string_not_equal(a.private_pem, b.private_pem);
}

/* What ssh-keygen makes is accepted, of every type it makes without hardware. */
static void test_accepts_openssh(void **state)
{
	static const char *const types[] = { "ed25519", "ecdsa -b 256", "ecdsa -b 384",
					     "ecdsa -b 521", "rsa -b 2048" };
	char command[256], line[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		(void)snprintf(command, sizeof(command),
			       "ssh-keygen -q -t %s -N '' -C 'a comment' -f %s/k && cat %s/k.pub "
			       "&& rm %s/k %s/k.pub",
			       types[i], dir, dir, dir, dir);
		assert_int_equal(first_line(command, line, sizeof(line)), 0);
		if (sshkey_check_line(line, strlen(line)) != NULL)
			fail_msg("%s: %s", line, sshkey_check_line(line, strlen(line)));
	}
}

#define ED "AAAAC3NzaC1lZDI1NTE5AAAAIBVoxyDpYR8ytWEeoSlSgGOGj7lbYRhBjJBUj4BSpCB2"

static void test_refuses(void **state)
{
	static const struct {
		const char *line, *why;
	} cases[] = {
		{ "", "not a public key" },
		{ "hello", "not a public key" },
		{ "ssh-dss AAAAB3NzaC1kc3M=", "not a public key" },
		{ "-----BEGIN OPENSSH PRIVATE KEY-----", "private key" },
		{ "-----BEGIN RSA PRIVATE KEY-----", "private key" },
		{ "ssh-ed25519", "missing" },
		{ "ssh-ed25519 ", "damaged" },
		{ "ssh-ed25519 !!!!", "damaged" },
		{ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBVoxyDpYR8ytWEeoSlSgGOGj7lbYRhBjJBUj4BSpC",
		  "damaged" },
		{ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "damaged" },
		{ "ssh-rsa " ED, "another type" },
		{ "command=\"x\" ssh-ed25519 " ED, "not a public key" },
		{ "ssh-ed25519 " ED " a\x1b[2Jb", "control characters" },
		{ "ssh-ed25519 " ED "\tx", "damaged" },
	};

	(void)state;
	assert_null(sshkey_check_line("ssh-ed25519 " ED, strlen("ssh-ed25519 " ED)));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *why = sshkey_check_line(cases[i].line, strlen(cases[i].line));

		if (why == NULL || strstr(why, cases[i].why) == NULL)
			fail_msg("\"%s\": %s", cases[i].line, why != NULL ? why : "accepted");
	}
}

static void test_fingerprint(void **state)
{
	char path[128], command[256], theirs[512], ours[SSHKEY_FINGERPRINT_SIZE];
	struct sshkey key;
	struct err err;

	(void)state;
	assert_int_equal(sshkey_make(&key, "web", &err), 0);
	write_file("key.pub", key.public_line, path);
	(void)snprintf(command, sizeof(command), "ssh-keygen -l -f %s", path);
	assert_int_equal(first_line(command, theirs, sizeof(theirs)), 0);
	(void)unlink(path);
	sshkey_fingerprint(key.public_line, ours);
	assert_int_equal(strlen(ours), strlen("SHA256:") + 43);
	assert_non_null(strstr(theirs, ours));
	sshkey_fingerprint("ecdsa-sha2-nistp256", ours);
	assert_string_equal(ours, "");
	sshkey_fingerprint("ecdsa-sha2-nistp256 ====", ours);
	assert_string_equal(ours, "");
}

static void test_files(void **state)
{
	char path[128], keys[256] = "", where[160];
	struct err err;

	(void)state;
	write_file("good", "# mine\n\nssh-ed25519 " ED " one\r\nssh-ed25519 " ED, path);
	assert_int_equal(sshkey_read_file(path, NULL, keys, sizeof(keys), &err), 0);
	assert_string_equal(keys, "ssh-ed25519 " ED " one\nssh-ed25519 " ED "\n");
	assert_int_equal(sshkey_read_file(path, NULL, keys, sizeof(keys), &err), -1);
	assert_non_null(strstr(err.text, "too many keys"));
	write_file("good", "# nothing\n", path);
	assert_int_equal(sshkey_read_file(path, NULL, keys, sizeof(keys), &err), -1);
	assert_int_equal(err.code, 2);
	write_file("good", "ssh-ed25519 " ED "\nrubbish\n", path);
	keys[0] = '\0';
	assert_int_equal(sshkey_read_file(path, NULL, keys, sizeof(keys), &err), -1);
	(void)snprintf(where, sizeof(where), "%s:2: ", path);
	assert_memory_equal(err.text, where, strlen(where));
	(void)unlink(path);
	assert_int_equal(sshkey_read_file(path, NULL, keys, sizeof(keys), &err), -1);
	assert_int_equal(sshkey_read_file(dir, NULL, keys, sizeof(keys), &err), -1);
	assert_int_equal(sshkey_read_file("/dev/zero", NULL, keys, sizeof(keys), &err), -1);
}

static void test_base64(void **state)
{
	static const char *const plain[] = { "", "f", "fo", "foo", "foob", "fooba", "foobar" };
	static const char *const coded[] = { "",	 "Zg==",     "Zm8=",	"Zm9v",
					     "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };
	static const char *const bad[] = { "Z",	   "Zg",       "Zg=",	"Zh==", "Zm9=",
					   "=Zg=", "Zg==Zg==", "Zm\n9", "Z===", "Zm9v=" };
	uint8_t bytes[16];
	char text[BASE64_SIZE(6)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		base64_encode((const uint8_t *)plain[i], strlen(plain[i]), text);
		assert_string_equal(text, coded[i]);
		assert_int_equal(base64_decode(coded[i], strlen(coded[i]), bytes, sizeof(bytes)),
				 strlen(plain[i]));
		assert_memory_equal(bytes, plain[i], strlen(plain[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (base64_decode(bad[i], strlen(bad[i]), bytes, sizeof(bytes)) >= 0)
			fail_msg("%s", bad[i]);
	}
	assert_int_equal(base64_decode("Zm9vYmFy", 8, bytes, 5), -1);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openssh_reads_both),
		cmocka_unit_test(test_keys_differ),
		cmocka_unit_test(test_accepts_openssh),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_fingerprint),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_base64),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
