/* SPDX-License-Identifier: GPL-2.0-only */
/* Sessions that nobody has answered yet (unanswered.c). */
#ifndef IP_VS_BPF_UNANSWERED_H
#define IP_VS_BPF_UNANSWERED_H

#include "ip_vs_bpf.h"

void unanswered_init(struct director *director);
int unanswered_write(struct director *director, char *text);
void unanswered_show(struct director *director, struct seq_file *seq);

void unanswered_begin(struct session *session);
void unanswered_request(struct session *session, struct ip_vs_conn *cp,
			const struct sk_buff *skb, int transport);
void unanswered_reply(struct session *session, struct ip_vs_conn *cp,
		      const struct sk_buff *skb, int transport);
bool unanswered_end(struct session *session);
struct session *unanswered_take(struct director *director,
				const struct ip_vs_conn *cp, struct local_ip *ip);

static inline bool is_unanswered(const struct session *session)
{
	return READ_ONCE(session->unanswered.state) == SESSION_UNANSWERED;
}

static inline bool is_given_up(const struct session *session)
{
	return READ_ONCE(session->unanswered.state) == SESSION_GIVEN_UP;
}

#endif
