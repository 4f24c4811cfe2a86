// SPDX-License-Identifier: GPL-2.0-only
/*
 * Full-NAT services, and /proc/net/ip_vs_bpf/services. Writing takes one
 * change a line:
 *
 *     + PROTOCOL ADDRESS:PORT POOL    full NAT from that pool from now on
 *     - PROTOCOL ADDRESS:PORT         native again; sessions live on
 *
 * or the one word "flush", which ends the sessions that so live on.
 *
 * PROTOCOL is tcp or udp. Reading gives the listed services, and those whose
 * sessions outlive them:
 *
 *     PROTOCOL ADDRESS:PORT POOL id ID sessions N
 *     PROTOCOL ADDRESS:PORT - id ID sessions N
 */
#include <linux/inet.h>
#include <linux/jhash.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "ip_vs_bpf.h"

static u32 hash(u8 protocol, __be32 vaddr, __be16 vport)
{
	return jhash_3words((__force u32)vaddr, (__force u32)vport, protocol, 0);
}

/* Under RCU or director->config. Also finds services that are not listed any
 * more.
 */
struct service *service_find(struct director *director, u8 protocol,
			     __be32 vaddr, __be16 vport)
{
	struct service *service;

	hash_for_each_possible_rcu(director->services, service, node,
				   hash(protocol, vaddr, vport),
				   lockdep_is_held(&director->config))
		if (service->vaddr == vaddr && service->vport == vport &&
		    service->protocol == protocol)
			return service;
	return NULL;
}

static struct pool *pool_of(struct director *director, struct service *service)
{
	return rcu_dereference_protected(service->pool,
					 lockdep_is_held(&director->config));
}

/* A new service that no connection uses yet. */
static struct service *service_new(struct director *director, u8 protocol,
				   __be32 vaddr, __be16 vport)
{
	struct service *service = kzalloc(sizeof(*service), GFP_KERNEL);
	u32 id;
	int err;

	if (!service)
		return ERR_PTR(-ENOMEM);
	service->protocol = protocol;
	service->vaddr = vaddr;
	service->vport = vport;
	err = xa_alloc(&director->service_ids, &id, service,
		       XA_LIMIT(1, IPVS_BPF_SERVICES - 1), GFP_KERNEL);
	if (err)
		goto free;
	service->id = id;
	err = maps_set_service(director, id, service);
	if (err)
		goto release_id;
	service->app = port_app_get(director, protocol, vport);
	if (IS_ERR(service->app)) {
		err = PTR_ERR(service->app);
		maps_set_service(director, id, NULL);
		goto release_id;
	}
	hash_add_rcu(director->services, &service->node,
		     hash(protocol, vaddr, vport));
	return service;

release_id:
	xa_erase(&director->service_ids, id);
free:
	/* A packet may have found it by its id. */
	kfree_rcu(service, rcu);
	return ERR_PTR(err);
}

/* Not listed for a grace period or more, and without a session. */
static void service_delete(struct director *director, struct service *service)
{
	hash_del_rcu(&service->node);
	xa_erase(&director->service_ids, service->id);
	maps_set_service(director, service->id, NULL);
	port_app_put(director, service->app);
	kfree_rcu(service, rcu);
}

/* Frees the services that are neither listed nor used by a session. Under
 * config; every service was unlisted by a transaction that waited for a grace
 * period before it gave config back, so the count cannot rise again.
 */
void services_reap(struct director *director)
{
	struct hlist_node *next;
	struct service *service;
	int bucket;

	hash_for_each_safe(director->services, bucket, next, service, node)
		if (!service->listed && !atomic_read(&service->sessions))
			service_delete(director, service);
}

/* The namespace ends: services without sessions go, so that the applications
 * of their ports can be unregistered here. The others keep theirs for
 * session_done_conn(); IPVS itself frees those when it has flushed its
 * connections, and we free the services with the director.
 */
