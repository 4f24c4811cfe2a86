// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/ip_vs_bpf/rules. A write has all rules, one per line, and replaces the old
 * ones; or it is "none":
 *
 *     NETWORKS PROTOCOLS PORTS INTERFACES POOL [toa]
 *
 * NETWORKS are the networks of virtual addresses, all of one family, as ADDRESS/LENGTH.
 * PROTOCOLS are tcp, udp and sctp. PORTS are FIRST-LAST or PORT, in ascending order.
 * INTERFACES are those by which packets may come in, by name or as NAME*. Each is a
 * list separated by commas, and the last three may be "*", which means all. With "toa",
 * TCP servers get the client's address (packet/toa.c). A read returns the same, and the
 * current number of services of the rule:
 *
 *     NETWORKS PROTOCOLS PORTS INTERFACES POOL [toa] services N
 */
#include <linux/ctype.h>
#include <linux/inet.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <net/ipv6.h>

#include "control/proc.h"
#include "control/rules.h"
#include "control/services.h"
#include "control/text.h"

static const struct {
	const char *name;
	u8 bit;
} protocols[] = {
	{ "tcp", RULE_TCP },
	{ "udp", RULE_UDP },
	{ "sctp", RULE_SCTP },
};

#define RULE_PROTOCOLS_ALL (RULE_TCP | RULE_UDP | RULE_SCTP)

static bool is_all(const char *text)
{
	return !strcmp(text, "*");
}

/* Parses "10.0.0.0/24". Modifies the text. */
static bool parse_network(char *text, u8 *family, struct rule_network *network)
{
	union nf_inet_addr *addr = &network->addr;
	char *address = strsep(&text, "/");
	const char *end;

	if (!text || kstrtou8(text, 10, &network->length))
		return false;
	if (in4_pton(address, -1, (u8 *)&addr->ip, -1, &end) && !*end) {
		*family = AF_INET;
		return network->length <= 32 &&
		       !(addr->ip & ~inet_make_mask(network->length));
	}
	memset(addr, 0, sizeof(*addr));
	if (IS_ENABLED(CONFIG_IP_VS_IPV6) &&
	    in6_pton(address, -1, (u8 *)&addr->in6, -1, &end) && !*end &&
	    network->length <= 128) {
		struct in6_addr masked;

		*family = AF_INET6;
		ipv6_addr_prefix(&masked, &addr->in6, network->length);
		return ipv6_addr_equal(&masked, &addr->in6);
	}
	return false;
}

static bool parse_networks(char *text, struct rules *rules, struct rule *rule)
{
	char *word;

	while ((word = strsep(&text, ","))) {
		struct rule_network *network = &rules->network[rules->networks];
		u8 family;

		if (!parse_network(word, &family, network) ||
		    (rule->networks && family != rule->family))
			return false;
		network->rule = rule;
		rule->family = family;
		rule->networks++;
		rules->networks++;
		cond_resched();
	}
	return true;
}

static bool parse_protocols(char *text, struct rule *rule)
{
	unsigned int i;
	char *word;

	if (is_all(text)) {
		rule->protocols = RULE_PROTOCOLS_ALL;
		return true;
	}
	while ((word = strsep(&text, ","))) {
		for (i = 0; i < ARRAY_SIZE(protocols); i++)
			if (!strcmp(word, protocols[i].name))
				break;
		if (i == ARRAY_SIZE(protocols) || rule->protocols & protocols[i].bit)
			return false;
		rule->protocols |= protocols[i].bit;
	}
	return true;
}

static bool parse_range(char *text, struct port_range *range)
{
	char *first = strsep(&text, "-");

	if (kstrtou16(first, 10, &range->first) || !range->first)
		return false;
	range->last = range->first;
	return !text ||
	       (!kstrtou16(text, 10, &range->last) && range->last >= range->first);
}

static bool parse_ports(char *text, struct rule *rule)
{
	char *word;

	if (is_all(text))
		return true;
	while ((word = strsep(&text, ","))) {
		struct port_range *range = &rule->port[rule->ports];

		if (rule->ports == RULE_PORTS_MAX || !parse_range(word, range) ||
		    (rule->ports && range->first <= range[-1].last))
			return false;
		rule->ports++;
	}
	return true;
}

