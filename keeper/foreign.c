/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * Rules are read as nft(8) prints them, one a line. A rule's matches are decided one after the other for one packet: yes,
 * no, or perhaps. A verdict behind a yes ends the walk; behind a perhaps it is only remembered.
 */
#include "keeper/foreign.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/str.h"

#define FOREIGN_DEPTH 16
#define FOREIGN_TOKEN 256

enum answer { NO, PERHAPS, YES };

/* What a chain says of a packet; END: nothing, go on behind the jump. */
enum outcome { END, ACCEPT, DROP };

struct walk {
	const char *listing;
	const struct foreign_packet *packet;
	bool may_pass; /* something undecided could have let it pass */
	int depth;
};

/* ---- words of a rule ---- */

/* The next word, a quoted text without its quotes, or a whole {…}; false at the end of the line. */
static bool next_word(const char **at, char word[FOREIGN_TOKEN])
{
	const char *start = *at + strspn(*at, " \t"), *end;
	size_t len;

	if (*start == '\0' || *start == '\n')
		return false;
	if (*start == '"') {
		start++;
		end = start + strcspn(start, "\"\n");
		*at = end + (*end == '"');
	} else if (*start == '{') {
		end = start + strcspn(start, "}\n");
		end += *end == '}';
		*at = end;
	} else {
		end = start + strcspn(start, " \t\n");
		*at = end;
	}
	len = (size_t)(end - start);
	len = len < FOREIGN_TOKEN ? len : FOREIGN_TOKEN - 1;
	memcpy(word, start, len);
	word[len] = '\0';
	return true;
}

static bool is(const char *word, const char *wanted)
{
	return strcmp(word, wanted) == 0;
}

/* An interface that isn't known is still none of ours, and not the loopback. */
static enum answer names_one(const char *name, const char *interface)
{
	if (interface[0] == '\0')
		return strncmp(name, ID_TAP_PREFIX, strlen(ID_TAP_PREFIX)) == 0 || is(name, "lo")
			       ? NO
			       : PERHAPS;
	return fnmatch(name, interface, 0) == 0 ? YES : NO;
}

/* An interface name of a rule, maybe with a star at its end, or a {…} of such. */
static enum answer names_interface(char *names, const char *interface)
{
	enum answer best = NO;
	char *save = NULL;

	if (names[0] == '@' || names[0] == '$')
		return PERHAPS;
	if (names[0] != '{')
		return names_one(names, interface);
	for (char *name = strtok_r(names, "{}, \"", &save); name;
	     name = strtok_r(NULL, "{}, \"", &save)) {
		enum answer answer = names_one(name, interface);

		best = answer > best ? answer : best;
	}
	return best;
}

static enum answer names_state(char *states, const struct foreign_packet *packet)
{
	char *save = NULL;

	for (char *state = strtok_r(states, "{}, ", &save); state;
	     state = strtok_r(NULL, "{}, ", &save))
		if (is(state, packet->established ? "established" : "new"))
			return YES;
	return NO;
}

static enum answer unless(bool negated, enum answer answer)
{
	if (!negated || answer == PERHAPS)
		return answer;
	return answer == YES ? NO : YES;
}

/* The value of a match, behind a != too. */
static bool value_of(const char **at, char word[FOREIGN_TOKEN], bool *negated)
{
	bool there = next_word(at, word);

	*negated = there && is(word, "!=");
	return *negated ? next_word(at, word) : there;
}

/* ct state vmap { established : accept, … }: the verdict becomes the rule's. */
static enum answer state_map(char *map, const struct foreign_packet *packet,
			     char verdict[FOREIGN_TOKEN])
{
	char *save = NULL;

	for (char *pair = strtok_r(map, "{},", &save); pair; pair = strtok_r(NULL, "{},", &save)) {
		char state[32], what[32];

		if (sscanf(pair, " %31s : %31s", state, what) == 2 &&
		    is(state, packet->established ? "established" : "new")) {
			(void)str_copy(verdict, FOREIGN_TOKEN, what);
			return YES;
		}
	}
	return NO;
}

/* ---- one rule ---- */

struct rule {
	enum answer matches;
	char verdict[FOREIGN_TOKEN]; /* "": none */
	char target[FOREIGN_TOKEN];  /* of jump and goto */
};

static void combine(struct rule *rule, enum answer answer)
{
	if (answer < rule->matches)
		rule->matches = answer;
}

static void read_ct(struct rule *rule, const char **at, const struct foreign_packet *packet)
{
	char word[FOREIGN_TOKEN];
	bool negated;

	if (!next_word(at, word))
		return;
	if (is(word, "status") && value_of(at, word, &negated)) { /* nothing of ours is dnat */
		combine(rule, unless(negated, strstr(word, "dnat") ? NO : PERHAPS));
		return;
	}
	if (!is(word, "state") || !value_of(at, word, &negated)) {
		combine(rule, PERHAPS);
		return;
	}
	if (!is(word, "vmap"))
		combine(rule, unless(negated, names_state(word, packet)));
	else if (next_word(at, word))
		combine(rule, state_map(word, packet, rule->verdict));
}

