// SPDX-License-Identifier: GPL-2.0-only
/*
 * The full-NAT services of a director, by their address. While there are services, or
 * rules (rules.c), the hooks are set and the module stays.
 *
 * Locking. Services enter the table under services_lock: from process context, and
 * from packets (rule_services.c). They leave it under that lock and director->config,
 * so whoever holds either of the two may go on using one that he found. listed and
 * by_rule change under services_lock, too.
 */
#include <linux/jhash.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "destinations.h"
#include "services.h"

static u32 hash4(u8 protocol, __be32 vaddr, __be16 vport)
{
	return jhash_3words((__force u32)vaddr, (__force u32)vport, protocol, 0);
}

static u32 hash6(u8 protocol, const struct in6_addr *vaddr, __be16 vport)
{
	return jhash2((const u32 *)vaddr, 4, (__force u32)vport << 8 | protocol);
}

/* Under RCU, director->config or services_lock, as all three. Also finds services that
 * are not listed any more.
 */
struct service *service_find4(struct director *director, u8 protocol,
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

struct service *service_find6(struct director *director, u8 protocol,
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

struct service *service_find(struct director *director, u8 family, u8 protocol,
			     const union nf_inet_addr *vaddr, __be16 vport)
{
	if (family == AF_INET6)
		return service_find6(director, protocol, &vaddr->in6, vport);
	return service_find4(director, protocol, vaddr->ip, vport);
}

/* Calls for each service, under services_lock; sleeps in between. Under config. */
void services_for_each(struct director *director,
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

/* Not listed, and in no table. */
struct service *service_new(struct director *director, const struct service_key *key,
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

/* Under services_lock; the table has no service of that key. */
void service_insert(struct director *director, struct service *service)
{
	destination_comes(director, service->family, &service->vaddr);
	hash_add_rcu(director->services, &service->node,
		     service->family == AF_INET6 ?
			     hash6(service->protocol, &service->vaddr.in6,
				   service->vport) :
			     hash4(service->protocol, service->vaddr.ip,
				   service->vport));
}

/* IPVS calls us for new connections to the service's port from now on. Under config.
 * -EEXIST: another application has the port; -EPROTONOSUPPORT: IPVS does not know the
 * protocol.
 */
int service_register(struct director *director, struct service *service)
{
	struct port_app *app;

	spin_lock_bh(&director->services_lock);
	list_del_init(&service->arrival);
	spin_unlock_bh(&director->services_lock);
	if (service->app)
		return 0;
	app = port_app_get(director, service->protocol, service->vport);
	if (IS_ERR(app))
		return PTR_ERR(app);
	smp_store_release(&service->app, app);
	return 0;
}

/* Under services_lock. The service is not the rules' any more, or not there. */
void service_leaves_rules(struct director *director, struct service *service)
{
	if (!service->by_rule)
		return;
	WRITE_ONCE(service->by_rule, false);
	director->rule_services--;
}

/* Not listed for a grace period or more, and without a connection. */
static void delete_if_unused(struct director *director, struct service *service,
			     void *unused)
{
	if (service->listed || atomic_read(&service->bound))
		return;
	hash_del_rcu(&service->node);
	list_del(&service->arrival);
	service_leaves_rules(director, service);
	destination_goes(director, service->family, &service->vaddr);
	if (service->app)
		port_app_put(director, service->app);
	kfree_rcu(service, rcu);
}

/* Packets and IPVS call us from now on. Under config. */
int services_hook(struct director *director)
{
	int err;

	if (director->hooked)
		return 0;
	if (!try_module_get(THIS_MODULE))
		return -ENOENT;
	err = prerouting_register(director->net);
	if (err)
		module_put(THIS_MODULE);
	else
		director->hooked = true;
	return err;
}

static void unhook(struct director *director)
{
	if (!director->hooked)
		return;
	prerouting_unregister(director->net);
	director->hooked = false;
	module_put(THIS_MODULE);
}

/* Frees the services that are neither listed nor used by a connection. Under
 * config; every service was unlisted by a transaction that waited for a grace
 * period before it gave config back, so the count cannot rise again, unless a rule
 * lists the service again, which services_lock excludes.
 */
void services_reap(struct director *director)
{
	services_for_each(director, delete_if_unused, NULL);
	port_apps_purge(director);
	/* There is nothing to do for a packet. */
	if (hash_empty(director->services) && !rcu_access_pointer(director->rules))
		unhook(director);
}

static void unlist(struct director *director, struct service *service, void *unused)
{
	WRITE_ONCE(service->listed, false);
}

/* The namespace ends: services without sessions go, so that the applications
 * of their ports can be unregistered here. The others keep theirs for
 * session_done_conn(); IPVS itself frees those when it has flushed its
 * connections, and we free the services with the director.
 */
void services_exit(struct director *director)
{
	unhook(director);
	services_for_each(director, unlist, NULL);
	synchronize_rcu();
	services_reap(director);
	port_apps_leave(director);
}

/* With the last reference to the director. */
void services_free(struct director *director)
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
