// SPDX-License-Identifier: GPL-2.0-only
/*
 * The services that rules and wide services (table/cover.c) make: one for each virtual
 * address, port and protocol for which IPVS made a connection. Nothing else makes one, so
 * a port scan makes none. (If IPVS has a service for every port, or one by a firewall
 * mark, each port gets one, as IPVS makes a connection for each.)
 *
 * A packet makes the service. control/rule_services.c registers the application of its
 * port right after, and ends the service when it is idle. Until the application is
 * registered, connections are adopted one by one (packet/adopt.c). Afterwards IPVS
 * calls us for new ones, whatever causes them.
 *
 * There are at most RULE_SERVICES_MAX. Beyond that, a connection to a new destination is
 * refused, and services without a connection end sooner.
 */
#include "session/rule_services.h"
#include "table/counters.h"
#include "table/services.h"

/* Makes services without a connection end soon. Called under services_lock. */
static void make_room(struct director *director)
{
	if (director->rule_services_full)
		return;
	director->rule_services_full = true;
	mod_delayed_work(compat_system_wq, &director->sweep, RULE_SERVICE_IDLE_WHERE_FULL);
}

/* Called under services_lock. Returns NULL if there is no room or no memory. */
static struct service *make(struct director *director, const struct service_key *key)
{
	struct service *service;

	/* Services that a rule made may have been listed since. */
	if (director->rule_services >= RULE_SERVICES_MAX ||
	    director->service_count >= SERVICES_MAX + RULE_SERVICES_MAX) {
		make_room(director);
		count(director, COUNT_REFUSED_RULE_SERVICES);
		return NULL;
	}
	service = ivb_service_new(director, key, GFP_ATOMIC | __GFP_NOWARN);
	if (!service) {
		count(director, COUNT_REFUSED_NO_MEMORY);
		return NULL;
	}
	ivb_service_insert(director, service);
	count(director, COUNT_RULE_SERVICES_MADE);
	return service;
}

/* Called under services_lock and RCU. */
static void list(struct director *director, struct service *service,
		 const struct cover *cover)
{
	if (!service->by_rule) {
		WRITE_ONCE(service->by_rule, true);
		director->rule_services++;
	}
	rcu_assign_pointer(service->pool, ivb_cover_pool(cover));
	WRITE_ONCE(service->every_port, cover_is_every_port(cover));
	WRITE_ONCE(service->toa, ivb_cover_wants_toa(cover, service->protocol));
	service->used = jiffies;
	/* A reader that sees it listed also sees the rest. */
	smp_store_release(&service->listed, true);
	if (!service->app && list_empty(&service->arrival)) {
		list_add_tail(&service->arrival, &director->arrivals);
		schedule_work(&director->arrive);
	}
	schedule_delayed_work(&director->sweep, RULE_SERVICE_SWEEP);
}

/* Returns the service of the connection's destination, listed. The destination is
 * covered. Called for a packet, under RCU, which keeps the service. Returns NULL if
 * there can be none, and counts why.
 */
struct service *ivb_rule_service_get(struct director *director, const struct cover *cover,
				     const struct ip_vs_conn *cp)
{
	const struct service_key key = {
		.vaddr = cp->vaddr,
		.vport = cp->vport,
		.protocol = cp->protocol,
		.family = cp->af,
		.mark = cover_mark(cover),
	};
	struct service *service;

	/* It would pass for a service of every port. */
	if (!cp->vport) {
		count(director, COUNT_REFUSED_PORT_0);
		return NULL;
	}
	spin_lock_bh(&director->services_lock);
	service = ivb_service_find_key(director, &key);
	if (!service)
		service = make(director, &key);
	if (service && !service->listed)
		list(director, service, cover);
	spin_unlock_bh(&director->services_lock);
	return service;
}
