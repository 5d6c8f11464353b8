/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/sshkey.h"

#include <bearssl.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/bug.h"
#include "base/fd.h"
#include "cli/base64.h"

#define POINT_SIZE 65 /* uncompressed point of P-256 */
#define BLOB_MAX   8192
#define FILE_MAX   65536

static const char own_type[] = "ecdsa-sha2-nistp256";
static const char own_curve[] = "nistp256";

/* RFC 4251 §5 "string". */
static size_t put_string(uint8_t *out, const void *data, size_t len)
{
	out[0] = out[1] = 0;
	out[2] = (uint8_t)(len >> 8);
	out[3] = (uint8_t)len;
	memcpy(out + 4, data, len);
	return 4 + len;
}

static void make_public_line(const br_ec_public_key *public, const char *comment, char *line,
			     size_t size)
{
	uint8_t blob[4 + sizeof(own_type) + 4 + sizeof(own_curve) + 4 + POINT_SIZE];
	char text[BASE64_SIZE(sizeof(blob))];
	size_t len = 0;

	BUG_ON(public->qlen != POINT_SIZE);
	len += put_string(blob + len, own_type, strlen(own_type));
	len += put_string(blob + len, own_curve, strlen(own_curve));
	len += put_string(blob + len, public->q, public->qlen);
	base64_encode(blob, len, text);
	(void)snprintf(line, size, "%s %s %s", own_type, text, comment);
}

static void make_private_pem(const br_ec_private_key *private, const br_ec_public_key *public,
			     char *pem, size_t size)
{
	uint8_t der[256];
	size_t len = br_encode_ec_raw_der(NULL, private, public);

	BUG_ON(len == 0 || len > sizeof(der));
	(void)br_encode_ec_raw_der(der, private, public);
	BUG_ON(br_pem_encode(NULL, der, len, BR_ENCODE_PEM_EC_RAW, BR_PEM_LINE64) >= size);
	(void)br_pem_encode(pem, der, len, BR_ENCODE_PEM_EC_RAW, BR_PEM_LINE64);
	explicit_bzero(der, sizeof(der));
}

int sshkey_make(struct sshkey *key, const char *comment, struct err *err)
{
	const br_ec_impl *ec = br_ec_get_default();
	uint8_t seed[32], private_bytes[BR_EC_KBUF_PRIV_MAX_SIZE],
		public_bytes[BR_EC_KBUF_PUB_MAX_SIZE];
	br_hmac_drbg_context random;
	br_ec_private_key private;
	br_ec_public_key public;
	bool made;

	memset(key, 0, sizeof(*key));
	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return err_sys(err, "can't draw a key");
	br_hmac_drbg_init(&random, &br_sha256_vtable, seed, sizeof(seed));
	made = br_ec_keygen(&random.vtable, ec, &private, private_bytes, BR_EC_secp256r1) != 0 &&
	       br_ec_compute_pub(ec, &public, public_bytes, &private) != 0;
	if (made) {
		make_private_pem(&private, &public, key->private_pem, sizeof(key->private_pem));
		make_public_line(&public, comment, key->public_line, sizeof(key->public_line));
	}
	explicit_bzero(seed, sizeof(seed));
	explicit_bzero(&random, sizeof(random));
	explicit_bzero(private_bytes, sizeof(private_bytes));
	return made ? 0
		    : err_set(err, ERR_FAILED, "can't make a key: P-256 is missing from BearSSL");
}

static bool type_is_known(const char *type, size_t len)
{
	static const char *const types[] = {
		"ssh-ed25519",
		"ecdsa-sha2-nistp256",
		"ecdsa-sha2-nistp384",
		"ecdsa-sha2-nistp521",
		"ssh-rsa",
		"sk-ssh-ed25519@openssh.com",
		"sk-ecdsa-sha2-nistp256@openssh.com",
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strlen(types[i]) == len && memcmp(types[i], type, len) == 0)
			return true;
	}
	return false;
}

/*
 * Does blob consist of whole RFC 4251 strings, at least two, the first of which is type? (All types
 * of ours do, but for the integers of ssh-rsa, which look the same.)
 */
static bool blob_is_whole(const uint8_t *blob, size_t len, const char *type, size_t type_len)
{
	size_t at = 0, strings = 0;

	while (at < len) {
		uint32_t n;

		if (len - at < 4)
			return false;
		n = (uint32_t)blob[at] << 24 | (uint32_t)blob[at + 1] << 16 |
		    (uint32_t)blob[at + 2] << 8 | blob[at + 3];
		at += 4;
		if (n > len - at)
			return false;
		if (strings++ == 0 && (n != type_len || memcmp(blob + at, type, n) != 0))
			return false;
		at += n;
	}
	return strings >= 2;
}

/*
 * The line goes into a file that sshd reads: nothing in it but printable text and, in the comment,
 * UTF-8.
 */
static bool is_clean(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == '\x7f')
			return false;
	}
	return true;
}

