/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/ruleset.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/msg.h>
#include <netlink/netfilter/nfnl.h>
#include <netlink/netlink.h>
#include <nftables/libnftables.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bug.h"
#include "keeper/netfilter.h"

/* First type byte of a table's user data that nft(8) writes: the comment (NFTNL_UDATA_TABLE_COMMENT) */
#define UDATA_COMMENT 0

static int option_of(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

/*
 * libnftables opens its socket without SOCK_CLOEXEC and does not say which it is. A child that inherited it would keep
 * the owner table alive beyond our death, so all netfilter sockets of this process are marked. *socket is the one that
 * was not, so the latest; -1 where that can't be told.
 */
static int mark_sockets_cloexec(int *socket)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	*socket = -1;
	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || option_of(fd, SO_DOMAIN) != AF_NETLINK ||
		    option_of(fd, SO_PROTOCOL) != NETLINK_NETFILTER ||
		    (fcntl(fd, F_GETFD) & FD_CLOEXEC))
			continue;
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		*socket = fd;
	}
	(void)closedir(dir);
	return 0;
}

struct nft_ctx *ruleset_open_socket(int *socket, struct err *err)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);

	if (!ctx) {
		(void)err_set(err, ERR_FAILED, "can't open nftables");
		return NULL;
	}
	if (nft_ctx_buffer_output(ctx) != 0 || nft_ctx_buffer_error(ctx) != 0 ||
	    mark_sockets_cloexec(socket) < 0) {
		(void)err_set(err, ERR_FAILED, "can't set up nftables' buffers and socket");
		nft_ctx_free(ctx);
		return NULL;
	}
	return ctx;
}

struct nft_ctx *ruleset_open(struct err *err)
{
	int socket;

	return ruleset_open_socket(&socket, err);
}

void ruleset_close(struct nft_ctx *ctx)
{
	if (ctx)
		nft_ctx_free(ctx);
}

int ruleset_run(struct nft_ctx *ctx, const char *commands, const char *what, struct err *err)
{
	const char *said;

	if (nft_run_cmd_from_buffer(ctx, commands) == 0)
		return 0;
	said = nft_ctx_get_error_buffer(ctx);
	return err_set(err, ERR_FAILED, "can't %s: nftables: %.*s", what, (int)strcspn(said, "\n"),
		       said);
}

/* ---- looking up ---- */

static void read_comment(struct nlattr *attr, char *out, size_t size)
{
	const uint8_t *p = nla_data(attr);
	size_t left = (size_t)nla_len(attr);

	out[0] = '\0';
	while (left >= 2 && (size_t)p[1] + 2 <= left) {
		if (p[0] == UDATA_COMMENT)
			(void)snprintf(out, size, "%.*s", (int)p[1], (const char *)p + 2);
		left -= (size_t)p[1] + 2;
		p += p[1] + 2;
	}
}

static int on_table(struct nl_msg *msg, void *arg)
{
	struct ruleset_table *table = arg;
	struct nlattr *attrs[NFTA_TABLE_MAX + 1];

	if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct nfgenmsg), attrs, NFTA_TABLE_MAX, NULL) < 0)
		return NL_OK;
	if (attrs[NFTA_TABLE_FLAGS])
		table->flags = ntohl(nla_get_u32(attrs[NFTA_TABLE_FLAGS]));
	if (attrs[NFTA_TABLE_HANDLE])
		table->handle = be64toh(nla_get_u64(attrs[NFTA_TABLE_HANDLE]));
	if (attrs[NFTA_TABLE_USERDATA])
		read_comment(attrs[NFTA_TABLE_USERDATA], table->comment, sizeof(table->comment));
	return NL_OK;
}

struct query {
	uint16_t message;
	uint8_t family;
	const char *table;
	const char *chain; /* NULL: the table itself */
};

static int ask(struct nl_sock *sock, const struct query *query)
{
	struct nl_msg *msg = nfnlmsg_alloc_simple(NFNL_SUBSYS_NFTABLES, (uint8_t)query->message, 0,
						  query->family, 0);
	int r = msg ? 0 : -NLE_NOMEM;

	if (r == 0 && query->chain)
		r = nla_put_string(msg, NFTA_CHAIN_NAME, query->chain);
	if (r == 0)
		r = nla_put_string(msg, query->chain ? NFTA_CHAIN_TABLE : NFTA_TABLE_NAME,
				   query->table);
	if (r == 0)
		r = nl_send_auto(sock, msg);
	nlmsg_free(msg);
	return r < 0 ? r : nl_recvmsgs_default(sock); /* the answer or an error: one message */
}

