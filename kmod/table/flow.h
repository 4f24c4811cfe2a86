/* SPDX-License-Identifier: GPL-2.0-only */
/* A flow of either family: the addresses and ports of its packets on the wire. */
#ifndef IP_VS_BPF_TABLE_FLOW
#define IP_VS_BPF_TABLE_FLOW

#include <linux/jhash.h>
#include <linux/netfilter.h>

/* Index into arrays that have an entry for each family. */
enum { IPV4, IPV6, FAMILIES };

static inline int family_index(u8 family)
{
	return family == AF_INET6 ? IPV6 : IPV4;
}

/* A constant where IPVS has no IPv6, so that the compiler leaves out the IPv6 code. */
static inline bool is_ipv6(u8 family)
{
	return IS_ENABLED(CONFIG_IP_VS_IPV6) && family == AF_INET6;
}

/* An IPv4 address uses only its first word. The addresses come first and are hashed
 * together.
 */
struct flow {
	union nf_inet_addr saddr;
	union nf_inet_addr daddr;
	__be16 sport;
	__be16 dport;
	u8 family;
	u8 protocol;
};

static inline u32 address_hash(u8 family, const union nf_inet_addr *addr)
{
	if (family == AF_INET6)
		return jhash2((const u32 *)&addr->in6, 4, 0);
	return jhash_1word((__force u32)addr->ip, 0);
}

static inline u32 ends_hash4(__be32 saddr, __be32 daddr, __be16 sport, __be16 dport,
			     u32 seed)
{
	u32 ports = (__force u32)sport << 16 | (__force u32)dport;

	return jhash_3words((__force u32)saddr, (__force u32)daddr, ports, seed);
}

static inline u32 flow_hash(const struct flow *flow, u32 seed)
{
	u32 ports = (__force u32)flow->sport << 16 | (__force u32)flow->dport;

	seed ^= flow->protocol;
	if (flow->family == AF_INET6)
		return jhash2((const u32 *)flow, 8, jhash_1word(ports, seed));
	return ends_hash4(flow->saddr.ip, flow->daddr.ip, flow->sport, flow->dport, seed);
}

static inline bool flow_addr_equal(u8 family, const union nf_inet_addr *a,
				   const union nf_inet_addr *b)
{
	return family == AF_INET6 ? nf_inet_addr_cmp(a, b) : a->ip == b->ip;
}

#endif