const char *sshkey_check_line(const char *line, size_t len)
{
	uint8_t blob[BLOB_MAX];
	const char *end = line + len, *type_end, *base64, *base64_end;
	size_t type_len;
	ssize_t blob_len;

	if (memmem(line, len, "PRIVATE KEY", 11) != NULL)
		return "this is a private key: give the public one (the file that ends in .pub)";
	if (!is_clean(line, len))
		return "not a public key: it holds control characters";
	type_end = memchr(line, ' ', len);
	type_len = type_end != NULL ? (size_t)(type_end - line) : len;
	if (!type_is_known(line, type_len))
		return "not a public key: a line begins with ssh-ed25519, ecdsa-sha2-nistp256, "
		       "ssh-rsa …";
	if (type_end == NULL)
		return "the key itself is missing after its type";
	base64 = type_end + 1;
	base64_end = memchr(base64, ' ', (size_t)(end - base64));
	if (base64_end == NULL)
		base64_end = end;
	blob_len = base64_decode(base64, (size_t)(base64_end - base64), blob, sizeof(blob));
	if (blob_len <= 0)
		return "the key is damaged: its second word is not base64";
	if (!blob_is_whole(blob, (size_t)blob_len, line, type_len))
		return "the key is damaged: it is cut short, or of another type than its first "
		       "word says";
	return NULL;
}

void sshkey_fingerprint(const char *line, char out[SSHKEY_FINGERPRINT_SIZE])
{
	const char *text = line + strcspn(line, " ");
	uint8_t blob[BLOB_MAX], digest[br_sha256_SIZE];
	char base64[BASE64_SIZE(br_sha256_SIZE)];
	br_sha256_context sha256;
	ssize_t n = -1;

	if (*text == ' ')
		n = base64_decode(text + 1, strcspn(text + 1, " \n"), blob, sizeof(blob));
	out[0] = '\0';
	if (n <= 0)
		return;
	br_sha256_init(&sha256);
	br_sha256_update(&sha256, blob, (size_t)n);
	br_sha256_out(&sha256, digest);
	base64_encode(digest, sizeof(digest), base64);
	base64[strcspn(base64, "=")] = '\0'; /* ssh leaves the padding out */
	(void)snprintf(out, SSHKEY_FINGERPRINT_SIZE, "SHA256:%s", base64);
}

const char *sshkey_next(const char *keys, struct sshkey_view *view)
{
	size_t len = strcspn(keys, "\n"), type = strcspn(keys, " \n"), comment;

	if (len == 0)
		return NULL;
	sshkey_fingerprint(keys, view->fingerprint);
	(void)snprintf(view->type, sizeof(view->type), "%.*s", (int)type, keys);
	comment = type < len ? type + 1 + strcspn(keys + type + 1, " \n") : len;
	if (comment < len)
		comment++;
	(void)snprintf(view->comment, sizeof(view->comment), "%.*s", (int)(len - comment),
		       keys + comment);
	return keys + len + (keys[len] == '\n');
}

/* Type and key, without the comment. */
static size_t bare_length(const char *line, size_t len)
{
	const char *blank = memchr(line, ' ', len);

	blank = blank != NULL ? memchr(blank + 1, ' ', (size_t)(line + len - blank - 1)) : NULL;
	return blank != NULL ? (size_t)(blank - line) : len;
}

static int append_line(char *keys, size_t size, const char *line, size_t len, const char *person)
{
	size_t used = strlen(keys);
	int n;

	if (person != NULL)
		len = bare_length(line, len);
	n = snprintf(keys + used, size - used, "%.*s%s%s\n", (int)len, line,
		     person != NULL ? " " : "", person != NULL ? person : "");
	if ((size_t)n < size - used)
		return 0;
	keys[used] = '\0';
	return -1;
}

static int take_lines(const char *path, const char *text, size_t text_len, const char *person,
		      char *keys, size_t size, struct err *err)
{
	const char *end = text + text_len;
	unsigned number = 0, taken = 0;

	for (const char *line = text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((newline != NULL ? newline : end) - line);
		const char *wrong;

		number++;
		if (len > 0 && line[len - 1] == '\r')
			len--;
		wrong = len > 0 && line[0] != '#' ? sshkey_check_line(line, len) : NULL;
		if (wrong != NULL)
			return err_set(err, ERR_USAGE, "%s:%u: %s", path, number, wrong);
		if (len > 0 && line[0] != '#') {
			if (append_line(keys, size, line, len, person) < 0)
				return err_set(err, ERR_USAGE, "%s:%u: too many keys", path,
					       number);
			taken++;
		}
		if (newline == NULL)
			break;
		line = newline + 1;
	}
	return taken > 0 ? 0 : err_set(err, ERR_USAGE, "%s: holds no public key", path);
}

bool sshkey_is_person(const char *person)
{
	size_t len = strlen(person);

	return len > 0 && len <= SSHKEY_PERSON_MAX && is_clean(person, len) &&
	       strchr(person, '\t') == NULL && person[0] != ' ' && person[len - 1] != ' ';
}

int sshkey_read_file(const char *path, const char *person, char *keys, size_t size, struct err *err)
{
	char text[FILE_MAX];
	struct stat st;
	ssize_t len;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(err, ERR_USAGE, "%s: not a regular file", path);
	len = fd_read_file(AT_FDCWD, path, text, sizeof(text), err);
	if (len < 0) {
		err->code = ERR_USAGE;
		return -1;
	}
	return take_lines(path, text, (size_t)len, person, keys, size, err);
}
