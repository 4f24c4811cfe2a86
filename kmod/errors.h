/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An ICMP error about a packet of TCP, UDP or SCTP; see errors.c. Offsets are
 * from the network header of the error.
 */
#ifndef IP_VS_BPF_ERRORS_H
#define IP_VS_BPF_ERRORS_H

#include "flows.h"

struct error {
	unsigned int icmp;      /* its ICMP header */
	unsigned int inner;     /* the network header of the inner packet */
	unsigned int transport; /* the transport header of that, maybe cut short */
	unsigned int hook;      /* where netfilter handed it to us */
	union nf_inet_addr daddr; /* whom it was sent to */
	struct flow flow;         /* what would answer the inner packet */
};

/* errors.c */
unsigned int error_in(struct director *director, struct sk_buff *skb,
		      struct error *error);
int error_rewrite(struct sk_buff *skb, const struct error *error,
		  const struct flow *to);
void error_count(struct director *director, const struct translation *to);

/* errors4.c, errors6.c */
unsigned int error_pass4(struct director *director, struct sk_buff *skb,
			 const struct error *error, const struct translation *to);
unsigned int error_pass6(struct director *director, struct sk_buff *skb,
			 const struct error *error, const struct translation *to);

#endif
