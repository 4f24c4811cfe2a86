/* SPDX-License-Identifier: GPL-2.0-only */
/* The netfilter hooks (hooks.c). */
#ifndef IP_VS_BPF_PACKET_HOOKS
#define IP_VS_BPF_PACKET_HOOKS

#include <net/net_namespace.h>

int ivb_hooks_register(struct net *net);
void ivb_hooks_unregister(struct net *net);

#endif
