// SPDX-License-Identifier: GPL-2.0-only
/*
 * Begins a director with its network namespace, and ends it with the namespace.
 */
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "control/proc.h"
#include "control/rule_services.h"
#include "control/services.h"
#include "namespace.h"
#include "session/fold.h"
#include "session/leases.h"
#include "session/unanswered.h"

static void reap(struct work_struct *work)
{
	struct director *director = container_of(work, struct director, reap);

	mutex_lock(&director->config);
	ivb_services_reap(director);
	mutex_unlock(&director->config);
}

static int __net_init namespace_init(struct net *net)
{
	struct director_slot *slot = net_generic(net, ip_vs_bpf_net_id);
	struct director *director = ivb_director_new(net);
	int err;

	if (!director)
		return -ENOMEM;
	INIT_WORK(&director->reap, reap);
	ivb_rule_services_init(director);
	ivb_leases_init(director);
	ivb_unanswered_init(director);
	err = ivb_proc_create_all(director);
	if (err) {
		ivb_director_put(director);
		return err;
	}
	rcu_assign_pointer(slot->director, director);
	return 0;
}

static void __net_exit namespace_exit(struct net *net)
{
	struct director_slot *slot = net_generic(net, ip_vs_bpf_net_id);
	struct director *director = rcu_dereference_protected(slot->director, true);

	/* Waits for writers, so that the configuration does not change below. */
	ivb_proc_remove_all(director);

	/* No new sessions after the grace period. */
	RCU_INIT_POINTER(slot->director, NULL);
	mutex_lock(&director->config);
	ivb_services_exit(director);
	mutex_unlock(&director->config);
	ivb_rule_services_exit(director);

	/* The end of the last session may have queued the work. What the work would
	 * free is freed with the director.
	 */
	cancel_work_sync(&director->reap);
	ivb_fold_exit(director);
	ivb_director_put(director);
}

static struct pernet_operations operations = {
	.init = namespace_init,
	.exit = namespace_exit,
	.id = &ip_vs_bpf_net_id,
	.size = sizeof(struct director_slot),
};

int ivb_namespaces_init(void)
{
	return register_pernet_subsys(&operations);
}

void ivb_namespaces_exit(void)
{
	unregister_pernet_subsys(&operations);
}
