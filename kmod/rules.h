/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Full NAT by rule, for services that other programs put into IPVS: the rules
 * (rules.c) and their file (rules_proc.c), the services that they make
 * (rule_services.c), and the connections of these (adopt.c).
 */
#ifndef IP_VS_BPF_RULES_H
#define IP_VS_BPF_RULES_H

#include "services.h"

/* In rule->protocols. */
enum { RULE_TCP = 1, RULE_UDP = 2, RULE_SCTP = 4 };

#define RULES_MAX 256
#define RULE_NETWORKS_MAX 1024 /* of all rules together */
#define RULE_PORTS_MAX 64
#define RULE_INTERFACES_MAX 16

struct port_range {
	u16 first, last; /* host endianness */
};

/* "These destinations are full NAT from that pool." Nothing of it but the pool changes
 * once it is in effect.
 */
struct rule {
	struct pool __rcu *pool;
	u8 family;
	u8 protocols;
	unsigned int networks;
	unsigned int ports; /* 0: every port */
	unsigned int interfaces; /* 0: every interface */
	struct port_range port[RULE_PORTS_MAX]; /* ascending, with gaps between */
	/* A name that ends in '*' stands for all that begin so. */
	char interface[RULE_INTERFACES_MAX][IFNAMSIZ + 1];
};

struct rule_network {
	struct hlist_node node; /* in rules->heads */
	union nf_inet_addr addr;
	u8 length; /* of the prefix, in bits */
	struct rule *rule;
};

struct rules {
	struct rule *rule;
	unsigned int rules;
	struct rule_network *network; /* of the first rule, of the second, … */
	unsigned int networks;
	/* The different lengths of prefixes. */
	u8 length[FAMILIES][129];
	unsigned int lengths[FAMILIES];
	struct hlist_head *heads; /* by network */
	unsigned int bits;
};

/* rules.c */
const struct rule *rules_find(struct director *director, const struct net_device *dev,
			      u8 family, u8 protocol, const union nf_inet_addr *vaddr,
			      __be16 vport);
bool rules_have(const struct rules *rules, u8 family, const union nf_inet_addr *addr);
struct rules *rules_new(unsigned int rules, unsigned int networks);
void rules_free(struct rules *rules);
void rules_index(struct rules *rules);
int rules_overlap(const struct rules *rules, const struct rule **a,
		  const struct rule **b);
void rules_take_effect(struct director *director, struct rules *rules);
void rules_hand_over(struct director *director, struct pool *from, struct pool *to,
		     int half);
void rules_exit(struct director *director);

/* rules_proc.c */
int rules_write(struct director *director, char *text);
void rules_show(struct director *director, struct seq_file *seq);

/* rule_services.c */
void rule_services_init(struct director *director);
void rule_services_exit(struct director *director);
struct service *rule_service_get(struct director *director, const struct rule *rule,
				 const struct ip_vs_conn *cp);

/* A packet of it came. */
static inline void rule_service_used(struct service *service)
{
	unsigned long now = jiffies;

	if (now - READ_ONCE(service->used) > HZ)
		WRITE_ONCE(service->used, now);
}

/* How IPVS is asked about a packet. */
struct question {
	bool by_rule;            /* no listed service is there */
	const struct rule *rule; /* by which the connection is adopted first, or NULL */
};

/* adopt.c */
bool adopt_asks_ipvs(struct director *director, const struct sk_buff *skb,
		     const struct packet *packet, struct service *service,
		     struct question *question);
unsigned int adopt(struct director *director, const struct rule *rule,
		   nf_hookfn *hook, struct sk_buff *skb, const struct packet *packet,
		   const struct nf_hook_state *local_in);
bool adopt_is_asking(void);
void adopter_put(void);

/* Under RCU. True if packets to that address may be for a service by rule: packets of
 * others pay for a look at each different length of prefix, where there are rules.
 */
static inline bool rules_have4(struct director *director, __be32 daddr)
{
	const struct rules *rules = rcu_dereference(director->rules);
	union nf_inet_addr addr;

	if (likely(!rules))
		return false;
	addr.ip = daddr;
	return rules_have(rules, AF_INET, &addr);
}

static inline bool rules_have6(struct director *director, const struct in6_addr *daddr)
{
	const struct rules *rules = rcu_dereference(director->rules);

	return unlikely(rules) &&
	       rules_have(rules, AF_INET6, (const union nf_inet_addr *)daddr);
}

/* Under RCU, for a packet that is not a reply. True if IPVS is to be asked about it. */
static inline bool is_request(struct director *director, const struct sk_buff *skb,
			      const struct packet *packet, struct service *service,
			      struct question *question)
{
	question->by_rule = false;
	question->rule = NULL;
	if (service && likely(smp_load_acquire(&service->listed) &&
			      !READ_ONCE(service->by_rule)))
		return true;
	return adopt_asks_ipvs(director, skb, packet, service, question);
}

/* Calls IPVS's hook, as if at LOCAL_IN. Under RCU; the packet has its route. */
static inline unsigned int ask_ipvs(struct director *director,
				    const struct question *question, nf_hookfn *hook,
				    struct sk_buff *skb, const struct packet *packet,
				    const struct nf_hook_state *local_in)
{
	if (unlikely(question->by_rule))
		return adopt(director, question->rule, hook, skb, packet, local_in);
	return hook(NULL, skb, local_in);
}

#endif
