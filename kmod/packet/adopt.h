/* SPDX-License-Identifier: GPL-2.0-only */
/* The connections of services by rule (adopt.c). */
#ifndef IP_VS_BPF_PACKET_ADOPT
#define IP_VS_BPF_PACKET_ADOPT

#include "packet/packet.h"
#include "table/cover.h"

/* How IPVS is asked about a packet. */
struct question {
	bool by_rule;       /* no listed service exists */
	bool adopts;        /* adopt the connection first, by what covers it */
	struct cover cover; /* for adopts */
};

bool ivb_adopt_asks_ipvs(struct director *director, const struct sk_buff *skb,
			 const struct packet *packet, struct question *question);
unsigned int ivb_adopt(struct director *director, const struct cover *cover,
		       nf_hookfn *hook, struct sk_buff *skb, const struct packet *packet,
		       const struct nf_hook_state *local_in);

/* True if packets to that address may be for a service by rule. Called under RCU. If
 * there are rules, every other packet costs one lookup for each distinct prefix length.
 */
static inline bool rules_have4(struct director *director, __be32 daddr)
{
	const struct rules *rules = rcu_dereference(director->rules);
	union nf_inet_addr addr;

	if (likely(!rules))
		return false;
	addr.ip = daddr;
	return ivb_rules_have(rules, AF_INET, &addr);
}

static inline bool rules_have6(struct director *director, const struct in6_addr *daddr)
{
	const struct rules *rules = rcu_dereference(director->rules);

	return unlikely(rules) &&
	       ivb_rules_have(rules, AF_INET6, (const union nf_inet_addr *)daddr);
}

/* True if a wide service is listed for the packet's firewall mark. Called under RCU. */
static inline bool has_listed_mark(struct director *director, const struct sk_buff *skb,
				   u8 family)
{
	return unlikely(skb->mark && READ_ONCE(director->marks)) &&
	       ivb_service_of_mark(director, family, skb->mark);
}

/* Called under RCU, for a packet that is not a reply. True if IPVS is to be asked about
 * it.
 */
static inline bool is_request(struct director *director, const struct sk_buff *skb,
			      const struct packet *packet, struct service *service,
			      struct question *question)
{
	question->by_rule = false;
	question->adopts = false;
	if (service && likely(service_is_listed(service) &&
			      !READ_ONCE(service->by_rule) &&
			      !service_is_wide(service) &&
			      !has_listed_mark(director, skb, packet->family)))
		return true;
	return ivb_adopt_asks_ipvs(director, skb, packet, question);
}

/* Calls IPVS's hook as if at LOCAL_IN. Called under RCU; the packet has its route. */
static inline unsigned int ask_ipvs(struct director *director,
				    const struct question *question, nf_hookfn *hook,
				    struct sk_buff *skb, const struct packet *packet,
				    const struct nf_hook_state *local_in)
{
	if (unlikely(question->by_rule))
		return ivb_adopt(director, question->adopts ? &question->cover : NULL,
				 hook, skb, packet, local_in);
	return hook(NULL, skb, local_in);
}

#endif
