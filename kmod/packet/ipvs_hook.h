/* SPDX-License-Identifier: GPL-2.0-only */
/* IPVS's own function for incoming packets (ipvs_hook.c). */
#ifndef IP_VS_BPF_PACKET_IPVS_HOOK
#define IP_VS_BPF_PACKET_IPVS_HOOK

#include <linux/netfilter.h>

nf_hookfn *ivb_ipvs_in_hook(struct net *net, u8 family);

#endif
