// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends the sessions of services that are not listed any more, by ending their
 * connections: IPVS itself does that when a connection is put whose timeout is
 * 0, and calls session_done_conn(). A connection that a packet uses just then
 * may get its usual timeout back; who wants it gone asks again.
 */
#include <linux/sched.h>

#include "ip_vs_bpf.h"

static void end(struct director *director, const struct service *service,
		u8 protocol, const union nf_inet_addr *client, __be16 port)
{
	struct ip_vs_conn_param param;
	struct ip_vs_conn *cp;

	ip_vs_conn_fill_param(net_ipvs(director->net), service->family, protocol,
			      client, port, &service->vaddr, service->vport,
			      &param);
	cp = ip_vs_conn_in_get(&param);
	if (!cp)
		return;
	if (is_ours(cp))
		cp->timeout = 0;
	ip_vs_conn_put(cp);
}

/* Ends the connection of an original entry whose service is not listed. */
static void end_left_over(struct director *director, struct bpf_map *map,
			  u8 family, union tuple *key)
{
	const union entry *entry = map->ops->map_lookup_elem(map, key);
	union nf_inet_addr client = {};
	const struct service *service;
	u8 direction;
	u16 id;

	if (!entry)
		return;
	direction = family == AF_INET6 ? entry->v6.direction : entry->v4.direction;
	id = family == AF_INET6 ? entry->v6.service : entry->v4.service;
	if (direction != IPVS_BPF_ORIGINAL)
		return;
	service = xa_load(&director->service_ids, id);
	if (!service || service->listed || service->family != family)
		return;
	if (family == AF_INET6) {
		memcpy(&client, key->v6.saddr, sizeof(key->v6.saddr));
		end(director, service, key->v6.protocol, &client, key->v6.sport);
	} else {
		client.ip = key->v4.saddr;
		end(director, service, key->v4.protocol, &client, key->v4.sport);
	}
}

static void flush(struct director *director, struct bpf_map *map, u8 family)
{
	/* Where the key has meanwhile gone, the map begins again with its first
	 * one, hence the bound.
	 */
	u32 left = map->max_entries;
	union tuple key, next;
	int err;

	rcu_read_lock();
	err = map->ops->map_get_next_key(map, NULL, &next);
	while (!err && left--) {
		key = next;
		err = map->ops->map_get_next_key(map, &key, &next);
		end_left_over(director, map, family, &key);
		cond_resched_rcu();
	}
	rcu_read_unlock();
}

/* Under config. */
void sessions_flush(struct director *director)
{
	struct maps *maps = rcu_dereference_protected(director->maps,
					lockdep_is_held(&director->config));

	if (!maps)
		return;
	flush(director, maps->sessions4, AF_INET);
	flush(director, maps->sessions6, AF_INET6);
}