/* True if an interface may have that name, or one that begins so. */
static bool is_interface(const char *name)
{
	const char *byte;

	for (byte = name; *byte; byte++)
		if (iscntrl(*byte))
			return false;
	return dev_valid_name(name);
}

static bool parse_interfaces(char *text, struct rule *rule)
{
	char *word;

	if (is_all(text))
		return true;
	while ((word = strsep(&text, ","))) {
		if (rule->interfaces == RULE_INTERFACES_MAX || !is_interface(word) ||
		    strscpy(rule->interface[rule->interfaces], word,
			    sizeof(rule->interface[0])) < 0)
			return false;
		rule->interfaces++;
	}
	return true;
}

static int parse_pool(struct director *director, const char *name, struct rule *rule,
		      unsigned int number)
{
	struct pool *pool = ivb_pool_find(director, name);
	char *error = director->rules_error;

	if (!pool)
		return ivb_refuse(error, -ENOENT, number, "no pool \"%.15s\"", name);
	if (!rcu_access_pointer(pool->half[family_index(rule->family)].ips))
		return ivb_refuse(error, -ENOENT, number, "pool \"%.15s\" has no %s address",
				  name, rule->family == AF_INET6 ? "IPv6" : "IPv4");
	RCU_INIT_POINTER(rule->pool, pool);
	return 0;
}

static int parse_rule(struct director *director, char *line, struct rules *rules,
		      unsigned int number)
{
	struct rule *rule = &rules->rule[rules->rules++];
	char *error = director->rules_error;
	char *words[5];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		words[i] = strsep(&line, " ");
		if (!words[i] || !*words[i])
			break;
	}
	rule->toa = line && !strcmp(line, "toa");
	if (i < ARRAY_SIZE(words) || (line && !rule->toa))
		return ivb_refuse(error, -EINVAL, number,
				  "expected \"NETWORKS PROTOCOLS PORTS INTERFACES POOL [toa]\", or \"none\" alone");
	if (!parse_networks(words[0], rules, rule))
		return ivb_refuse(error, -EINVAL, number,
				  "networks are ADDRESS/LENGTH, all of one family that this kernel's IPVS has, without bits beyond the prefix");
	if (!parse_protocols(words[1], rule))
		return ivb_refuse(error, -EINVAL, number,
				  "protocols are tcp, udp and sctp, each once, or \"*\"");
	if (!parse_ports(words[2], rule))
		return ivb_refuse(error, -EINVAL, number,
				  "ports are FIRST-LAST or PORT, ascending, at most %u ranges, or \"*\"",
				  RULE_PORTS_MAX);
	if (!parse_interfaces(words[3], rule))
		return ivb_refuse(error, -EINVAL, number,
				  "interfaces are names, at most %u, or \"*\"",
				  RULE_INTERFACES_MAX);
	if (rule->toa && !(rule->protocols & RULE_TCP))
		return ivb_refuse(error, -EINVAL, number,
				  "\"toa\" is an option of TCP, which is not among the protocols");
	return parse_pool(director, words[4], rule, number);
}

/* Counts the rules in the text, and the networks at most. */
static void measure(const char *text, unsigned int *rules, unsigned int *networks)
{
	*rules = 0;
	*networks = 0;
	while (*text) {
		size_t length = strcspn(text, "\n"), i;

		*rules += !!length;
		*networks += !!length;
		for (i = 0; i < length && text[i] != ' '; i++)
			*networks += text[i] == ',';
		text += length + (text[length] == '\n');
		cond_resched();
	}
}

static int parse(struct director *director, char *text, struct rules *rules)
{
	unsigned int number = 0;
	const struct rule *a, *b;
	int err = 0;
	char *line;

	while (!err && (line = strsep(&text, "\n"))) {
		number++;
		if (*line)
			err = parse_rule(director, line, rules, number);
		cond_resched();
	}
	if (!err && ivb_rules_overlap(rules, &a, &b))
		err = ivb_refuse(director->rules_error, -EEXIST, 0,
				 "rules %u and %u cover the same destinations",
				 (unsigned int)(b - rules->rule) + 1,
				 (unsigned int)(a - rules->rule) + 1);
	return err;
}