static bool is_verdict(const char *word)
{
	return is(word, "accept") || is(word, "drop") || is(word, "reject") || is(word, "return") ||
	       is(word, "jump") || is(word, "goto") || is(word, "queue");
}

/* true: the word was a match that can be decided, and it was. */
static bool read_match(struct rule *rule, const char *word, const char **at,
		       const struct foreign_packet *packet)
{
	char value[FOREIGN_TOKEN];
	bool negated;

	if (is(word, "iifname") || is(word, "iif") || is(word, "oifname") || is(word, "oif")) {
		const char *interface = word[0] == 'i' ? packet->iif : packet->oif;

		if (value_of(at, value, &negated))
			combine(rule, is(value, "vmap")
					      ? PERHAPS
					      : unless(negated, names_interface(value, interface)));
		return true;
	}
	if (is(word, "nfproto") && value_of(at, value, &negated)) {
		combine(rule,
			unless(negated, is(value, packet->ipv6 ? "ipv6" : "ipv4") ? YES : NO));
		return true;
	}
	if (is(word, "ct")) {
		read_ct(rule, at, packet);
		return true;
	}
	return false;
}

/* Words of statements that neither match nor decide, with how many words follow each. */
static const struct {
	const char *word;
	int more;
} statements[] = {
	{ "counter", 0 }, { "packets", 1 }, { "bytes", 1 },   { "comment", 1 },
	{ "log", 0 },	  { "prefix", 1 },  { "level", 1 },   { "flags", 1 },
	{ "group", 1 },	  { "meta", 0 },    { "notrack", 0 }, { "name", 1 },
};

static bool is_statement(const char *word, const char **at)
{
	char ignored[FOREIGN_TOKEN];

	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		if (!is(word, statements[i].word))
			continue;
		for (int more = statements[i].more; more > 0; more--)
			(void)next_word(at, ignored);
		return true;
	}
	return false;
}

static void read_rule(struct rule *rule, const char *line, const struct foreign_packet *packet)
{
	char word[FOREIGN_TOKEN];

	*rule = (struct rule){ .matches = YES };
	while (!rule->verdict[0] && next_word(&line, word)) {
		if (word[0] == '#')
			return;
		if (is_verdict(word)) {
			(void)str_copy(rule->verdict, sizeof(rule->verdict), word);
			if (is(word, "jump") || is(word, "goto"))
				(void)next_word(&line, rule->target);
		} else if (!read_match(rule, word, &line, packet) && !is_statement(word, &line)) {
			combine(rule, PERHAPS); /* what it needs can't be known here */
		}
	}
}

/* ---- chains ---- */

static const char *line_end(const char *at)
{
	return at + strcspn(at, "\n");
}

/* The first line inside the chain; NULL: there is none of that name. */
static const char *find_chain(const char *listing, const char *name)
{
	char head[FOREIGN_NAME_SIZE + 16];
	const char *at;

	(void)snprintf(head, sizeof(head), "\tchain %s {\n", name);
	at = strstr(listing, head);
	return at ? at + strlen(head) : NULL;
}

static enum outcome walk_chain(struct walk *w, const char *name);

/* Where the rule leads: END means that the next one is looked at. *left: the chain ends here. */
static enum outcome follow(struct walk *w, const struct rule *rule, bool *left)
{
	enum outcome out = END;

	if (is(rule->verdict, "accept") || is(rule->verdict, "queue"))
		out = ACCEPT;
	else if (is(rule->verdict, "drop") || is(rule->verdict, "reject"))
		out = DROP;
	else if (rule->target[0])
		out = walk_chain(w, rule->target);
	*left = is(rule->verdict, "return") || is(rule->verdict, "goto");
	if (rule->matches == YES)
		return out;
	/* perhaps: what it says stays open; a drop that may not happen changes nothing */
	w->may_pass |= out == ACCEPT || (*left && out != DROP);
	*left = false;
	return END;
}

static enum outcome walk_chain(struct walk *w, const char *name)
{
	const char *at = find_chain(w->listing, name);
	enum outcome policy = END;

	if (!at || w->depth == FOREIGN_DEPTH) {
		w->may_pass = true;
		return END;
	}
	w->depth++;
	for (; at[0] == '\t' && at[1] == '\t'; at = line_end(at) + 1) {
		struct rule rule;
		bool left;

		if (strncmp(at, "\t\ttype ", 7) == 0) {
			const char *drop = strstr(at, "policy drop;");

			policy = drop && drop < line_end(at) ? DROP : ACCEPT;
			continue;
		}
		read_rule(&rule, at, w->packet);
		if (rule.matches != NO && rule.verdict[0]) {
			enum outcome out = follow(w, &rule, &left);

			if (out != END || left) {
				w->depth--;
				return out != END ? out : policy;
			}
		}
		if (*line_end(at) == '\0')
			break;
	}
	w->depth--;
	return policy;
}

enum foreign_verdict foreign_judge(const char *listing, const char *chain,
				   const struct foreign_packet *packet)
{
	struct walk w = { .listing = listing, .packet = packet };

	if (walk_chain(&w, chain) != DROP)
		return FOREIGN_PASSES;
	return w.may_pass ? FOREIGN_UNSURE : FOREIGN_DROPS;
}
