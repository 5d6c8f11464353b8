/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
/*
 * ctnetlink by hand: libnl-nf-3 builds the message's head, but has no call for a delete by mark alone. A delete
 * without any filter flushes the whole host, and a kernel that does not know CTA_MARK ignores it; so every delete is
 * preceded by a dump with the same filter, which must show entries of that mark and no others; where it shows none there
 * is nothing to delete. Each of them walks the host's whole table (10 ms and more of CPU, however few entries match).
 */
#include "keeper/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/msg.h>
#include <netlink/netfilter/nfnl.h>
#include <netlink/netlink.h>
#include <stdbool.h>

#include "keeper/netfilter.h"

struct walk {
	uint32_t mark;
	int count;
	bool foreign;
};

static int on_entry(struct nl_msg *msg, void *arg)
{
	struct walk *walk = arg;
	struct nlattr *attrs[CTA_MAX + 1];
	int r = nlmsg_parse(nlmsg_hdr(msg), sizeof(struct nfgenmsg), attrs, CTA_MAX, NULL);

	walk->count++;
	if (r < 0 || !attrs[CTA_MARK] || nla_len(attrs[CTA_MARK]) < 4 ||
	    ntohl(nla_get_u32(attrs[CTA_MARK])) != walk->mark)
		walk->foreign = true;
	return NL_OK;
}

/* Send one request for the entries with this mark under mask; the answer is still to be received. */
static int ask(struct nl_sock *sock, uint8_t type, int flags, uint32_t mark, uint32_t mask)
{
	struct nl_msg *msg = nfnlmsg_alloc_simple(NFNL_SUBSYS_CTNETLINK, type, flags, AF_UNSPEC, 0);
	int r = -NLE_NOMEM;

	if (msg && nla_put_u32(msg, CTA_MARK, htonl(mark)) == 0 &&
	    nla_put_u32(msg, CTA_MARK_MASK, htonl(mask)) == 0)
		r = nl_send_auto(sock, msg);
	nlmsg_free(msg);
	return r;
}

static int look(struct nl_sock *sock, struct walk *walk)
{
	int r = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_entry, walk);

	if (r == 0)
		r = ask(sock, IPCTNL_MSG_CT_GET, NLM_F_DUMP, walk->mark, UINT32_MAX);
	return r < 0 ? r : nl_recvmsgs_default(sock);
}

/* With flush, the entries that were found go. */
static int count(uint32_t mark, bool flush, struct err *err)
{
	struct walk walk = { .mark = mark };
	struct nl_sock *sock;
	int r;

	if (mark == 0)
		return err_set(err, ERR_FAILED, "mark 0 is everybody's: conntrack is left alone");
	sock = netfilter_open(err);
	if (!sock)
		return -1;
	r = look(sock, &walk);
	if (r >= 0 && flush && !walk.foreign && walk.count > 0) {
		r = ask(sock, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, mark, UINT32_MAX);
		if (r >= 0)
			r = nl_wait_for_ack(sock);
	}
	netfilter_done(r);
	if (r < 0)
		return err_set(err, ERR_FAILED, "can't %s conntrack entries with mark 0x%08x: %s",
			       flush ? "flush" : "list", mark, nl_geterror(r));
	if (walk.foreign)
		return err_set(err, ERR_FAILED, "this kernel can't list conntrack entries by mark");
	return walk.count;
}

int conntrack_count(uint32_t mark, struct err *err)
{
	return count(mark, false, err);
}

int conntrack_flush(uint32_t mark, struct err *err)
{
	return count(mark, true, err);
}

struct mark_walk {
	uint32_t base, mask;
	void (*visit)(uint32_t mark, void *arg);
	void *arg;
	bool unread; /* an entry whose mark can't be told */
};

static int on_marked(struct nl_msg *msg, void *arg)
{
	struct mark_walk *walk = arg;
	struct nlattr *attrs[CTA_MAX + 1];
	uint32_t mark;

	if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct nfgenmsg), attrs, CTA_MAX, NULL) < 0) {
		walk->unread = true;
		return NL_OK;
	}
	if (!attrs[CTA_MARK] || nla_len(attrs[CTA_MARK]) < 4) /* a mark of 0 isn't told */
		return NL_OK;
	mark = ntohl(nla_get_u32(attrs[CTA_MARK]));
	if ((mark & walk->mask) == walk->base) /* also where the kernel's filter isn't one */
		walk->visit(mark, walk->arg);
	return NL_OK;
}

int conntrack_each(uint32_t base, uint32_t mask, void (*visit)(uint32_t mark, void *arg), void *arg,
		   struct err *err)
{
	struct mark_walk walk = { base, mask, visit, arg, false };
	struct nl_sock *sock;
	int r;

	if (base == 0)
		return err_set(err, ERR_FAILED, "mark 0 is everybody's");
	sock = netfilter_open(err);
	if (!sock)
		return -1;
	r = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_marked, &walk);
	if (r == 0)
		r = ask(sock, IPCTNL_MSG_CT_GET, NLM_F_DUMP, base, mask);
	if (r >= 0)
		r = nl_recvmsgs_default(sock);
	netfilter_done(r);
	if (r < 0 || walk.unread)
		return err_set(err, ERR_FAILED, "can't list conntrack entries: %s",
			       r < 0 ? nl_geterror(r) : "one can't be read");
	return 0;
}
