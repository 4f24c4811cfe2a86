// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends the sessions of services that are not listed any more, by ending their
 * connections: IPVS itself does that when a connection is put whose timeout is
 * 0, and calls session_done_conn(). A connection that a packet uses just then
 * may get its usual timeout back; who wants it gone asks again.
 */
#include <linux/sched.h>

#include "ip_vs_bpf.h"

static void end(struct director *director, const struct ipvs_bpf_tuple4 *original)
{
	union nf_inet_addr client = { .ip = original->saddr };
	union nf_inet_addr vip = { .ip = original->daddr };
	struct ip_vs_conn_param param;
	struct ip_vs_conn *cp;

	ip_vs_conn_fill_param(net_ipvs(director->net), AF_INET, original->protocol,
			      &client, original->sport, &vip, original->dport,
			      &param);
	cp = ip_vs_conn_in_get(&param);
	if (!cp)
		return;
	if (cp->packet_xmit == transmit || cp->packet_xmit == transmit_refusal)
		cp->timeout = 0;
	ip_vs_conn_put(cp);
}

/* Whether the entry is an original one whose service is not listed. */
static bool is_left_over(struct director *director, struct bpf_map *map,
			 struct ipvs_bpf_tuple4 *key)
{
	const struct ipvs_bpf_session4 *session = map->ops->map_lookup_elem(map, key);
	const struct service *service;

	if (!session || session->direction != IPVS_BPF_ORIGINAL)
		return false;
	service = xa_load(&director->service_ids, session->service);
	return service && !service->listed;
}

/* Under config. */
void sessions_flush(struct director *director)
{
	struct maps *maps = rcu_dereference_protected(director->maps,
					lockdep_is_held(&director->config));
	struct ipvs_bpf_tuple4 key, next;
	struct bpf_map *map;
	u32 left;
	int err;

	if (!maps)
		return;
	map = maps->sessions4;
	/* Where the key has meanwhile gone, the map begins again with its first
	 * one, hence the bound.
	 */
	left = map->max_entries;
	rcu_read_lock();
	err = map->ops->map_get_next_key(map, NULL, &next);
	while (!err && left--) {
		key = next;
		err = map->ops->map_get_next_key(map, &key, &next);
		if (is_left_over(director, map, &key))
			end(director, &key);
		cond_resched_rcu();
	}
	rcu_read_unlock();
}
