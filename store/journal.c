/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fd.h"
#include "base/str.h"
#include "store/paths.h"

static const char *const journal_words[] = {
	[JOURNAL_INTENT] = "intent",
	[JOURNAL_FACT] = "fact",
	[JOURNAL_GONE] = "gone",
	[JOURNAL_EVENT] = "event",
};

/* A line that a crash tore must not swallow the one that comes next, nor pass for a whole one: a NUL makes it none. */
static void journal_mend(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char last;

	if (size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n')
		(void)!write(fd, "\0\n", 2);
}

int journal_open(const struct host_config *host, const char *id, bool create, struct err *err)
{
	char path[PATHS_SIZE];
	int fd = open(paths_sandbox(host, id, "journal", path),
		      O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0600);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "there is no %s", path);
	if (fd < 0)
		return err_sys(err, "can't open %s", path);
	journal_mend(fd);
	return fd;
}

/* All of the line, durable, or nothing of it: a full disk takes its first half alone. */
static int journal_put(int fd, const char *line, size_t len, struct err *err)
{
	off_t before = lseek(fd, 0, SEEK_END);

	if (fd_write_all(fd, line, len) == 0 && fdatasync(fd) == 0)
		return 0;
	(void)err_sys(err, "can't write the journal");
	if (before >= 0)
		(void)!ftruncate(fd, before);
	return -1;
}

/* One write(2) a line: a crash tears at most the last one, which the parser then refuses. */
static int journal_append(int fd, enum journal_word word, const char *rest, struct err *err)
{
	char line[JOURNAL_LINE_MAX];
	int n = snprintf(line, sizeof(line) - 1, "%lld %s %s", (long long)time(NULL),
			 journal_words[word], rest);

	if (fd < 0)
		return 0;
	BUG_ON(n < 0);
	if ((size_t)n >= sizeof(line) - 1)
		n = (int)sizeof(line) - 2;
	for (int i = 0; i < n; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			line[i] = '?';
	line[n++] = '\n';
	return journal_put(fd, line, (size_t)n, err);
}

int journal_intent(int fd, const char *kind, const char *name, struct err *err)
{
	char rest[JOURNAL_LINE_MAX];

	(void)snprintf(rest, sizeof(rest), "%s %s", kind, name);
	return journal_append(fd, JOURNAL_INTENT, rest, err);
}

int journal_gone(int fd, const char *kind, const char *name, const char *look, struct err *err)
{
	char rest[JOURNAL_LINE_MAX];

	(void)snprintf(rest, sizeof(rest), "%s %s look=%s", kind, name, look);
	return journal_append(fd, JOURNAL_GONE, rest, err);
}

int journal_fact(int fd, struct err *err, const char *kind, const char *name, const char *fmt, ...)
{
	char rest[JOURNAL_LINE_MAX];
	int n = snprintf(rest, sizeof(rest), "%s %s ", kind, name);
	va_list ap;

	BUG_ON(n < 0 || (size_t)n >= sizeof(rest));
	va_start(ap, fmt);
	(void)vsnprintf(rest + n, sizeof(rest) - (size_t)n, fmt, ap);
	va_end(ap);
	return journal_append(fd, JOURNAL_FACT, rest, err);
}

int journal_event(int fd, struct err *err, const char *fmt, ...)
{
	char rest[JOURNAL_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(rest, sizeof(rest), fmt, ap);
	va_end(ap);
	return journal_append(fd, JOURNAL_EVENT, rest, err);
}

/* Take the next blank-separated word of *text into out; false when there is none or it is too long. */
static bool journal_take_word(const char **text, char *out, size_t size)
{
	size_t n = strcspn(*text, " ");

	if (n == 0 || n >= size)
		return false;
	memcpy(out, *text, n);
	out[n] = '\0';
	*text += n;
	if (**text == ' ')
		(*text)++;
	return true;
}

static bool journal_word_of(const char *text, enum journal_word *word)
{
	for (size_t i = JOURNAL_INTENT; i < ARRAY_SIZE(journal_words); i++)
		if (strcmp(text, journal_words[i]) == 0) {
			*word = (enum journal_word)i;
			return true;
		}
	return false;
}

bool journal_parse(const char *text, size_t len, struct journal_line *line)
{
	char copy[JOURNAL_LINE_MAX], word[16];
	const char *p = copy;
	uint64_t at_s;

	if (len >= sizeof(copy) || memchr(text, '\0', len))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	memset(line, 0, sizeof(*line));
	if (!journal_take_word(&p, word, sizeof(word)) || !str_to_u64(word, INT64_MAX, &at_s) ||
	    !journal_take_word(&p, word, sizeof(word)) || !journal_word_of(word, &line->word))
		return false;
	line->at_s = (long long)at_s;
	if (line->word != JOURNAL_EVENT &&
	    (!journal_take_word(&p, line->kind, sizeof(line->kind)) ||
	     !journal_take_word(&p, line->name, sizeof(line->name))))
		return false;
	return str_copy(line->text, sizeof(line->text), p);
}

int journal_each(const char *path, bool (*visit)(const struct journal_line *line, void *arg),
		 void *arg, struct err *err)
{
	FILE *file = fopen(path, "re");
	struct journal_line line;
	char *text = NULL;
	size_t size = 0;
	ssize_t n;
	int rc = 0;

	if (!file && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "there is no %s", path);
	if (!file)
		return err_sys(err, "can't open %s", path);
	while ((n = getline(&text, &size, file)) > 0) {
		if (text[n - 1] != '\n' || !journal_parse(text, (size_t)n - 1, &line))
			continue;
		if (!visit(&line, arg))
			break;
	}
	if (ferror(file))
		rc = err_sys(err, "can't read %s", path);
	free(text);
	(void)fclose(file);
	return rc;
}

void journal_residue(const struct journal_line *line, char *residue, size_t size)
{
	if (line->word != JOURNAL_EVENT)
		return;
	if (strncmp(line->text, "residue ", 8) == 0)
		(void)str_copy(residue, size, line->text + 8);
	else if (strncmp(line->text, "starting ", 9) == 0 || strncmp(line->text, "gone ", 5) == 0 ||
		 strncmp(line->text, "stopped ", 8) == 0)
		residue[0] = '\0';
}

bool journal_value(const char *text, const char *key, char *out, size_t size)
{
	size_t key_len = strlen(key);

	while (*text) {
		size_t n = strcspn(text, " ");

		if (n > key_len && text[key_len] == '=' && strncmp(text, key, key_len) == 0) {
			if (n - key_len - 1 >= size)
				return false;
			memcpy(out, text + key_len + 1, n - key_len - 1);
			out[n - key_len - 1] = '\0';
			return true;
		}
		text += n;
		text += strspn(text, " ");
	}
	return false;
}
