/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * Errors of the host's or the operator's making are values: a function returns 0, or -1 with a caller-owned
 * struct err filled. It is wrapped going up (err_wrap) and printed once, by a main.c.
 * Codes are the exit codes of the programs, so that the place that knows the cause names the code.
 */
enum err_code {
	ERR_NONE = 0,
	ERR_FAILED = 1, /* anything that has no code of its own */
	ERR_USAGE = 2,	/* the request is wrong: flag, value, name, configuration */
	ERR_NOT_FOUND = 3,
	ERR_EXISTS = 4,
	ERR_RESIDUE = 5, /* destroyed, but something is still there */
	ERR_TIMEOUT = 124,
};

#define ERR_TEXT_MAX 512

/* Between what is wrong and the sentence that mends it, where a text has both. */
#define ERR_MEND ". Mend: "

struct err {
	int code;     /* enum err_code */
	int os_errno; /* errno of the call that failed, 0 if there was none */
	char text[ERR_TEXT_MAX];
};

/* Set code and text (printf form, one line, no final newline). Always returns -1, so that `return err_set(…)` reads. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set with ERR_FAILED, appending ": " and the text of the current errno. */
int err_sys(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "context: " before the text; code stays. Returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Text of an errno without locale or allocation ("ENOENT (No such file or directory)" form is not promised). */
const char *err_errno_text(int os_errno);

#endif
