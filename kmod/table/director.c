// SPDX-License-Identifier: GPL-2.0-only
/*
 * The director: the module's state of one network namespace.
 *
 * It is allocated separately from the namespace because it outlives our exit handler
 * (namespace.c): the handler runs before IPVS flushes its connections, and each of them
 * ends with a call to ivb_session_done_conn().
 */
#include <linux/random.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "table/director.h"
#include "table/maps.h"

unsigned int ip_vs_bpf_net_id __read_mostly;

static struct workqueue_struct *free_queue;

/* Runs a grace period after the last reference was dropped. May sleep. */
static void director_free(struct work_struct *work)
{
	struct director *director = container_of(to_rcu_work(work), struct director,
						 free);

	ivb_session_table_exit(director);
	ivb_services_free(director);
	ivb_rules_free(rcu_dereference_protected(director->rules, true));
	ivb_local_ips_free(director);
	ivb_maps_free(rcu_dereference_protected(director->maps, true));
	free_percpu(director->stats);
	kvfree(director);
}

/* Called from any context. When the last reference is dropped, packets may still read
 * the director under RCU.
 */
void ivb_director_put(struct director *director)
{
	if (refcount_dec_and_test(&director->refs))
		queue_rcu_work(free_queue, &director->free);
}

struct director *ivb_director_new(struct net *net)
{
	struct director *director = kvzalloc(sizeof(*director), GFP_KERNEL_ACCOUNT);

	if (!director)
		return NULL;
	director->stats = alloc_percpu(struct stats);
	if (!director->stats || ivb_session_table_init(director)) {
		free_percpu(director->stats);
		kvfree(director);
		return NULL;
	}
	INIT_RCU_WORK(&director->free, director_free);
	director->net = net;
	refcount_set(&director->refs, 1);
	get_random_bytes(&director->port_key, sizeof(director->port_key));
	director->port_key_is_random = true;
	mutex_init(&director->config);
	hash_init(director->services);
	director->services_seed = get_random_u32();
	hash_init(director->local_ips);
	hash_init(director->pool_names);
	INIT_LIST_HEAD(&director->pools);
	INIT_LIST_HEAD(&director->port_apps);
	INIT_LIST_HEAD(&director->dying_port_apps);
	return director;
}

int ivb_director_module_init(void)
{
	free_queue = alloc_workqueue("ip_vs_bpf", WQ_UNBOUND, 0);
	return free_queue ? 0 : -ENOMEM;
}

/* The RCU callbacks queue the directors, and the destruction of the queue waits until
 * they are freed.
 */
void ivb_director_module_exit(void)
{
	rcu_barrier();
	destroy_workqueue(free_queue);
}
