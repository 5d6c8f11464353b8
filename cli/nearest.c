/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "cli/nearest.h"

#include <string.h>

#define LONGEST 31

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Letters put in, left out, changed, or swapped with their neighbour; row i is about a's first i. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[LONGEST + 1][LONGEST + 1];
	size_t n = strlen(a), m = strlen(b);

	for (size_t i = 0; i <= n; i++) {
		for (size_t j = 0; j <= m; j++) {
			unsigned *here = &rows[i][j];

			if (i == 0 || j == 0) {
				*here = (unsigned)(i + j);
				continue;
			}
			*here = least(least(rows[i - 1][j], rows[i][j - 1]) + 1,
				      rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				*here = least(*here, rows[i - 2][j - 2] + 1);
		}
	}
	return rows[n][m];
}

void nearest_offer(struct nearest *nearest, const char *word)
{
	size_t typed = strlen(nearest->typed);
	unsigned edits, most = typed < 5 ? 1 : 2;

	if (typed < 2 || typed > LONGEST || strlen(word) > LONGEST)
		return;
	edits = distance(nearest->typed, word);
	if (edits > most || (nearest->word != NULL && edits >= nearest->edits))
		return;
	nearest->word = word;
	nearest->edits = edits;
}