static int look_up(const struct query *query, nl_recvmsg_msg_cb_t on_answer, void *arg,
		   struct err *err)
{
	struct nl_sock *sock = netfilter_open(err);
	int r = 0;

	if (!sock)
		return -1;
	if (on_answer)
		r = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_answer, arg);
	if (r == 0)
		r = ask(sock, query);
	netfilter_done(r == -NLE_OBJ_NOTFOUND ? 0 : r);
	if (r == -NLE_OBJ_NOTFOUND)
		return 0;
	return r < 0 ? err_set(err, ERR_FAILED, "can't look up nftables' %s %s: %s", query->table,
			       query->chain ? query->chain : "table", nl_geterror(r))
		     : 1;
}

int ruleset_find(uint8_t family, const char *name, struct ruleset_table *table, struct err *err)
{
	struct query query = { .message = NFT_MSG_GETTABLE, .family = family, .table = name };

	memset(table, 0, sizeof(*table));
	return look_up(&query, on_table, table, err);
}

int ruleset_chain_exists(uint8_t family, const char *table, const char *chain, struct err *err)
{
	struct query query = {
		.message = NFT_MSG_GETCHAIN, .family = family, .table = table, .chain = chain
	};

	return look_up(&query, NULL, NULL, err);
}

/* Have on_answer called for each object of a kind; what: as an error calls them. */
static int dump(int message, uint8_t family, nl_recvmsg_msg_cb_t on_answer, void *arg,
		const char *what, struct err *err)
{
	struct nl_sock *sock = netfilter_open(err);
	int r;

	if (!sock)
		return -1;
	r = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_answer, arg);
	if (r == 0)
		r = nfnl_send_simple(sock, NFNL_SUBSYS_NFTABLES, (uint8_t)message, NLM_F_DUMP,
				     family, 0);
	if (r >= 0)
		r = nl_recvmsgs_default(sock);
	netfilter_done(r);
	if (r >= 0)
		return 0;
	(void)err_set(err, ERR_FAILED, "can't list nftables' %s: %s", what, nl_geterror(r));
	err->os_errno = r == -NLE_DUMP_INTR ? EINTR : 0;
	return -1;
}

/* ---- all base chains ---- */

struct chain_walk {
	ruleset_visit *visit;
	void *arg;
};

static int on_chain(struct nl_msg *msg, void *arg)
{
	const struct chain_walk *walk = arg;
	const struct nfgenmsg *head = nlmsg_data(nlmsg_hdr(msg));
	struct nlattr *attrs[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1];

	if (nlmsg_parse(nlmsg_hdr(msg), sizeof(*head), attrs, NFTA_CHAIN_MAX, NULL) < 0 ||
	    !attrs[NFTA_CHAIN_HOOK] || !attrs[NFTA_CHAIN_TABLE] || !attrs[NFTA_CHAIN_NAME] ||
	    nla_parse_nested(hook, NFTA_HOOK_MAX, attrs[NFTA_CHAIN_HOOK], NULL) < 0 ||
	    !hook[NFTA_HOOK_HOOKNUM])
		return NL_OK;
	walk->visit(head->nfgen_family, nla_get_string(attrs[NFTA_CHAIN_TABLE]),
		    nla_get_string(attrs[NFTA_CHAIN_NAME]),
		    ntohl(nla_get_u32(hook[NFTA_HOOK_HOOKNUM])), walk->arg);
	return NL_OK;
}

int ruleset_each_chain(ruleset_visit *visit, void *arg, struct err *err)
{
	struct chain_walk walk = { .visit = visit, .arg = arg };

	return dump(NFT_MSG_GETCHAIN, AF_UNSPEC, on_chain, &walk, "chains", err);
}

/* ---- all tables of a family ---- */

struct table_walk {
	void (*visit)(const char *name, void *arg);
	void *arg;
};

static int on_listed_table(struct nl_msg *msg, void *arg)
{
	const struct table_walk *walk = arg;
	struct nlattr *attrs[NFTA_TABLE_MAX + 1];

	if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct nfgenmsg), attrs, NFTA_TABLE_MAX, NULL) >=
		    0 &&
	    attrs[NFTA_TABLE_NAME])
		walk->visit(nla_get_string(attrs[NFTA_TABLE_NAME]), walk->arg);
	return NL_OK;
}

int ruleset_each_table(uint8_t family, void (*visit)(const char *name, void *arg), void *arg,
		       struct err *err)
{
	struct table_walk walk = { visit, arg };

