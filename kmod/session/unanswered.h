/* SPDX-License-Identifier: GPL-2.0-only */
/* Sessions that are not answered yet (unanswered.c). */
#ifndef IP_VS_BPF_SESSION_UNANSWERED
#define IP_VS_BPF_SESSION_UNANSWERED

#include "table/director.h"
#include "table/services.h"

void ivb_unanswered_init(struct director *director);

void ivb_unanswered_begin(struct session *session);
void ivb_unanswered_segment(struct session *session, struct ip_vs_conn *cp,
			    const struct sk_buff *skb, int transport);
void ivb_unanswered_reply(struct session *session, struct ip_vs_conn *cp,
			  const struct sk_buff *skb, int transport);
bool ivb_unanswered_end(struct session *session);
bool ivb_unanswered_is_older(const struct session *session, const struct session *other);
bool ivb_unanswered_give_up(struct session *session);

static inline bool is_unanswered(const struct session *session)
{
	return READ_ONCE(session->answer) == SESSION_UNANSWERED;
}

static inline u32 *unanswered_limit(struct director *director, u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return &director->unanswered_limit[0];
	case IPPROTO_UDP:
		return &director->unanswered_limit[1];
	default:
		return &director->unanswered_limit[2];
	}
}

/* Limits the timeout that IPVS chose for the packet. */
static inline void unanswered_bound(struct session *session, struct ip_vs_conn *cp)
{
	unsigned long limit = READ_ONCE(*unanswered_limit(session_director(session),
							  cp->protocol)) * HZ;

	if (cp->timeout > limit)
		cp->timeout = limit;
}

/* Called for a packet of the client. */
static inline void unanswered_request(struct session *session, struct ip_vs_conn *cp,
				      const struct sk_buff *skb, int transport)
{
	if (cp->protocol == IPPROTO_TCP)
		ivb_unanswered_segment(session, cp, skb, transport);
	else
		unanswered_bound(session, cp);
}

static inline bool is_given_up(const struct session *session)
{
	return READ_ONCE(session->answer) == SESSION_GIVEN_UP;
}

#endif
