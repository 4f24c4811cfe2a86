/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A filter for destinations that may be a VIP or a local IP: one lookup rejects nearly
 * all other packets. Addresses with the same hash share a counter, so they are counted.
 * An address counts as long as its service or local IP exists, listed or not.
 */
#ifndef IP_VS_BPF_DESTINATIONS_H
#define IP_VS_BPF_DESTINATIONS_H

#include <linux/hash.h>

#include "table/director.h"
#include "table/local_ips.h"

static inline atomic_t *destination4(struct director *director, __be32 addr)
{
	return &director->destinations[hash_32((__force u32)addr, DESTINATION_BITS)];
}

static inline atomic_t *destination6(struct director *director,
				     const struct in6_addr *addr)
{
	return &director->destinations[hash_32((__force u32)
		(addr->s6_addr32[0] ^ addr->s6_addr32[1] ^ addr->s6_addr32[2] ^
		 addr->s6_addr32[3]), DESTINATION_BITS)];
}

static inline atomic_t *destination(struct director *director, u8 family,
				    const union nf_inet_addr *addr)
{
	return family == AF_INET6 ? destination6(director, &addr->in6) :
				    destination4(director, addr->ip);
}

static inline void destination_comes(struct director *director, u8 family,
				     const union nf_inet_addr *addr)
{
	atomic_inc(destination(director, family, addr));
}

/* True if nothing else that is counted has the address of that local IP: no service. */
static inline bool destination_is_alone(struct director *director,
					const struct local_ip *ip)
{
	return atomic_read(destination(director, ip->family, &ip->addr)) == 1;
}

static inline void destination_goes(struct director *director, u8 family,
				    const union nf_inet_addr *addr)
{
	atomic_dec(destination(director, family, addr));
}

#endif
