/* SPDX-License-Identifier: GPL-2.0-only */
/* IPVS's own function for incoming packets (ipvs_hook.c). */
#ifndef IP_VS_BPF_PACKET_IPVS_HOOK
#define IP_VS_BPF_PACKET_IPVS_HOOK

#include <linux/netfilter.h>

#include "table/flow.h"

extern nf_hookfn *ivb_ipvs_found[FAMILIES]; /* READ_ONCE */

nf_hookfn *ivb_ipvs_find_hook(struct net *net, u8 family);

/* Called under RCU. Returns NULL while no namespace known to us had a virtual service
 * of the family.
 */
static inline nf_hookfn *ivb_ipvs_in_hook(struct net *net, u8 family)
{
	nf_hookfn *hook = READ_ONCE(ivb_ipvs_found[family_index(family)]);

	return likely(hook) ? hook : ivb_ipvs_find_hook(net, family);
}

#endif
