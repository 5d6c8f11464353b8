/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "keeper/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "keeper/netlink.h"
#include "keeper/plan.h"

static void socket_free(struct nl_sock **sock)
{
	nl_socket_free(*sock);
}

static void link_put(struct rtnl_link **link)
{
	rtnl_link_put(*link);
}

static void cache_free(struct nl_cache **cache)
{
	nl_cache_free(*cache);
}

static void addr_put(struct nl_addr **addr)
{
	nl_addr_put(*addr);
}

#define auto_socket __attribute__((cleanup(socket_free))) struct nl_sock *
#define auto_link   __attribute__((cleanup(link_put))) struct rtnl_link *
#define auto_cache  __attribute__((cleanup(cache_free))) struct nl_cache *
#define auto_addr   __attribute__((cleanup(addr_put))) struct nl_addr *

/* libnl's error values are negative numbers of its own */
static int fail(struct err *err, int nl_error, const char *what, const char *name)
{
	return err_set(err, ERR_FAILED, "%s %s: %s", what, name, nl_geterror(nl_error));
}

/* *link is NULL when there is no interface of that name */
static int find(struct nl_sock *sock, const char *name, struct rtnl_link **link, struct err *err)
{
	int r = rtnl_link_get_kernel(sock, 0, name, link);

	if (r == -NLE_OBJ_NOTFOUND || r == -NLE_NODEV) {
		*link = NULL;
		return 0;
	}
	return r < 0 ? fail(err, r, "can't look up interface", name) : 0;
}

static bool is_ours(struct rtnl_link *link, const char *id)
{
	const char *alias = rtnl_link_get_ifalias(link);
	char mark[128];

	id_tap_alias(id, "", mark); /* up to and with the space in front of the sandbox's name */
	return alias && strncmp(alias, mark, strlen(mark)) == 0;
}

/* ---- making ---- */

static int open_tap(const char *tap, int *fd, struct err *err)
{
	struct ifreq request = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
						      IFF_TUN_EXCL) };
	int header = LINK_VNET_HDR_SIZE;
	auto_fd tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (tun < 0)
		return err_sys(err, "can't open /dev/net/tun");
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", tap);
	if (ioctl(tun, TUNSETIFF, &request) < 0)
		return err_sys(err, "can't make tap %s", tap);
	if (ioctl(tun, TUNSETVNETHDRSZ, &header) < 0)
		return err_sys(err, "can't set the header size of tap %s", tap);
	*fd = fd_take(&tun);
	return 0;
}

/* one request: with the interface down no link-local address has been made yet, and none will be */
static int mark_and_raise(struct nl_sock *sock, const char *tap, const char *alias, bool ipv6,
			  struct err *err)
{
	auto_link old = NULL;
	auto_link change = rtnl_link_alloc();
	int r;

	if (find(sock, tap, &old, err) < 0)
		return -1;
	if (!old || !change)
		return err_set(err, ERR_FAILED, "tap %s is gone again", tap);
	rtnl_link_set_ifalias(change, alias);
	r = rtnl_link_inet6_set_addr_gen_mode(change, IN6_ADDR_GEN_MODE_NONE);
	if (r == 0)
		r = rtnl_link_change(sock, old, change, 0);
	if (r == -NLE_AF_NOSUPPORT && !ipv6) { /* a host without IPv6 */
		rtnl_link_put(change);
		change = rtnl_link_alloc();
		if (!change)
			return err_set(err, ERR_FAILED, "no memory for tap %s", tap);
		rtnl_link_set_ifalias(change, alias);
		r = rtnl_link_change(sock, old, change, 0);
	}
	if (r < 0)
		return fail(err, r, "can't set alias of tap", tap);
	rtnl_link_set_flags(change, IFF_UP);
	r = rtnl_link_change(sock, old, change, 0);
	return r < 0 ? fail(err, r, "can't bring up tap", tap) : 0;
}