	return dump(NFT_MSG_GETTABLE, family, on_listed_table, &walk, "tables", err);
}

/* ---- rules with a comment ---- */

struct rule_walk {
	const char *table, *chain, *comment;
	void (*visit)(uint64_t handle, void *arg);
	void *arg;
};

static int on_rule(struct nl_msg *msg, void *arg)
{
	const struct rule_walk *walk = arg;
	struct nlattr *attrs[NFTA_RULE_MAX + 1];
	char comment[256];

	if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct nfgenmsg), attrs, NFTA_RULE_MAX, NULL) < 0 ||
	    !attrs[NFTA_RULE_TABLE] || !attrs[NFTA_RULE_CHAIN] || !attrs[NFTA_RULE_HANDLE] ||
	    !attrs[NFTA_RULE_USERDATA] ||
	    strcmp(nla_get_string(attrs[NFTA_RULE_TABLE]), walk->table) != 0 ||
	    strcmp(nla_get_string(attrs[NFTA_RULE_CHAIN]), walk->chain) != 0)
		return NL_OK;
	/* a rule's user data begin as a table's do: NFTNL_UDATA_RULE_COMMENT is 0 too */
	read_comment(attrs[NFTA_RULE_USERDATA], comment, sizeof(comment));
	if (strcmp(comment, walk->comment) == 0)
		walk->visit(be64toh(nla_get_u64(attrs[NFTA_RULE_HANDLE])), walk->arg);
	return NL_OK;
}

int ruleset_each_rule(uint8_t family, const char *table, const char *chain, const char *comment,
		      void (*visit)(uint64_t handle, void *arg), void *arg, struct err *err)
{
	struct rule_walk walk = { table, chain, comment, visit, arg };

	return dump(NFT_MSG_GETRULE, family, on_rule, &walk, "rules", err);
}

/* ---- deleting one ---- */

/* Append one message to a batch; false when it can't be made or doesn't fit. */
static bool put_message(char *batch, size_t size, size_t *len, struct nl_msg *msg)
{
	const struct nlmsghdr *head = msg ? nlmsg_hdr(msg) : NULL;
	bool fits = head && NLMSG_ALIGN(head->nlmsg_len) <= size - *len;

	if (fits) {
		memcpy(batch + *len, head, head->nlmsg_len);
		*len += NLMSG_ALIGN(head->nlmsg_len);
	}
	nlmsg_free(msg);
	return fits;
}

/* The first word of the kernel's answer that is one: 0, or -errno. */
static int read_verdict(int socket)
{
	char answer[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t n = recv(socket, answer, sizeof(answer), MSG_DONTWAIT); /* it answers in the call */
	const struct nlmsghdr *head = (const void *)answer;
	const struct nlmsgerr *verdict = (const void *)(answer + NLMSG_HDRLEN);

	if (n < (ssize_t)NLMSG_LENGTH(sizeof(*verdict)) || head->nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return verdict->error;
}

int ruleset_delete_table(int socket, uint8_t family, const char *name, struct err *err)
{
	char batch[512] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
	struct nl_msg *msg = nfnlmsg_alloc_simple(NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE,
						  NLM_F_REQUEST | NLM_F_ACK, family, 0);
	size_t len = 0;
	int r;

	if (msg && nla_put_string(msg, NFTA_TABLE_NAME, name) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	if (!put_message(batch, sizeof(batch), &len,
			 nfnlmsg_alloc_simple(NFNL_SUBSYS_NONE, NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST,
					      AF_UNSPEC, NFNL_SUBSYS_NFTABLES)) ||
	    !put_message(batch, sizeof(batch), &len, msg) ||
	    !put_message(batch, sizeof(batch), &len,
			 nfnlmsg_alloc_simple(NFNL_SUBSYS_NONE, NFNL_MSG_BATCH_END, NLM_F_REQUEST,
					      AF_UNSPEC, NFNL_SUBSYS_NFTABLES)))
		return err_set(err, ERR_FAILED, "no memory to delete nftables' table %s", name);
	r = send(socket, batch, len, 0) == (ssize_t)len ? read_verdict(socket) : -errno;
	errno = -r;
	return r < 0 ? err_sys(err, "can't delete nftables' table %s", name) : 0;
}

/* ---- building ---- */

void ruleset_add(struct ruleset_text *text, const char *fmt, ...)
{
	size_t room = text->size - text->len;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text->buf + text->len, room, fmt, args);
	va_end(args);
	BUG_ON(n < 0 || (size_t)n >= room);
	text->len += (size_t)n;
}
