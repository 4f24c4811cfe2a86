// SPDX-License-Identifier: GPL-2.0-only
/*
 * Full-NAT services, and /proc/net/ip_vs_bpf/services. Writing takes one
 * change a line:
 *
 *     + PROTOCOL ADDRESS:PORT POOL    full NAT from that pool from now on
 *     - PROTOCOL ADDRESS:PORT         native again; sessions live on
 *
 * or one of these alone:
 *
 *     = OLD NEW ipv4|ipv6    pool NEW gets what OLD has of that family,
 *                            addresses and services
 *     flush                  the sessions that so live on end
 *
 * PROTOCOL is tcp, udp or sctp; ADDRESS is in brackets where it is IPv6. Reading
 * gives the listed services, and those whose sessions outlive them:
 *
 *     PROTOCOL ADDRESS:PORT POOL sessions N
 *     PROTOCOL ADDRESS:PORT - sessions N
 *
 * While there are services, the hooks are set and the module stays.
 */
#include <linux/jhash.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "destinations.h"
#include "leases.h"

/* One more than the longest ADDRESS:PORT. */
#define ENDPOINT_SIZE 56

static u32 hash4(u8 protocol, __be32 vaddr, __be16 vport)
{
	return jhash_3words((__force u32)vaddr, (__force u32)vport, protocol, 0);
}

static u32 hash6(u8 protocol, const struct in6_addr *vaddr, __be16 vport)
{
	return jhash2((const u32 *)vaddr, 4, (__force u32)vport << 8 | protocol);
}

/* Under RCU or director->config, as all three. Also finds services that are
 * not listed any more.
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

static struct pool *pool_of(struct director *director, struct service *service)
{
	return rcu_dereference_protected(service->pool,
					 lockdep_is_held(&director->config));
}

/* What names a service. */
struct service_key {
	union nf_inet_addr vaddr;
	__be16 vport;
	u8 protocol;
	u8 family;
};

/* A new service that no connection uses yet. */
static struct service *service_new(struct director *director,
				   const struct service_key *key)
{
	struct service *service = kzalloc(sizeof(*service), GFP_KERNEL);

	if (!service)
		return ERR_PTR(-ENOMEM);
	service->protocol = key->protocol;
	service->family = key->family;
	service->vaddr = key->vaddr;
	service->vport = key->vport;
	service->refused.director = director;
	service->refused.service = service;
	service->app = port_app_get(director, key->protocol, key->vport);
	if (IS_ERR(service->app)) {
		int err = PTR_ERR(service->app);

		kfree(service);
		return ERR_PTR(err);
	}
	destination_comes(director, key->family, &key->vaddr);
	hash_add_rcu(director->services, &service->node,
		     key->family == AF_INET6 ?
			     hash6(key->protocol, &key->vaddr.in6, key->vport) :
			     hash4(key->protocol, key->vaddr.ip, key->vport));
	return service;
}

/* Not listed for a grace period or more, and without a connection. */
static void service_delete(struct director *director, struct service *service)
{
	hash_del_rcu(&service->node);
	destination_goes(director, service->family, &service->vaddr);
	port_app_put(director, service->app);
	kfree_rcu(service, rcu);
}

/* Packets and IPVS call us from now on. */
static int hook(struct director *director)
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
 * period before it gave config back, so the count cannot rise again.
 */
