/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds what covers a destination: a rule, or a wide service (cover.c). */
#ifndef IP_VS_BPF_TABLE_COVER
#define IP_VS_BPF_TABLE_COVER

#include "table/director.h"

/* A rule, or a wide service, whose connections alone it covers. One of the two is NULL. */
struct cover {
	const struct rule *rule;
	const struct service *wide;
};

/* A packet or a connection, without its source. */
struct destination {
	const struct net_device *dev; /* by which it comes in; NULL: any */
	const union nf_inet_addr *vaddr;
	u32 mark;
	__be16 vport;
	u8 protocol;
	u8 family;
};

bool ivb_cover_find(struct director *director, const struct destination *to,
		    struct cover *cover);
bool ivb_cover_is_of(const struct cover *cover, const struct ip_vs_conn *cp);
struct pool *ivb_cover_pool(const struct cover *cover);
bool ivb_cover_wants_toa(const struct cover *cover, u8 protocol);

/* The mark of the services that it makes. */
static inline u32 cover_mark(const struct cover *cover)
{
	return cover->wide && service_is_of_mark(cover->wide) ?
		       (__force u32)cover->wide->vaddr.ip :
		       0;
}

static inline bool cover_is_every_port(const struct cover *cover)
{
	return cover->wide && !service_is_of_mark(cover->wide);
}

#endif
