// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers the services that rules make (session/rule_services.c), in a work item,
 * which may sleep. A service ends when it has had no connection and no packet for a
 * while.
 */
#include "control/rule_services.h"
#include "control/services.h"
#include "session/rule_services.h"
#include "table/counters.h"

#define IDLE (30 * HZ)

/* The most applications for services by rule in one of IPVS's lists of applications, which
 * it walks for each new connection. Clients choose the ports where a rule or a wide service
 * covers every port, and so the list.
 */
#define RULE_APPS_MAX 512

/* Called under config. Once the exit of the namespace has begun, nothing is registered.
 */
static bool is_ending(struct director *director)
{
	bool ending;

	rcu_read_lock();
	ending = ivb_director_of(director->net) != director;
	rcu_read_unlock();
	return ending;
}

/* Returns NULL if each service has its port's application. Services are removed only
 * under config.
 */
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
	bool unlisted = false;

	mutex_lock(&director->config);
	while (!is_ending(director) && (service = first_arrival(director))) {
		int err = ivb_service_register(director, service, RULE_APPS_MAX);

		/* -ENOSPC: adopt.c binds its connections as long as it is listed. Else the
		 * next connection tries again, or finds another application and stays
		 * native.
		 */
		if (err && err != -ENOSPC) {
			count(director, COUNT_RULE_SERVICE_UNREGISTERED);
			spin_lock_bh(&director->services_lock);
			WRITE_ONCE(service->listed, false);
			spin_unlock_bh(&director->services_lock);
			unlisted = true;
		}
		cond_resched();
	}
	/* See ivb_services_reap(). */
	if (unlisted)
		synchronize_rcu();
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

/* Ends idle services. */
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
			idle = RULE_SERVICE_IDLE_WHERE_FULL;
		director->rule_services_full = false;
		spin_unlock_bh(&director->services_lock);
		ivb_services_for_each(director, end_if_idle, &idle);
		synchronize_rcu();
		ivb_services_reap(director);
		again = READ_ONCE(director->rule_services);
	}
	mutex_unlock(&director->config);
	if (again)
		schedule_delayed_work(&director->sweep, RULE_SERVICE_SWEEP);
}

void ivb_rule_services_init(struct director *director)
{
	unsigned int i;

	for (i = 0; i < ADOPTION_LOCKS; i++)
		spin_lock_init(&director->adoption_locks[i]);
	spin_lock_init(&director->services_lock);
	INIT_LIST_HEAD(&director->arrivals);
	INIT_WORK(&director->arrive, arrive);
	INIT_DELAYED_WORK(&director->sweep, sweep);
}

/* Called when the namespace ends and no packet calls us any more. */
void ivb_rule_services_exit(struct director *director)
{
	cancel_work_sync(&director->arrive);
	cancel_delayed_work_sync(&director->sweep);
}
