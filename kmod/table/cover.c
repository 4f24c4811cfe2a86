// SPDX-License-Identifier: GPL-2.0-only
/*
 * Destinations that are full NAT although no service of their own is listed. A rule
 * covers services that another program adds to IPVS. A wide service is listed: IPVS has
 * it for every port of an address, or for the packets with a firewall mark. Then it has
 * no other service for them, or has one that goes before: IPVS looks for a mark first,
 * then for address and port, then for every port. So a wide service covers only the
 * connections that IPVS made by it, which their server tells.
 */
#include "table/cover.h"

/* Called under RCU or config. Returns false if nothing covers the destination. */
bool ivb_cover_find(struct director *director, const struct destination *to,
		    struct cover *cover)
{
	cover->rule = NULL;
	cover->wide = ivb_service_of_mark(director, to->family, to->mark);
	if (cover->wide)
		return true;
	cover->rule = ivb_rules_find(director, to->dev, to->family, to->protocol,
				     to->vaddr, to->vport);
	if (cover->rule)
		return true;
	cover->wide = ivb_service_of_every_port(director, to->family, to->protocol,
						to->vaddr);
	return cover->wide;
}

/* True if the connection is of a service that is covered. */
bool ivb_cover_is_of(const struct cover *cover, const struct ip_vs_conn *cp)
{
	const struct ip_vs_dest *dest = READ_ONCE(cp->dest);

	if (cover->rule)
		return true;
	/* A backup does not have the server yet. */
	if (!dest)
		return cp->flags & IP_VS_CONN_F_SYNC;
	return dest->vfwmark == cover_mark(cover) && (dest->vfwmark || !dest->vport);
}

/* Called under RCU, or under config, which also keeps it. */
struct pool *ivb_cover_pool(const struct cover *cover)
{
	if (cover->rule)
		return rcu_dereference_check(cover->rule->pool, true);
	return rcu_dereference_check(cover->wide->pool, true);
}

/* True if servers of such services are told the client's address. */
bool ivb_cover_wants_toa(const struct cover *cover, u8 protocol)
{
	return protocol == IPPROTO_TCP &&
	       (cover->rule ? cover->rule->toa : READ_ONCE(cover->wide->toa));
}