static int add_address(struct nl_sock *sock, uint32_t ifindex, struct nl_addr *local, int prefix,
		       unsigned int flags, struct err *err)
{
	struct rtnl_addr *address = rtnl_addr_alloc();
	char text[64];
	int r = -NLE_NOMEM;

	if (local && address) {
		nl_addr_set_prefixlen(local, prefix);
		rtnl_addr_set_ifindex(address, (int)ifindex);
		r = rtnl_addr_set_local(address, local);
		rtnl_addr_set_flags(address, flags);
		if (r == 0)
			r = rtnl_addr_add(sock, address, NLM_F_EXCL);
	}
	rtnl_addr_put(address);
	return r < 0 ? fail(err, r, "can't add address", nl_addr2str(local, text, sizeof(text)))
		     : 0;
}

static int add_ipv4(struct nl_sock *sock, uint32_t ifindex, const struct slot_plan *plan,
		    struct err *err)
{
	uint32_t raw = htonl(plan->host_ipv4);
	auto_addr local = nl_addr_build(AF_INET, &raw, sizeof(raw));

	return add_address(sock, ifindex, local, 31, 0, err);
}

static int add_guest_route(struct nl_sock *sock, uint32_t ifindex, const struct slot_plan *plan,
			   struct err *err)
{
	auto_addr guest = nl_addr_build(AF_INET6, plan->guest_ipv6, sizeof(plan->guest_ipv6));
	struct rtnl_route *route = rtnl_route_alloc();
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	char text[64];
	int r = -NLE_NOMEM;

	if (guest && route && hop) {
		nl_addr_set_prefixlen(guest, 128);
		(void)rtnl_route_set_family(route, AF_INET6);
		(void)rtnl_route_set_dst(route, guest);
		rtnl_route_set_table(route, RT_TABLE_MAIN);
		rtnl_route_set_scope(route, RT_SCOPE_UNIVERSE);
		rtnl_route_set_protocol(route, RTPROT_STATIC);
		rtnl_route_nh_set_ifindex(hop, (int)ifindex);
		rtnl_route_add_nexthop(route, hop); /* owns hop from here on */
		hop = NULL;
		r = rtnl_route_add(sock, route, NLM_F_EXCL);
	}
	if (hop)
		rtnl_route_nh_free(hop);
	rtnl_route_put(route);
	return r < 0 ? fail(err, r, "can't add route to", nl_addr2str(guest, text, sizeof(text)))
		     : 0;
}

static int add_ipv6(struct nl_sock *sock, uint32_t ifindex, const struct slot_plan *plan,
		    struct err *err)
{
	static const uint8_t gateway[16] = { 0xfe, 0x80, [15] = 1 };
	auto_addr local = nl_addr_build(AF_INET6, gateway, sizeof(gateway));

	/* the guest's side is the only other one, and it is not asked */
	if (add_address(sock, ifindex, local, 64, IFA_F_NODAD, err) < 0)
		return -1;
	return add_guest_route(sock, ifindex, plan, err);
}

int link_tap_open(const char *id, const char *name, const struct slot_plan *plan, bool ipv6,
		  int *fd, uint32_t *ifindex, struct err *err)
{
	auto_socket sock = netlink_open(NETLINK_ROUTE, err);
	auto_link old = NULL;
	auto_fd tun = -1;
	char tap[IFNAMSIZ], alias[128];
	uint32_t index;

	if (!sock)
		return -1;
	id_tap(id, tap);
	id_tap_alias(id, name, alias);
	if (find(sock, tap, &old, err) < 0)
		return -1;
	if (old)
		return err_set(err, ERR_FAILED, "an interface %s is there already", tap);
	if (open_tap(tap, &tun, err) < 0)
		return -1;
	index = if_nametoindex(tap);
	if (index == 0)
		return err_sys(err, "can't find tap %s", tap);
	if (mark_and_raise(sock, tap, alias, ipv6, err) < 0 || add_ipv4(sock, index, plan, err) < 0)
		return -1;
	if (ipv6 && add_ipv6(sock, index, plan, err) < 0)
		return -1;
	*fd = fd_take(&tun);
	*ifindex = index;
	return 0;
}

/* ---- removing and looking ---- */

int link_tap_remove(const char *id, struct err *err)
{
	auto_socket sock = netlink_open(NETLINK_ROUTE, err);
	auto_link link = NULL;
	char tap[IFNAMSIZ];
	int r;

	id_tap(id, tap);
	if (!sock || find(sock, tap, &link, err) < 0)
		return -1;
	if (!link)
		return 0;
	if (!is_ours(link, id))
		return err_set(err, ERR_FAILED,
			       "interface %s does not carry the alias of %s: left alone", tap, id);
	r = rtnl_link_delete(sock, link);
	if (r < 0 && r != -NLE_NODEV && r != -NLE_OBJ_NOTFOUND)
		return fail(err, r, "can't remove tap", tap);
	return 0;
}

