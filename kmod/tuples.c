// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keys and values of the session maps, by family. Keys are compared byte by
 * byte: each is assigned whole, which zeroes its padding.
 */
#include <linux/jhash.h>

#include "ip_vs_bpf.h"

/* Client -> VIP. */
void tuple_original(const struct ip_vs_conn *cp, union tuple *tuple)
{
	if (cp->af == AF_INET6) {
		tuple->v6 = (struct ipvs_bpf_tuple6){
			.sport = cp->cport,
			.dport = cp->vport,
			.protocol = cp->protocol,
		};
		memcpy(tuple->v6.saddr, &cp->caddr, sizeof(tuple->v6.saddr));
		memcpy(tuple->v6.daddr, &cp->vaddr, sizeof(tuple->v6.daddr));
		return;
	}
	tuple->v4 = (struct ipvs_bpf_tuple4){
		.saddr = cp->caddr.ip,
		.daddr = cp->vaddr.ip,
		.sport = cp->cport,
		.dport = cp->vport,
		.protocol = cp->protocol,
	};
}

/* Real server -> local IP. */
void tuple_reply(const struct ip_vs_conn *cp, const struct local_ip *ip,
		 __be16 port, union tuple *tuple)
{
	if (cp->af == AF_INET6) {
		tuple->v6 = (struct ipvs_bpf_tuple6){
			.sport = cp->dport,
			.dport = port,
			.protocol = cp->protocol,
		};
		memcpy(tuple->v6.saddr, &cp->daddr, sizeof(tuple->v6.saddr));
		memcpy(tuple->v6.daddr, &ip->addr, sizeof(tuple->v6.daddr));
		return;
	}
	tuple->v4 = (struct ipvs_bpf_tuple4){
		.saddr = cp->daddr.ip,
		.daddr = ip->addr.ip,
		.sport = cp->dport,
		.dport = port,
		.protocol = cp->protocol,
	};
}

u32 tuple_hash(u8 family, const union tuple *tuple)
{
	if (family == AF_INET6)
		return jhash2((const u32 *)&tuple->v6, sizeof(tuple->v6) / sizeof(u32), 0);
	return jhash2((const u32 *)&tuple->v4, sizeof(tuple->v4) / sizeof(u32), 0);
}

/* What full NAT makes of a packet of the one direction, it finds reversed in
 * the key of the other.
 */
void entry_make(u8 family, const union tuple *other, u16 service, u8 direction,
		union entry *entry)
{
	if (family == AF_INET6) {
		entry->v6 = (struct ipvs_bpf_session6){
			.sport = other->v6.dport,
			.dport = other->v6.sport,
			.service = service,
			.direction = direction,
		};
		memcpy(entry->v6.saddr, other->v6.daddr, sizeof(entry->v6.saddr));
		memcpy(entry->v6.daddr, other->v6.saddr, sizeof(entry->v6.daddr));
		return;
	}
	entry->v4 = (struct ipvs_bpf_session4){
		.saddr = other->v4.daddr,
		.daddr = other->v4.saddr,
		.sport = other->v4.dport,
		.dport = other->v4.sport,
		.service = service,
		.direction = direction,
	};
}

/* Whether the entry makes of a packet what leads to that key of the other
 * direction.
 */
bool entry_makes(u8 family, const union entry *entry, const union tuple *other)
{
	if (family == AF_INET6)
		return entry->v6.sport == other->v6.dport &&
		       entry->v6.dport == other->v6.sport &&
		       !memcmp(entry->v6.saddr, other->v6.daddr,
			       sizeof(entry->v6.saddr)) &&
		       !memcmp(entry->v6.daddr, other->v6.saddr,
			       sizeof(entry->v6.daddr));
	return entry->v4.saddr == other->v4.daddr &&
	       entry->v4.sport == other->v4.dport &&
	       entry->v4.daddr == other->v4.saddr &&
	       entry->v4.dport == other->v4.sport;
}

struct ipvs_bpf_lease *entry_lease(u8 family, union entry *entry)
{
	return family == AF_INET6 ? &entry->v6.lease : &entry->v4.lease;
}
