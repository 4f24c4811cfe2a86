// SPDX-License-Identifier: GPL-2.0-only
/*
 * The director: what the module knows about one network namespace.
 *
 * It is allocated apart from the namespace because it outlives our exit
 * handler there: that runs before IPVS flushes its connections, and each of
 * them ends with a call to session_done_conn().
 */
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "fold.h"
#include "leases.h"
#include "rules.h"
#include "session_table.h"
#include "unanswered.h"

unsigned int ip_vs_bpf_net_id __read_mostly;

/* What net_generic() holds for us. */
struct director_slot {
	struct director __rcu *director;
};

/* Under RCU. NULL while the namespace ends. */
struct director *director_of(struct net *net)
{
	struct director_slot *slot = net_generic(net, ip_vs_bpf_net_id);

	return rcu_dereference(slot->director);
}

static struct workqueue_struct *free_queue;

/* A grace period after the last reference has gone. May sleep. */
static void director_free(struct work_struct *work)
{
	struct director *director = container_of(to_rcu_work(work), struct director,
						 free);

	session_table_exit(director);
	services_free(director);
	rules_exit(director);
	local_ips_free(director);
	maps_release(director);
	free_percpu(director->stats);
	kfree(director);
}

/* From any context. The last reference is gone, but packets may still look at
 * the director under RCU.
 */
void director_put(struct director *director)
{
	if (refcount_dec_and_test(&director->refs))
		queue_rcu_work(free_queue, &director->free);
}

static void director_reap(struct work_struct *work)
{
	struct director *director = container_of(work, struct director, reap);

	mutex_lock(&director->config);
	services_reap(director);
	mutex_unlock(&director->config);
}

static struct director *director_new(struct net *net)
{
	struct director *director = kzalloc(sizeof(*director), GFP_KERNEL);

	if (!director)
		return NULL;
	director->stats = alloc_percpu(struct stats);
	if (!director->stats) {
		kfree(director);
		return NULL;
	}
	if (session_table_init(director)) {
		free_percpu(director->stats);
		kfree(director);
		return NULL;
	}
	INIT_RCU_WORK(&director->free, director_free);
	director->net = net;
	refcount_set(&director->refs, 1);
	mutex_init(&director->config);
	hash_init(director->services);
	hash_init(director->local_ips);
	hash_init(director->pool_names);
	INIT_LIST_HEAD(&director->pools);
	INIT_LIST_HEAD(&director->port_apps);
	INIT_LIST_HEAD(&director->dying_port_apps);
	INIT_WORK(&director->reap, director_reap);
	rule_services_init(director);
	leases_init(director);
	unanswered_init(director);
	return director;
}

static int __net_init director_net_init(struct net *net)
{
	struct director_slot *slot = net_generic(net, ip_vs_bpf_net_id);
	struct director *director = director_new(net);
	int err;

	if (!director)
		return -ENOMEM;
	err = proc_create_all(director);
	if (err) {
		director_put(director);
		return err;
	}
	rcu_assign_pointer(slot->director, director);
	return 0;
}

static void __net_exit director_net_exit(struct net *net)
{
	struct director_slot *slot = net_generic(net, ip_vs_bpf_net_id);
	struct director *director = rcu_dereference_protected(slot->director, true);

	/* Waits for writers, so that the configuration stands still below. */
	proc_remove_all(director);

	/* No new sessions after the grace period. */
	RCU_INIT_POINTER(slot->director, NULL);
	mutex_lock(&director->config);
	services_exit(director);
	mutex_unlock(&director->config);
	rule_services_exit(director);

	/* The last session's end may have asked for it; what it would free is
	 * freed with the director.
	 */
	cancel_work_sync(&director->reap);
	fold_exit(director);
	director_put(director);
}

static struct pernet_operations director_net_ops = {
	.init = director_net_init,
	.exit = director_net_exit,
	.id = &ip_vs_bpf_net_id,
	.size = sizeof(struct director_slot),
};

/* Directors that were made are freed when their RCU callbacks have queued them. */
static void free_queue_exit(void)
{
	rcu_barrier();
	destroy_workqueue(free_queue);
}

int director_module_init(void)
{
	int err;

	free_queue = alloc_workqueue("ip_vs_bpf", WQ_UNBOUND, 0);
	if (!free_queue)
		return -ENOMEM;
	err = register_pernet_subsys(&director_net_ops);
	if (err)
		free_queue_exit();
	return err;
}

void director_module_exit(void)
{
	unregister_pernet_subsys(&director_net_ops);
	free_queue_exit();
}
