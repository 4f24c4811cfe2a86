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

/* The hashes are keyed: where a rule or a mark covers many destinations, clients choose
 * which of them become services.
 */
static u32 hash4(const struct director *director, u8 protocol, __be32 vaddr, __be16 vport)
{
	return jhash_3words((__force u32)vaddr, (__force u32)vport, protocol,
			    director->services_seed);
}

static u32 hash6(const struct director *director, u8 protocol,
		 const struct in6_addr *vaddr, __be16 vport)
{
	return jhash2((const u32 *)vaddr, 4, ((__force u32)vport << 8 | protocol) ^
						     director->services_seed);
}

/* Called under RCU, director->config or services_lock, as the other functions that find.
 * Also finds services that are no longer listed. This one and the next do not find the
 * services that a firewall mark made.
 */
struct service *ivb_service_find4(struct director *director, u8 protocol,
				  __be32 vaddr, __be16 vport)
{
	struct service *service;

	hash_for_each_possible_rcu(director->services, service, node,
				   hash4(director, protocol, vaddr, vport),
				   lockdep_is_held(&director->config))
		if (service->vaddr.ip == vaddr && service->vport == vport &&
		    service->protocol == protocol && service->family == AF_INET &&
		    !service->mark)
			return service;
	return NULL;
}

struct service *ivb_service_find6(struct director *director, u8 protocol,
				  const struct in6_addr *vaddr, __be16 vport)
{
	struct service *service;

	hash_for_each_possible_rcu(director->services, service, node,
				   hash6(director, protocol, vaddr, vport),
				   lockdep_is_held(&director->config))
		if (service->vport == vport && service->protocol == protocol &&
		    service->family == AF_INET6 &&
		    ipv6_addr_equal(&service->vaddr.in6, vaddr) && !service->mark)
			return service;
	return NULL;
}

static __always_inline u32 hash(const struct director *director, const struct service_key *key)
{
	if (key->family == AF_INET6)
		return hash6(director, key->protocol, &key->vaddr.in6, key->vport);
	return hash4(director, key->protocol, key->vaddr.ip, key->vport);
}

/* True if they are of the same destination, whatever mark made them. */
static bool has_destination(const struct service *service, const struct service_key *key)
{
	return service->vport == key->vport && service->protocol == key->protocol &&
	       service->family == key->family &&
	       flow_addr_equal(key->family, &service->vaddr, &key->vaddr);
}

struct service *ivb_service_find_key(struct director *director,
				     const struct service_key *key)
{
	struct service *service;

	hash_for_each_possible_rcu(director->services, service, node, hash(director, key),
				   lockdep_is_held(&director->config))
		if (service->mark == key->mark && has_destination(service, key))
			return service;
	return NULL;
}

/* A service of the destination: that without a mark, or else one that a mark made. */
struct service *ivb_service_find(struct director *director, u8 family, u8 protocol,
				 const union nf_inet_addr *vaddr, __be16 vport)
{
	const struct service_key key = {
		.vaddr = *vaddr,
		.vport = vport,
		.protocol = protocol,
		.family = family,
	};
	struct service *service, *marked = NULL;

	hash_for_each_possible_rcu(director->services, service, node, hash(director, &key),
				   lockdep_is_held(&director->config)) {
		if (!has_destination(service, &key))
			continue;
		if (!service->mark)
			return service;
		marked = service;
	}
	return marked;
}

/* The listed service of the firewall mark, or NULL. */
struct service *ivb_service_of_mark(struct director *director, u8 family, u32 mark)
{
	const struct service_key key = {
		.vaddr.ip = (__force __be32)mark,
		.family = family,
	};
	struct service *service;

	if (likely(!mark || !READ_ONCE(director->marks)))
		return NULL;
	service = ivb_service_find_key(director, &key);
	return service && service_is_listed(service) ? service : NULL;
}

/* The listed service of every port of the address, or NULL. */
struct service *ivb_service_of_every_port(struct director *director, u8 family,
					  u8 protocol, const union nf_inet_addr *vaddr)
{
	const struct service_key key = {
		.vaddr = *vaddr,
		.protocol = protocol,
		.family = family,
	};
	struct service *service;

	if (likely(!READ_ONCE(director->every_ports)))
		return NULL;
	service = ivb_service_find_key(director, &key);
	return service && service_is_listed(service) ? service : NULL;
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
	service->mark = key->mark;
	service->director = director;
	service->refused.service = service;
	INIT_LIST_HEAD(&service->arrival);
	return service;
}

/* Counts the services that cost packets a lookup more. Called under services_lock. */
static void count_wide(struct director *director, const struct service *service, int by)
{
	if (service_is_of_mark(service))
		WRITE_ONCE(director->marks, director->marks + by);
	else if (service_is_wide(service))
		WRITE_ONCE(director->every_ports, director->every_ports + by);
}

/* Called under services_lock. The table has no service with that key. */
void ivb_service_insert(struct director *director, struct service *service)
{
	const struct service_key key = {
		.vaddr = service->vaddr,
		.vport = service->vport,
		.protocol = service->protocol,
		.family = service->family,
	};

	if (!service_is_of_mark(service))
		destination_comes(director, service->family, &service->vaddr);
	count_wide(director, service, 1);
	director->service_count++;
	hash_add_rcu(director->services, &service->node, hash(director, &key));
}

/* Called under services_lock and config. */
void ivb_service_delete(struct director *director, struct service *service)
{
	hash_del_rcu(&service->node);
	count_wide(director, service, -1);
	director->service_count--;
	if (!service_is_of_mark(service))
		destination_goes(director, service->family, &service->vaddr);
}

/* Called under services_lock, when a service stops being a rule's or is removed. */
void ivb_service_leaves_rules(struct director *director, struct service *service)
{
	if (!service->by_rule)
		return;
	WRITE_ONCE(service->by_rule, false);
	WRITE_ONCE(service->every_port, false);
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