void services_exit(struct director *director)
{
	struct service *service;
	int bucket;

	hash_for_each(director->services, bucket, service, node)
		WRITE_ONCE(service->listed, false);
	synchronize_rcu();
	services_reap(director);
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

/* "tcp 10.0.0.1:80" */
static bool parse_key(char **line, u8 *protocol, __be32 *vaddr, __be16 *vport)
{
	char *name = strsep(line, " ");
	char *address = strsep(line, " ");
	char *port = address ? strrchr(address, ':') : NULL;
	u16 number;

	if (!port)
		return false;
	*port++ = '\0';
	if (!strcmp(name, "tcp"))
		*protocol = IPPROTO_TCP;
	else if (!strcmp(name, "udp"))
		*protocol = IPPROTO_UDP;
	else
		return false;
	if (!in4_pton(address, -1, (u8 *)vaddr, -1, NULL) ||
	    kstrtou16(port, 10, &number) || !number)
		return false;
	*vport = htons(number);
	return true;
}

static int prepare_set(struct director *director, struct service *service,
		       u8 protocol, __be32 vaddr, __be16 vport,
		       const char *pool_name, unsigned int number)
{
	struct pool *pool = pool_find(director, pool_name);
	char *error = director->services_error;

	if (!pool)
		return refuse(error, -ENOENT, number, "no pool \"%.15s\"", pool_name);
	if (!service) {
		service = service_new(director, protocol, vaddr, vport);
		if (service == ERR_PTR(-EEXIST))
			return refuse(error, -EEXIST, number,
				      "another IPVS application (ip_vs_ftp?) holds port %u",
				      ntohs(vport));
		if (IS_ERR(service))
			return refuse(error, PTR_ERR(service), number,
				      "the service could not be registered");
	}
	service->next_pool = pool;
	service->pending = SERVICE_SET;
	return 0;
}

/* One line: checked, and noted in the service; nothing takes effect yet. */
static int prepare(struct director *director, char *line, unsigned int number)
{
	char *error = director->services_error;
	char *sign = strsep(&line, " ");
	bool set = !strcmp(sign, "+");
	struct service *service;
	char *pool = NULL;
	__be32 vaddr;
	__be16 vport;
	u8 protocol;
	bool valid;

	valid = (set || !strcmp(sign, "-")) &&
		parse_key(&line, &protocol, &vaddr, &vport);
	if (valid && set)
		pool = strsep(&line, " ");
	if (!valid || (set && !pool) || line)
		return refuse(error, -EINVAL, number,
			      "expected \"+ tcp|udp ADDRESS:PORT POOL\" or \"- tcp|udp ADDRESS:PORT\"");
	service = service_find(director, protocol, vaddr, vport);
	if (service && service->pending != SERVICE_UNTOUCHED)
		return refuse(error, -EINVAL, number,
			      "%pI4:%u is named twice", &vaddr, ntohs(vport));
	if (set)
		return prepare_set(director, service, protocol, vaddr, vport, pool,
				   number);
	if (!service || !service->listed)
		return refuse(error, -ENOENT, number,
			      "%pI4:%u is no full-NAT service", &vaddr, ntohs(vport));
	service->pending = SERVICE_REMOVE;
	return 0;
}

static void commit_one(struct director *director, struct service *service)
{
	struct pool *pool = pool_of(director, service);

	if (service->listed)
		pool->users--;
	if (service->pending == SERVICE_SET) {
		rcu_assign_pointer(service->pool, service->next_pool);
		service->next_pool->users++;
	}
	WRITE_ONCE(service->listed, service->pending == SERVICE_SET);
}

/* Makes what the lines asked for effective, or forgets it. */
static void finish(struct director *director, bool commit)
{
	struct service *service;
	int bucket;

	hash_for_each(director->services, bucket, service, node) {
		if (commit && service->pending != SERVICE_UNTOUCHED)
			commit_one(director, service);
		service->pending = SERVICE_UNTOUCHED;
	}
	/* Afterwards no packet takes an unlisted service for listed. */
	synchronize_rcu();
	services_reap(director);
}

int services_write(struct director *director, char *text)
{
	unsigned int number = 0;
	int err = 0;
	char *line;

	if (!strcmp(text, "flush\n")) {
		sessions_flush(director);
		services_reap(director);
		return 0;
	}
	if (!rcu_access_pointer(director->maps))
		return refuse(director->services_error, -ENXIO, 0,
			      "no eBPF maps are registered: write them to the file map first");
	while (!err && (line = strsep(&text, "\n"))) {
		number++;
		if (*line)
			err = prepare(director, line, number);
	}
	finish(director, !err);
	return err;
}

void services_show(struct director *director, struct seq_file *seq)
{
	struct service *service;
	unsigned long id;

	xa_for_each(&director->service_ids, id, service)
		seq_printf(seq, "%s %pI4:%u %s id %u sessions %d\n",
			   service->protocol == IPPROTO_TCP ? "tcp" : "udp",
			   &service->vaddr, ntohs(service->vport),
			   service->listed ? pool_of(director, service)->name : "-",
			   service->id, atomic_read(&service->sessions));
}