void services_reap(struct director *director)
{
	struct hlist_node *next;
	struct service *service;
	int bucket;

	hash_for_each_safe(director->services, bucket, next, service, node) {
		if (!service->listed && !atomic_read(&service->bound))
			service_delete(director, service);
		cond_resched();
	}
	port_apps_purge(director);
	/* There is nothing to do for a packet. */
	if (hash_empty(director->services))
		unhook(director);
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

	unhook(director);
	hash_for_each(director->services, bucket, service, node)
		WRITE_ONCE(service->listed, false);
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

/* "tcp 10.0.0.1:80", "tcp [fd00::1]:80" */
static bool parse_key(char **line, struct service_key *key)
{
	char *name = strsep(line, " ");
	char *endpoint = strsep(line, " ");

	return endpoint && protocol_parse(name, &key->protocol) &&
	       endpoint_parse(endpoint, &key->family, &key->vaddr, &key->vport);
}

static int refuse_key(struct director *director, int code, unsigned int number,
		      const struct service_key *key, const char *why)
{
	char words[ENDPOINT_SIZE];

	endpoint_words(words, sizeof(words), key->family, &key->vaddr, key->vport);
	return refuse(director->services_error, code, number, "%s %s", words, why);
}

static int prepare_set(struct director *director, struct service *service,
		       const struct service_key *key, const char *pool_name,
		       unsigned int number)
{
	struct pool *pool = pool_find(director, pool_name);
	char *error = director->services_error;

	if (!IS_ENABLED(CONFIG_IP_VS_IPV6) && key->family == AF_INET6)
		return refuse(error, -EAFNOSUPPORT, number,
			      "this kernel's IPVS has no IPv6 (CONFIG_IP_VS_IPV6)");
	if (!pool)
		return refuse(error, -ENOENT, number, "no pool \"%.15s\"", pool_name);
	if (!rcu_access_pointer(pool->half[family_index(key->family)].ips))
		return refuse(error, -ENOENT, number,
			      "pool \"%.15s\" has no %s address", pool_name,
			      key->family == AF_INET6 ? "IPv6" : "IPv4");
	if (!service) {
		service = service_new(director, key);
		if (service == ERR_PTR(-EEXIST))
			return refuse(error, -EEXIST, number,
				      "another IPVS application (ip_vs_ftp?) holds port %u",
				      ntohs(key->vport));
		if (service == ERR_PTR(-EPROTONOSUPPORT))
			return refuse(error, -EPROTONOSUPPORT, number,
				      "this kernel's IPVS does not know %s",
				      protocol_name(key->protocol));
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
	struct service_key key;
	char *pool = NULL;
	bool valid;

	valid = (set || !strcmp(sign, "-")) && parse_key(&line, &key);
	if (valid && set)
		pool = strsep(&line, " ");
	if (!valid || (set && !pool) || line)
		return refuse(error, -EINVAL, number,
			      "expected \"+ tcp|udp|sctp ADDRESS:PORT POOL\" or \"- tcp|udp|sctp ADDRESS:PORT\"");
	service = service_find(director, key.family, key.protocol, &key.vaddr,
			       key.vport);
	if (service && service->pending != SERVICE_UNTOUCHED)
		return refuse_key(director, -EINVAL, number, &key, "is named twice");
	if (set)
		return prepare_set(director, service, &key, pool, number);
	if (!service || !service->listed)
		return refuse_key(director, -ENOENT, number, &key,
				  "is no full-NAT service");
	service->pending = SERVICE_REMOVE;
	return 0;
}

static void commit_one(struct director *director, struct service *service)
{
	struct pool *pool = pool_of(director, service);
	int half = family_index(service->family);

	if (service->listed)
		pool->half[half].users--;
	if (service->pending == SERVICE_SET) {
		rcu_assign_pointer(service->pool, service->next_pool);
		service->next_pool->half[half].users++;
	}
	/* Who sees it listed sees its pool too. */
	smp_store_release(&service->listed, service->pending == SERVICE_SET);
}

/* Makes what the lines asked for effective, or forgets it. */
static void finish(struct director *director, bool commit)
{
	struct service *service;
	int bucket;

	/* IPVS has forgotten a service before it leaves the list. A packet that had
	 * found it there still becomes a session.
	 */
	synchronize_rcu();
	hash_for_each(director->services, bucket, service, node) {
		if (commit && service->pending != SERVICE_UNTOUCHED)
			commit_one(director, service);
		service->pending = SERVICE_UNTOUCHED;
		cond_resched();
	}
	/* Afterwards no packet takes an unlisted service for listed. */
	synchronize_rcu();
	services_reap(director);
}

static int refuse_hand_over(struct director *director, int code, const char *from,
			    const char *to, const char *family)
{
	char *error = director->services_error;

	switch (code) {
	case -ENOENT:
		return refuse(error, code, 1, "pool \"%.15s\" has no %s address",
			      from, family);
	case -EEXIST:
		return refuse(error, code, 1, "pool \"%.15s\" has addresses of %s",
			      to, family);
	case -EINVAL:
		return refuse(error, code, 1,
			      "expected \"= OLD NEW ipv4|ipv6\" and nothing else");
	default:
		return code;
	}
}

/* A pool that services use cannot lose its last address, and no service can use a
 * pool without one, so the two change together. No packet finds its service without
 * an address: the new pool has them before the first service draws from there, the
 * old one until a grace period after the last service did.
 */
static int hand_over(struct director *director, char *line)
{
	char *sign, *from_name, *to_name, *family;
	struct service *service;
	struct pool *from, *to;
	int bucket, half;

	line = strim(line);
	/* A second line would become part of a name. */
	if (strchr(line, '\n'))
		return refuse_hand_over(director, -EINVAL, "", "", "");
	sign = strsep(&line, " ");
	from_name = strsep(&line, " ");
	to_name = strsep(&line, " ");
	family = line;
	if (strcmp(sign, "=") || !family ||
	    (strcmp(family, "ipv4") && strcmp(family, "ipv6")))
		return refuse_hand_over(director, -EINVAL, "", "", "");
	half = strcmp(family, "ipv6") ? IPV4 : IPV6;
	from = pool_find(director, from_name);
	to = from ? pool_share(director, from, to_name, half) : ERR_PTR(-ENOENT);
	if (IS_ERR(to))
		return refuse_hand_over(director, PTR_ERR(to), from_name, to_name,
					family);
	hash_for_each(director->services, bucket, service, node) {
		if (service->listed && pool_of(director, service) == from &&
		    family_index(service->family) == half)
			rcu_assign_pointer(service->pool, to);
		cond_resched();
	}
	to->half[half].users = from->half[half].users;
	from->half[half].users = 0;
	synchronize_rcu();
	pool_cede(director, from, to, half);
	return 0;
}

int services_write(struct director *director, char *text)
{
	unsigned int number = 0;
	int err = 0;
	char *line;

	if (sysfs_streq(text, "flush")) {
		sessions_flush(director);
		services_reap(director);
		return 0;
	}
	if (*text == '=')
		return hand_over(director, text);
	err = hook(director);
	if (err)
		return refuse(director->services_error, err, 0,
			      "the netfilter hooks could not be set");
	while (!err && (line = strsep(&text, "\n"))) {
		number++;
		if (*line)
			err = prepare(director, line, number);
		cond_resched();
	}
	finish(director, !err);
	if (!err)
		leases_revoke(director);
	return err;
}

void services_show(struct director *director, struct seq_file *seq)
{
	char words[ENDPOINT_SIZE];
	struct service *service;
	int bucket;

	hash_for_each(director->services, bucket, service, node) {
		endpoint_words(words, sizeof(words), service->family,
			       &service->vaddr, service->vport);
		seq_printf(seq, "%s %s %s sessions %d\n",
			   protocol_name(service->protocol), words,
			   service->listed ? pool_of(director, service)->name : "-",
			   atomic_read(&service->sessions));
		cond_resched();
	}
}
