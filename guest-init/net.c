/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "guest-init/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "guest-init/files.h"
#include "guest-init/say.h"

#define NET_DEV "eth0"

static const uint8_t host_link_local[16] = { 0xfe, 0x80, [15] = 1 };

static int set_flags_up(int fd, const char *name)
{
	struct ifreq req = { 0 };

	(void)strncpy(req.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFFLAGS, &req) < 0)
		return -1;
	req.ifr_flags = (short)(req.ifr_flags | IFF_UP);
	return ioctl(fd, SIOCSIFFLAGS, &req);
}

static struct sockaddr_in ipv4_sockaddr(const uint8_t address[4])
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	memcpy(&in.sin_addr, address, 4);
	return in;
}

static int set_ipv4(int fd, const struct guest_config *record)
{
	static const uint8_t mask31[4] = { 255, 255, 255, 254 };
	struct ifreq req = { .ifr_name = NET_DEV };
	struct sockaddr_in in = ipv4_sockaddr(record->ipv4);

	memcpy(&req.ifr_addr, &in, sizeof(in));
	if (ioctl(fd, SIOCSIFADDR, &req) < 0)
		return -1;
	in = ipv4_sockaddr(mask31);
	memcpy(&req.ifr_netmask, &in, sizeof(in));
	return ioctl(fd, SIOCSIFNETMASK, &req);
}

static int route_ipv4(int fd, const struct guest_config *record)
{
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
	struct sockaddr_in in = { .sin_family = AF_INET };
	char dev[] = NET_DEV;

	memcpy(&route.rt_dst, &in, sizeof(in));
	memcpy(&route.rt_genmask, &in, sizeof(in));
	in = ipv4_sockaddr(record->ipv4_gateway);
	memcpy(&route.rt_gateway, &in, sizeof(in));
	route.rt_dev = dev;
	return ioctl(fd, SIOCADDRT, &route);
}

static int set_ipv6(int fd, const struct guest_config *record)
{
	struct in6_ifreq req = { .ifr6_prefixlen = 128,
				 .ifr6_ifindex = (int)if_nametoindex(NET_DEV) };

	memcpy(&req.ifr6_addr, record->ipv6, 16);
	return ioctl(fd, SIOCSIFADDR, &req);
}

static int route_ipv6(int fd)
{
	struct in6_rtmsg route = {
		.rtmsg_flags = RTF_UP | RTF_GATEWAY,
		.rtmsg_metric = 1,
		.rtmsg_ifindex = (int)if_nametoindex(NET_DEV),
	};

	memcpy(&route.rtmsg_gateway, host_link_local, 16);
	return ioctl(fd, SIOCADDRT, &route);
}

static void complain(const char *what, int result)
{
	if (result < 0)
		say("%s: %s", what, err_errno_text(errno));
}

static void write_resolvers(const struct guest_config *record)
{
	static const uint8_t none[16];
	char text[256];
	size_t len = 0;

	for (size_t i = 0; i < 3 && memcmp(record->resolvers[i], none, 16) != 0; i++) {
		const uint8_t *r = record->resolvers[i];
		char address[INET6_ADDRSTRLEN];

		if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)r))
			(void)inet_ntop(AF_INET, r + 12, address, sizeof(address));
		else
			(void)inet_ntop(AF_INET6, r, address, sizeof(address));
		len += (size_t)snprintf(text + len, sizeof(text) - len, "nameserver %s\n", address);
	}
	(void)files_write("/etc/resolv.conf", 0644, text, len);
}

void net_up(const struct guest_config *record)
{
	auto_fd fd4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	auto_fd fd6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	complain("lo", set_flags_up(fd4, "lo"));
	write_resolvers(record);
	if (if_nametoindex(NET_DEV) == 0)
		return;
	/* the link has one neighbour, the host: nothing to detect, nothing to learn from advertisements */
	files_set("/proc/sys/net/ipv6/conf/" NET_DEV "/accept_dad", "0");
	files_set("/proc/sys/net/ipv6/conf/" NET_DEV "/accept_ra", "0");
	if (record->flags & GUEST_HAS_IPV4)
		complain("IPv4 address", set_ipv4(fd4, record));
	complain(NET_DEV, set_flags_up(fd4, NET_DEV));
	if (record->flags & GUEST_HAS_IPV4)
		complain("IPv4 route", route_ipv4(fd4, record));
	if (record->flags & GUEST_HAS_IPV6) {
		complain("IPv6 address", set_ipv6(fd6, record));
		complain("IPv6 route", route_ipv6(fd6));
	}
}
