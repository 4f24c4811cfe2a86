/* SPDX-License-Identifier: GPL-2.0-only */
/* Rules: full NAT for services that other programs put into IPVS (rules.c). */
#ifndef IP_VS_BPF_TABLE_RULES
#define IP_VS_BPF_TABLE_RULES

#include <linux/if.h>

#include "table/services.h"

/* In rule->protocols. */
enum { RULE_TCP = 1, RULE_UDP = 2, RULE_SCTP = 4 };

#define RULES_MAX 256
#define RULE_NETWORKS_MAX 1024 /* of all rules together */
#define RULE_PORTS_MAX 64
#define RULE_INTERFACES_MAX 16

struct port_range {
	u16 first, last; /* host endianness */
};

/* A rule: these destinations are full NAT from that pool. Once the rule is in effect,
 * only its pool can change.
 */
struct rule {
	struct pool __rcu *pool;
	u8 family;
	u8 protocols;
	bool toa; /* servers of its TCP services are told the client's address */
	unsigned int networks;
	unsigned int ports; /* 0: every port */
	unsigned int interfaces; /* 0: every interface */
	struct port_range port[RULE_PORTS_MAX]; /* ascending, with gaps between */
	/* A name that ends in '*' matches all names with that beginning. */
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
	struct rule_network *network; /* those of the first rule, of the second, … */
	unsigned int networks;
	/* The distinct prefix lengths. */
	u8 length[FAMILIES][129];
	unsigned int lengths[FAMILIES];
	struct hlist_head *heads; /* by network */
	unsigned int bits;
};

const struct rule *ivb_rules_find(struct director *director, const struct net_device *dev,
				  u8 family, u8 protocol, const union nf_inet_addr *vaddr,
				  __be16 vport);
bool ivb_rules_have(const struct rules *rules, u8 family, const union nf_inet_addr *addr);
struct rules *ivb_rules_new(unsigned int rules, unsigned int networks);
void ivb_rules_free(struct rules *rules);
void ivb_rules_index(struct rules *rules);
bool ivb_rules_overlap(const struct rules *rules, const struct rule **a,
		       const struct rule **b);

#endif
