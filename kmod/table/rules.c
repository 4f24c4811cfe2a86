// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules: destinations that are full NAT although no service is listed there, because
 * another program adds the services to IPVS. A rule takes no packet for which IPVS has
 * no service.
 *
 * One hash table has the networks of all rules, by address and prefix length. A packet
 * costs one lookup for each distinct length, and one check for each rule that names a
 * matching network. No two rules cover the same destination.
 */
#include <linux/hash.h>
#include <linux/inetdevice.h>
#include <linux/jhash.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/ipv6.h>

#include "table/director.h"
#include "table/rules.h"

/* Clears the bits of the address that are not part of the prefix. */
static void mask(u8 family, const union nf_inet_addr *addr, u8 length,
		 union nf_inet_addr *masked)
{
	if (family == AF_INET6)
		ipv6_addr_prefix(&masked->in6, &addr->in6, length);
	else
		masked->ip = addr->ip & inet_make_mask(length);
}

/* The hash bucket of a network. The address is masked. */
static struct hlist_head *head(const struct rules *rules, u8 family,
			       const union nf_inet_addr *addr, u8 length)
{
	u32 hash = family == AF_INET6 ? jhash2((const u32 *)addr, 4, length) :
					(__force u32)addr->ip ^ length;

	return &rules->heads[hash_32(hash, rules->bits)];
}

static bool is_network(const struct rule_network *network, u8 family,
		       const union nf_inet_addr *addr, u8 length)
{
	return network->length == length && network->rule->family == family &&
	       flow_addr_equal(family, &network->addr, addr);
}

static u8 protocol_bit(u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return RULE_TCP;
	case IPPROTO_UDP:
		return RULE_UDP;
	default:
		return RULE_SCTP;
	}
}

static bool has_port(const struct rule *rule, u16 port)
{
	unsigned int low = 0, high = rule->ports;

	if (!high)
		return true;
	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (port < rule->port[middle].first)
			high = middle;
		else if (port > rule->port[middle].last)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

static bool is_named(const char *name, const char *pattern)
{
	size_t length = strlen(pattern);

	if (length && pattern[length - 1] == '*')
		return !strncmp(name, pattern, length - 1);
	return !strcmp(name, pattern);
}

static bool has_interface(const struct rule *rule, const struct net_device *dev)
{
	unsigned int i;

	if (!rule->interfaces || !dev)
		return true;
	for (i = 0; i < rule->interfaces; i++)
		if (is_named(dev->name, rule->interface[i]))
			return true;
	return false;
}

/* A packet that a rule may cover, without its address. */
struct rule_packet {
	const struct net_device *dev;
	u8 protocol;
	u16 port;
};

static bool covers(const struct rule *rule, const struct rule_packet *packet)
{
	return rule->protocols & protocol_bit(packet->protocol) &&
	       has_port(rule, packet->port) && has_interface(rule, packet->dev);
}

/* A rule that has the address in one of its networks. If packet is not NULL, the rule
 * also covers the packet.
 */
static const struct rule *find(const struct rules *rules, u8 family,
			       const union nf_inet_addr *vaddr,
			       const struct rule_packet *packet)
{
	int half = family_index(family);
	const struct rule_network *network;
	union nf_inet_addr masked;
	unsigned int i;

	for (i = 0; i < rules->lengths[half]; i++) {
		u8 length = rules->length[half][i];

		mask(family, vaddr, length, &masked);
		hlist_for_each_entry(network, head(rules, family, &masked, length), node)
			if (is_network(network, family, &masked, length) &&
			    (!packet || covers(network->rule, packet)))
				return network->rule;
	}
	return NULL;
}

/* Under RCU or config. */
bool ivb_rules_have(const struct rules *rules, u8 family, const union nf_inet_addr *addr)
{
	return find(rules, family, addr, NULL);
}

/* The rule that covers the destination, for packets that come in by dev. If dev is
 * NULL, by any device. Called under RCU or config.
 */
const struct rule *ivb_rules_find(struct director *director, const struct net_device *dev,
				  u8 family, u8 protocol, const union nf_inet_addr *vaddr,
				  __be16 vport)
{
	const struct rules *rules =
		rcu_dereference_check(director->rules,
				      lockdep_is_held(&director->config));
	const struct rule_packet packet = { dev, protocol, ntohs(vport) };

	return rules ? find(rules, family, vaddr, &packet) : NULL;
}

void ivb_rules_free(struct rules *rules)
{
	if (!rules)
		return;
	kvfree(rules->rule);
	kvfree(rules->network);
	kvfree(rules->heads);
	kfree(rules);
}

/* Allocates room for so many rules and networks. ivb_rules_free() also takes a rule set
 * that is only partly filled.
 */
struct rules *ivb_rules_new(unsigned int count, unsigned int networks)
{
	struct rules *rules = kzalloc(sizeof(*rules), GFP_KERNEL_ACCOUNT);

	if (!rules)
		return NULL;
	rules->bits = max(ilog2(roundup_pow_of_two(networks)), 1);
	rules->rule = kvcalloc(count, sizeof(*rules->rule), GFP_KERNEL_ACCOUNT);
	rules->network = kvcalloc(networks, sizeof(*rules->network), GFP_KERNEL_ACCOUNT);
	rules->heads = kvcalloc(1 << rules->bits, sizeof(*rules->heads),
				GFP_KERNEL_ACCOUNT);
	if (rules->rule && rules->network && rules->heads)
		return rules;
	ivb_rules_free(rules);
	return NULL;
}

static void add_length(struct rules *rules, int half, u8 length)
{
	unsigned int i;

	for (i = 0; i < rules->lengths[half]; i++)
		if (rules->length[half][i] == length)
			return;
	rules->length[half][rules->lengths[half]++] = length;
}

/* Makes the networks findable. */
void ivb_rules_index(struct rules *rules)
{
	unsigned int i;

	for (i = 0; i < rules->networks; i++) {
		struct rule_network *network = &rules->network[i];
		u8 family = network->rule->family;

		add_length(rules, family_index(family), network->length);
		hlist_add_head(&network->node,
			       head(rules, family, &network->addr, network->length));
		cond_resched();
	}
}

static bool ports_overlap(const struct rule *a, const struct rule *b)
{
	unsigned int i = 0, j = 0;

	if (!a->ports || !b->ports)
		return true;
	while (i < a->ports && j < b->ports) {
		if (a->port[i].last < b->port[j].first)
			i++;
		else if (b->port[j].last < a->port[i].first)
			j++;
		else
			return true;
	}
	return false;
}

static bool networks_overlap(const struct rule_network *a, const struct rule_network *b)
{
	u8 family = a->rule->family, length = min(a->length, b->length);
	union nf_inet_addr masked_a, masked_b;

	mask(family, &a->addr, length, &masked_a);
	mask(family, &b->addr, length, &masked_b);
	return flow_addr_equal(family, &masked_a, &masked_b);
}

/* True if two rules cover the same destination, which would have one service. */
bool ivb_rules_overlap(const struct rules *rules, const struct rule **a,
		       const struct rule **b)
{
	unsigned int i, j;

	for (i = 0; i < rules->networks; i++) {
		const struct rule_network *one = &rules->network[i];

		*a = one->rule;
		for (j = 0; j < i; j++) {
			const struct rule_network *other = &rules->network[j];

			*b = other->rule;
			if (*a != *b && (*a)->family == (*b)->family &&
			    (*a)->protocols & (*b)->protocols &&
			    networks_overlap(one, other) && ports_overlap(*a, *b))
				return true;
		}
		cond_resched();
	}
	return false;
}
