/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/command.h"

#include <string.h>

/* The next NUL-terminated text of [*at, end), or NULL when there's none. */
static char *take_text(char **at, char *end)
{
	char *text = *at;
	char *nul = memchr(text, '\0', (size_t)(end - text));

	if (nul == NULL)
		return NULL;
	*at = nul + 1;
	return text;
}

static bool take_texts(char **at, char *end, char **out, uint32_t n)
{
	if (n > COMMAND_MAX_WORDS)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		out[i] = take_text(at, end);
		if (out[i] == NULL)
			return false;
	}
	out[n] = NULL;
	return true;
}

bool command_parse(char *bytes, size_t len, struct command *command)
{
	struct guest_exec head;
	char *at, *end;

	if (len < sizeof(head))
		return false;
	memcpy(&head, bytes, sizeof(head));
	command->flags = head.flags;
	command->winsize = head.winsize;
	at = bytes + sizeof(head);
	end = bytes + len;
	command->user = take_text(&at, end);
	command->cwd = command->user != NULL ? take_text(&at, end) : NULL;
	return command->cwd != NULL && head.n_args > 0 &&
	       take_texts(&at, end, command->args, head.n_args) &&
	       take_texts(&at, end, command->envs, head.n_envs);
}
