// SPDX-License-Identifier: GPL-2.0-only
/*
 * ip_vs_bpf: full NAT for IPVS. Each connection of a full-NAT service becomes a
 * session. The module uses it to rewrite both addresses of a packet, so that neither
 * conntrack nor a masquerade rule is needed. Flows that can be forwarded without the
 * module are in eBPF maps, and a program at the interfaces forwards their packets.
 */
#include <linux/module.h>

#include "compat.h"
#include "namespace.h"
#include "session/devices.h"
#include "session/neighbours.h"
#include "session/sessions.h"
#include "table/director.h"

static int __init ip_vs_bpf_init(void)
{
	int err = ivb_sessions_module_init();

	if (err)
		return err;
	err = ivb_director_module_init();
	if (err)
		goto directors_failed;
	err = ivb_namespaces_init();
	if (err)
		goto namespaces_failed;
	err = ivb_devices_module_init();
	if (err)
		goto devices_failed;
	err = ivb_neighbours_module_init();
	if (err)
		goto neighbours_failed;
	return 0;

neighbours_failed:
	ivb_devices_module_exit();
devices_failed:
	ivb_namespaces_exit();
namespaces_failed:
	ivb_director_module_exit();
directors_failed:
	ivb_sessions_module_exit();
	return err;
}

static void __exit ip_vs_bpf_exit(void)
{
	ivb_neighbours_module_exit();
	ivb_devices_module_exit();
	ivb_namespaces_exit();
	ivb_director_module_exit();
	/* IPVS may still read our application under RCU, and our own RCU callbacks run
	 * code of this module: wait for both before it is unloaded.
	 */
	rcu_barrier();
	ivb_sessions_module_exit();
}

module_init(ip_vs_bpf_init);
module_exit(ip_vs_bpf_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("IPVS full NAT without conntrack, accelerated by eBPF");
MODULE_VERSION(IP_VS_BPF_VERSION);
COMPAT_IMPORT_BPF();
