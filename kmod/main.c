// SPDX-License-Identifier: GPL-2.0-only
/*
 * ip_vs_bpf: full NAT for IPVS. Each connection of a full-NAT service becomes a
 * session, by which the module rewrites both addresses of a packet, so that neither
 * conntrack nor a masquerade rule is needed. What it has found worth forwarding
 * without it is in eBPF maps, and a program at the interfaces does the rest.
 */
#include <linux/module.h>

#include "neighbours.h"

static int __init ip_vs_bpf_init(void)
{
	int err = sessions_module_init();

	if (err)
		return err;
	err = director_module_init();
	if (err)
		goto directors_failed;
	err = devices_module_init();
	if (err)
		goto devices_failed;
	err = neighbours_module_init();
	if (err)
		goto neighbours_failed;
	return 0;

neighbours_failed:
	devices_module_exit();
devices_failed:
	director_module_exit();
directors_failed:
	sessions_module_exit();
	return err;
}

static void __exit ip_vs_bpf_exit(void)
{
	neighbours_module_exit();
	devices_module_exit();
	director_module_exit();
	/* IPVS may still read our application under RCU, and our own RCU
	 * callbacks are code of this module: wait for both before it goes.
	 */
	rcu_barrier();
	sessions_module_exit();
}

module_init(ip_vs_bpf_init);
module_exit(ip_vs_bpf_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("IPVS full NAT without conntrack, accelerated by eBPF");
MODULE_VERSION(IP_VS_BPF_VERSION);
COMPAT_IMPORT_BPF();
