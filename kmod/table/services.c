// SPDX-License-Identifier: GPL-2.0-only
/*
 * The full-NAT services of a director, by their address.
 *
 * Locking. Services enter the table under services_lock: from process context, and from
 * packets (session/rule_services.c). They leave it under both services_lock and
 * director->config, so holding either of the two keeps a service that was found. listed
 * and by_rule also change under services_lock.
 */
#include <linux/jhash.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "table/destinations.h"
#include "table/services.h"

static u32 hash4(u8 protocol, __be32 vaddr, __be16 vport)
{
	return jhash_3words((__force u32)vaddr, (__force u32)vport, protocol, 0);
}

static u32 hash6(u8 protocol, const struct in6_addr *vaddr, __be16 vport)
{
	return jhash2((const u32 *)vaddr, 4, (__force u32)vport << 8 | protocol);
}

/* Called under RCU, director->config or services_lock, as the next two functions. Also
 * finds services that are no longer listed.
 */
struct service *ivb_service_find4(struct director *director, u8 protocol,
				  __be32 vaddr, __be16 vport)
{
	struct service *service;

	hash_for_each_possible_rcu(director->services, service, node,
				   hash4(protocol, vaddr, vport),
				   lockdep_is_held(&director->config))
		if (service->vaddr.ip == vaddr && service->vport == vport &&
		    service->protocol == protocol && service->family == AF_INET)
			return service;
	return NULL;
}

struct service *ivb_service_find6(struct director *director, u8 protocol,
				  const struct in6_addr *vaddr, __be16 vport)
{
	struct service *service;

	hash_for_each_possible_rcu(director->services, service, node,
				   hash6(protocol, vaddr, vport),
				   lockdep_is_held(&director->config))
		if (service->vport == vport && service->protocol == protocol &&
		    service->family == AF_INET6 &&
		    ipv6_addr_equal(&service->vaddr.in6, vaddr))
			return service;
	return NULL;
}

struct service *ivb_service_find(struct director *director, u8 family, u8 protocol,
				 const union nf_inet_addr *vaddr, __be16 vport)
{
	if (family == AF_INET6)
		return ivb_service_find6(director, protocol, &vaddr->in6, vport);
	return ivb_service_find4(director, protocol, vaddr->ip, vport);
}

/* Calls the function for each service, under services_lock. Sleeps in between. Called
 * under config.
 */
void ivb_services_for_each(struct director *director,
			   void (*call)(struct director *director,
					struct service *service, void *data),
			   void *data)
{
	struct service *service;
	struct hlist_node *next;
	int bucket;

	for (bucket = 0; bucket < HASH_SIZE(director->services); bucket++) {
		spin_lock_bh(&director->services_lock);
		hlist_for_each_entry_safe(service, next, &director->services[bucket],
					  node)
			call(director, service, data);
		spin_unlock_bh(&director->services_lock);
		cond_resched();
	}
}

/* Allocates a service that is not listed and not in the table. */
struct service *ivb_service_new(struct director *director, const struct service_key *key,
				gfp_t gfp)
{
	struct service *service = kzalloc(sizeof(*service), gfp);

	if (!service)
		return NULL;
	service->protocol = key->protocol;
	service->family = key->family;
	service->vaddr = key->vaddr;
	service->vport = key->vport;
	service->refused.director = director;
	service->refused.service = service;
	INIT_LIST_HEAD(&service->arrival);
	return service;
}

/* Called under services_lock. The table has no service with that key. */
void ivb_service_insert(struct director *director, struct service *service)
{
	destination_comes(director, service->family, &service->vaddr);
	hash_add_rcu(director->services, &service->node,
		     service->family == AF_INET6 ?
			     hash6(service->protocol, &service->vaddr.in6,
				   service->vport) :
			     hash4(service->protocol, service->vaddr.ip,
				   service->vport));
}

/* Called under services_lock, when a service stops being a rule's or is removed. */
void ivb_service_leaves_rules(struct director *director, struct service *service)
{
	if (!service->by_rule)
		return;
	WRITE_ONCE(service->by_rule, false);
	director->rule_services--;
}

/* Under config. */
struct pool *ivb_service_pool(struct director *director, struct service *service)
{
	return rcu_dereference_protected(service->pool,
					 lockdep_is_held(&director->config));
}

/* Called after the last reference to the director was dropped. */
void ivb_services_free(struct director *director)
{
	struct port_app *app, *next_app;
	struct service *service;
	struct hlist_node *next;
	int bucket;

	hash_for_each_safe(director->services, bucket, next, service, node)
		kfree(service);
	list_for_each_entry_safe(app, next_app, &director->port_apps, list)
		kfree(app);
}