int link_tap_absent(const char *id, struct err *err)
{
	auto_socket sock = netlink_open(NETLINK_ROUTE, err);
	auto_link link = NULL;
	char tap[IFNAMSIZ];

	id_tap(id, tap);
	if (!sock || find(sock, tap, &link, err) < 0)
		return -1;
	return !link || !is_ours(link, id);
}

int link_tap_count(struct err *err)
{
	auto_socket sock = netlink_open(NETLINK_ROUTE, err);
	auto_cache links = NULL;
	int count = 0, r;

	if (!sock)
		return -1;
	r = rtnl_link_alloc_cache(sock, AF_UNSPEC, &links);
	if (r < 0)
		return fail(err, r, "can't list", "interfaces");
	for (struct nl_object *o = nl_cache_get_first(links); o; o = nl_cache_get_next(o)) {
		struct rtnl_link *link = (struct rtnl_link *)o;
		const char *name = rtnl_link_get_name(link);
		const char *alias = rtnl_link_get_ifalias(link);

		count += name && alias &&
			 strncmp(name, ID_TAP_PREFIX, strlen(ID_TAP_PREFIX)) == 0 &&
			 strncmp(alias, "mayfly ", 7) == 0;
	}
	return count;
}

/* ---- clashes ---- */

/*
 * The name of the interface a route goes out of; false when it is one of mayfly's taps, or one that has gone since the routes
 * were listed (as that of a neighbour which ends), and its routes with it.
 */
static bool leaves_by(struct rtnl_route *route, char name[IFNAMSIZ])
{
	struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, 0);
	int index = hop ? rtnl_route_nh_get_ifindex(hop) : 0;

	(void)snprintf(name, IFNAMSIZ, "-");
	if (index > 0 && !if_indextoname((unsigned int)index, name))
		return false;
	return strncmp(name, ID_TAP_PREFIX, strlen(ID_TAP_PREFIX)) != 0;
}

static int clash_of(struct nl_sock *sock, struct nl_addr *pool, char *text, size_t size,
		    struct err *err)
{
	auto_cache routes = NULL;
	char pool_text[64], route_text[64], name[IFNAMSIZ];
	int r = rtnl_route_alloc_cache(sock, nl_addr_get_family(pool), 0, &routes);

	if (r < 0)
		return fail(err, r, "can't list", "routes");
	for (struct nl_object *o = nl_cache_get_first(routes); o; o = nl_cache_get_next(o)) {
		struct rtnl_route *route = (struct rtnl_route *)o;
		struct nl_addr *dst = rtnl_route_get_dst(route);

		if (!dst || nl_addr_get_prefixlen(dst) == 0 || nl_addr_cmp_prefix(pool, dst) != 0)
			continue;
		if (!leaves_by(route, name))
			continue;
		(void)snprintf(text, size, "the pool %s overlaps the host's route %s on %s",
			       nl_addr2str(pool, pool_text, sizeof(pool_text)),
			       nl_addr2str(dst, route_text, sizeof(route_text)), name);
		return 1;
	}
	return 0;
}

int link_pool_clash(const struct host_config *host, char *text, size_t size, struct err *err)
{
	uint32_t raw = htonl(host->pool4);
	auto_socket sock = netlink_open(NETLINK_ROUTE, err);
	auto_addr pool4 = nl_addr_build(AF_INET, &raw, sizeof(raw));
	auto_addr pool6 = nl_addr_build(AF_INET6, host->pool6, sizeof(host->pool6));
	int clash;

	if (!sock)
		return -1;
	if (!pool4 || !pool6)
		return err_set(err, ERR_FAILED, "no memory for the pools' addresses");
	nl_addr_set_prefixlen(pool4, (int)host->pool4_prefix);
	nl_addr_set_prefixlen(pool6, 64);
	clash = clash_of(sock, pool4, text, size, err);
	if (clash == 0 && host->ipv6)
		clash = clash_of(sock, pool6, text, size, err);
	return clash;
}
