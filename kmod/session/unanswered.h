/* SPDX-License-Identifier: GPL-2.0-only */
/* Sessions that are not answered yet (unanswered.c). */
#ifndef IP_VS_BPF_SESSION_UNANSWERED
#define IP_VS_BPF_SESSION_UNANSWERED

#include "table/director.h"
#include "table/session.h"

void ivb_unanswered_init(struct director *director);

void ivb_unanswered_begin(struct session *session);
void ivb_unanswered_request(struct session *session, struct ip_vs_conn *cp,
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

static inline bool is_given_up(const struct session *session)
{
	return READ_ONCE(session->answer) == SESSION_GIVEN_UP;
}

#endif
