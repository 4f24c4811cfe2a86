// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds IPVS's own function for incoming packets. IPVS exports no way to call it, but
 * registers it publicly: at LOCAL_IN, one step before source NAT
 * (net/netfilter/ipvs/ip_vs_core.c, ip_vs_ops4 and ip_vs_ops6), in every namespace that
 * has a virtual service of the family. It is the same function in all namespaces. It
 * stays as long as the module ip_vs, which our module keeps loaded.
 */
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/netfilter_ipv4.h>
#include <linux/string.h>

#include "packet/ipvs_hook.h"

nf_hookfn *ivb_ipvs_found[FAMILIES];

/* Another module may use the same priority. Only functions whose name in the kernel's
 * symbol table begins with ip_vs_ are IPVS's.
 */
static bool is_ipvs(nf_hookfn *function)
{
	char name[KSYM_SYMBOL_LEN];

	snprintf(name, sizeof(name), "%ps", function);
	return str_has_prefix(name, "ip_vs_");
}

static struct nf_hook_entries *local_in(struct net *net, u8 family)
{
#ifdef CONFIG_IP_VS_IPV6
	if (family == AF_INET6)
		return rcu_dereference(net->nf.hooks_ipv6[NF_INET_LOCAL_IN]);
#endif
	return rcu_dereference(net->nf.hooks_ipv4[NF_INET_LOCAL_IN]);
}

/* See ivb_ipvs_in_hook(). */
nf_hookfn *ivb_ipvs_find_hook(struct net *net, u8 family)
{
	const struct nf_hook_entries *entries;
	struct nf_hook_ops **ops;
	nf_hookfn *hook;
	unsigned int i;

	entries = local_in(net, family);
	if (!entries)
		return NULL;
	ops = nf_hook_entries_get_hook_ops(entries);
	for (i = 0; i < entries->num_hook_entries; i++) {
		/* The IPv6 priority, NF_IP6_PRI_NAT_SRC, is the same. */
		if (READ_ONCE(ops[i]->priority) != NF_IP_PRI_NAT_SRC - 1)
			continue;
		hook = entries->hooks[i].hook;
		if (!is_ipvs(hook))
			continue;
		WRITE_ONCE(ivb_ipvs_found[family_index(family)], hook);
		return hook;
	}
	return NULL;
}
