/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

/*
 * What a mistyped word may have been. Offer each word that would have done; the nearest one is kept,
 * as long as it is near enough to be meant. Pure.
 */
struct nearest {
	const char *typed;
	const char *word; /* the nearest so far, or NULL */
	unsigned
		edits; /* letters put in, left out, changed or swapped, to come from typed to word */
};

void nearest_offer(struct nearest *nearest, const char *word);

#endif
