// SPDX-License-Identifier: GPL-2.0-only
/*
 * IPVS's own counters of server, service and namespace, for the packets that IPVS
 * itself does not count: replies, and packets of the fast path.
 */
#include "compat.h"
#include "ip_vs_bpf_abi.h"
#include "table/accounting.h"

static void add(struct ip_vs_cpu_stats __percpu *cpustats, u8 direction,
		u64 packets, u64 bytes)
{
	struct ip_vs_cpu_stats *stats = this_cpu_ptr(cpustats);

	u64_stats_update_begin(&stats->syncp);
	if (direction == IPVS_BPF_ORIGINAL) {
		compat_stats_add(&stats->cnt.inpkts, packets);
		compat_stats_add(&stats->cnt.inbytes, bytes);
	} else {
		compat_stats_add(&stats->cnt.outpkts, packets);
		compat_stats_add(&stats->cnt.outbytes, bytes);
	}
	u64_stats_update_end(&stats->syncp);
}

/* Counts like ip_vs_in_stats() and ip_vs_out_stats(). Called under RCU, which keeps
 * what dest->svc points at; the connection keeps the server.
 */
void ivb_account(struct ip_vs_conn *cp, u8 direction, u64 packets, u64 bytes)
{
	struct ip_vs_dest *dest = READ_ONCE(cp->dest);
	struct ip_vs_service *svc;

	if (!dest || !compat_dest_available(dest))
		return;
	svc = rcu_dereference(dest->svc);
	local_bh_disable();
	add(dest->stats.cpustats, direction, packets, bytes);
	if (svc)
		add(svc->stats.cpustats, direction, packets, bytes);
	add(compat_tot_stats(cp->ipvs)->cpustats, direction, packets, bytes);
	local_bh_enable();
}