int ivb_rules_write(struct director *director, char *text)
{
	char *error = director->rules_error;
	unsigned int count, networks;
	struct rules *rules;
	int err;

	if (sysfs_streq(text, "none")) {
		ivb_rules_take_effect(director, NULL);
		return 0;
	}
	measure(text, &count, &networks);
	if (!count)
		return ivb_refuse(error, -EINVAL, 0,
				  "expected \"NETWORKS PROTOCOLS PORTS INTERFACES POOL [toa]\", or \"none\" alone");
	if (count > RULES_MAX || networks > RULE_NETWORKS_MAX)
		return ivb_refuse(error, -E2BIG, 0, "more than %u rules or %u networks",
				  RULES_MAX, RULE_NETWORKS_MAX);
	rules = ivb_rules_new(count, networks);
	if (!rules)
		return -ENOMEM;
	err = parse(director, text, rules);
	if (!err) {
		err = ivb_services_hook(director);
		if (err)
			ivb_refuse(error, err, 0, "the netfilter hooks could not be set");
	}
	if (err) {
		ivb_rules_free(rules);
		return err;
	}
	ivb_rules_index(rules);
	ivb_rules_take_effect(director, rules);
	return 0;
}

static void show_protocols(struct seq_file *seq, const struct rule *rule)
{
	const char *before = " ";
	unsigned int i;

	if (rule->protocols == RULE_PROTOCOLS_ALL) {
		seq_puts(seq, " *");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(protocols); i++)
		if (rule->protocols & protocols[i].bit) {
			seq_printf(seq, "%s%s", before, protocols[i].name);
			before = ",";
		}
}

static void show_ports(struct seq_file *seq, const struct rule *rule)
{
	unsigned int i;

	for (i = 0; i < rule->ports; i++) {
		seq_printf(seq, "%s%u", i ? "," : " ", rule->port[i].first);
		if (rule->port[i].last != rule->port[i].first)
			seq_printf(seq, "-%u", rule->port[i].last);
	}
	if (!rule->ports)
		seq_puts(seq, " *");
}

static void show_interfaces(struct seq_file *seq, const struct rule *rule)
{
	unsigned int i;

	for (i = 0; i < rule->interfaces; i++)
		seq_printf(seq, "%s%s", i ? "," : " ", rule->interface[i]);
	if (!rule->interfaces)
		seq_puts(seq, " *");
}

static void show_network(struct seq_file *seq, const struct rule_network *network)
{
	if (network->rule->family == AF_INET6)
		seq_printf(seq, "%pI6c/%u", &network->addr.in6, network->length);
	else
		seq_printf(seq, "%pI4/%u", &network->addr.ip, network->length);
}

struct tally {
	const struct rule *first;
	u16 services[RULES_MAX]; /* RULE_SERVICES_MAX at most */
};

static void count_service(struct director *director, struct service *service,
			  void *data)
{
	struct tally *tally = data;
	const struct rule *rule;

	if (!service->by_rule || !service->listed || service->every_port ||
	    service->mark)
		return;
	rule = ivb_rules_find(director, NULL, service->family, service->protocol,
			      &service->vaddr, service->vport);
	if (rule)
		tally->services[rule - tally->first]++;
}

void ivb_rules_show(struct director *director, struct seq_file *seq)
{
	const struct rules *rules = rcu_dereference_protected(
		director->rules, lockdep_is_held(&director->config));
	const struct rule_network *network;
	struct tally tally = {};
	unsigned int i, j;

	if (!rules)
		return;
	tally.first = rules->rule;
	ivb_services_for_each(director, count_service, &tally);
	network = rules->network;
	for (i = 0; i < rules->rules; i++) {
		const struct rule *rule = &rules->rule[i];

		for (j = 0; j < rule->networks; j++) {
			seq_puts(seq, j ? "," : "");
			show_network(seq, network++);
		}
		show_protocols(seq, rule);
		show_ports(seq, rule);
		show_interfaces(seq, rule);
		seq_printf(seq, " %s%s services %u\n",
			   rcu_dereference_protected(rule->pool, true)->name,
			   rule->toa ? " toa" : "", tally.services[i]);
		cond_resched();
	}
}
