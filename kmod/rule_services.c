// SPDX-License-Identifier: GPL-2.0-only
/*
 * The services that rules make: one for each virtual address, port and protocol for
 * which IPVS made a connection, and for no other, so that a scan of ports makes none.
 * (Where IPVS has a service for every port, or by a firewall mark, it makes one for
 * each, as IPVS makes a connection for each.)
 *
 * A packet makes the service; the application of its port is registered right after
 * by a work item, which may sleep. Until then connections are adopted one by one
 * (adopt.c); afterwards IPVS calls us for new ones, whoever has it make them.
 *
 * A service ends when it had no connection and no packet for a while. There are
 * RULE_SERVICES_MAX at most, about a kilobyte each with the application of its port.
 * Beyond that a connection to a new destination is refused, and those without a
 * connection end sooner.
 */
#include <linux/slab.h>

#include "rules.h"

#define RULE_SERVICES_MAX 16384

#define IDLE (30 * HZ)
#define IDLE_WHERE_FULL HZ
#define SWEEP_INTERVAL (15 * HZ)

/* Under config. Once the exit of the namespace has begun, nothing is registered. */
static bool is_ending(struct director *director)
{
	bool ending;

	rcu_read_lock();
	ending = director_of(director->net) != director;
	rcu_read_unlock();
	return ending;
}

/* Those without a connection are to end soon. Under services_lock. */
static void make_room(struct director *director)
{
	if (director->rule_services_full)
		return;
	director->rule_services_full = true;
	mod_delayed_work(compat_system_wq, &director->sweep, IDLE_WHERE_FULL);
}

/* Under services_lock. NULL: no room, or no memory. */
static struct service *make(struct director *director, const struct ip_vs_conn *cp)
{
	const struct service_key key = {
		.vaddr = cp->vaddr,
		.vport = cp->vport,
		.protocol = cp->protocol,
		.family = cp->af,
	};
	struct service *service;

	if (director->rule_services >= RULE_SERVICES_MAX) {
		make_room(director);
		count(director, COUNT_REFUSED_RULE_SERVICES);
		return NULL;
	}
	service = service_new(director, &key, GFP_ATOMIC | __GFP_NOWARN);
	if (!service) {
		count(director, COUNT_REFUSED_NO_MEMORY);
		return NULL;
	}
	service_insert(director, service);
	count(director, COUNT_RULE_SERVICES_MADE);
	return service;
}

/* Under services_lock and RCU. */
static void list(struct director *director, struct service *service,
		 const struct rule *rule)
{
	if (!service->by_rule) {
		WRITE_ONCE(service->by_rule, true);
		director->rule_services++;
	}
	rcu_assign_pointer(service->pool, rcu_dereference(rule->pool));
	service->used = jiffies;
	/* Who sees it listed sees the rest too. */
	smp_store_release(&service->listed, true);
	if (!service->app && list_empty(&service->arrival)) {
		list_add_tail(&service->arrival, &director->arrivals);
		schedule_work(&director->arrive);
	}
	schedule_delayed_work(&director->sweep, SWEEP_INTERVAL);
}

/* The service of the connection's destination, which the rule covers: listed. From a
 * packet, under RCU, which keeps the service. NULL: there can be none, and it was
 * counted why.
 */
struct service *rule_service_get(struct director *director, const struct rule *rule,
				 const struct ip_vs_conn *cp)
{
	struct service *service;

	spin_lock_bh(&director->services_lock);
	service = service_find(director, cp->af, cp->protocol, &cp->vaddr, cp->vport);
	if (!service)
		service = make(director, cp);
	if (service && !service->listed)
		list(director, service, rule);
	spin_unlock_bh(&director->services_lock);
	return service;
}

/* NULL: each has its port's application. Only config takes services away. */
static struct service *first_arrival(struct director *director)
{
	struct service *service;

	spin_lock_bh(&director->services_lock);
	service = list_first_entry_or_null(&director->arrivals, struct service, arrival);
	spin_unlock_bh(&director->services_lock);
	return service;
}

/* Registers the applications of the ports of new services. */
static void arrive(struct work_struct *work)
{
	struct director *director = container_of(work, struct director, arrive);
	struct service *service;

	mutex_lock(&director->config);
	while (!is_ending(director) && (service = first_arrival(director))) {
		/* The next connection tries again, or finds another application
		 * there and stays native.
		 */
		if (service_register(director, service)) {
			count(director, COUNT_RULE_SERVICE_UNREGISTERED);
			WRITE_ONCE(service->listed, false);
		}
		cond_resched();
	}
	mutex_unlock(&director->config);
}

static void end_if_idle(struct director *director, struct service *service, void *data)
{
	const unsigned long *idle = data;

	if (!service->by_rule || atomic_read(&service->bound) ||
	    jiffies - READ_ONCE(service->used) < *idle)
		return;
	WRITE_ONCE(service->listed, false);
	count(director, COUNT_RULE_SERVICES_ENDED);
}

/* Ends the services that are idle. */
static void sweep(struct work_struct *work)
{
	struct director *director = container_of(to_delayed_work(work), struct director,
						 sweep);
	unsigned long idle = IDLE;
	bool again = false;

	mutex_lock(&director->config);
	if (!is_ending(director)) {
		spin_lock_bh(&director->services_lock);
		if (director->rule_services_full)
			idle = IDLE_WHERE_FULL;
		director->rule_services_full = false;
		spin_unlock_bh(&director->services_lock);
		services_for_each(director, end_if_idle, &idle);
		synchronize_rcu();
		services_reap(director);
		again = READ_ONCE(director->rule_services);
	}
	mutex_unlock(&director->config);
	if (again)
		schedule_delayed_work(&director->sweep, SWEEP_INTERVAL);
}

void rule_services_init(struct director *director)
{
	unsigned int i;

	for (i = 0; i < ADOPTION_LOCKS; i++)
		spin_lock_init(&director->adoption_locks[i]);
	spin_lock_init(&director->services_lock);
	INIT_LIST_HEAD(&director->arrivals);
	INIT_WORK(&director->arrive, arrive);
	INIT_DELAYED_WORK(&director->sweep, sweep);
}

/* The namespace ends, and no packet calls us any more. */
void rule_services_exit(struct director *director)
{
	cancel_work_sync(&director->arrive);
	cancel_delayed_work_sync(&director->sweep);
}
