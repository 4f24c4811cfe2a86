/* SPDX-License-Identifier: GPL-2.0-only */
/* Full-NAT services by their address (services.c). */
#ifndef IP_VS_BPF_TABLE_SERVICES
#define IP_VS_BPF_TABLE_SERVICES

#include <linux/list.h>

#include "table/local_ips.h"
#include "table/session.h"

/* The most services that are not by a rule, and those that are; about a kilobyte each with
 * the application of their port. The administrator may allow a writer that is not root of
 * the host, and clients make services by rule.
 */
#define SERVICES_MAX 65536
#define RULE_SERVICES_MAX 16384

/* The key of a service. Wide services are listed for more than one destination: those of
 * every port have port 0; those of a firewall mark have no protocol, and the mark in
 * vaddr.ip (host endianness).
 */
struct service_key {
	union nf_inet_addr vaddr;
	__be16 vport;
	u8 protocol; /* 0: of a firewall mark */
	u8 family;
	u32 mark; /* not 0: the wide service of that mark made it (rule_services.c) */
};

/* Our IPVS application for one protocol and port: IPVS calls us for their new
 * connections.
 */
struct port_app {
	struct list_head list; /* director->port_apps, under config */
	u8 protocol;
	__be16 port;
	unsigned int services; /* number that need it, listed or not */
	struct ip_vs_app *app; /* IPVS's copy of what we registered */
	struct ip_vs_app *inc; /* its incarnation for the port */
	char name[24];
};

/* A full-NAT service. A service that is removed from the configuration stays, unlisted,
 * until the last connection bound to it has ended: packets of that connection need it.
 */
struct service {
	struct hlist_node node; /* director->services */
	struct director *director;
	union nf_inet_addr vaddr;
	__be16 vport;
	u8 protocol;
	u8 family;
	u32 mark;    /* see struct service_key */
	bool listed; /* new connections become sessions; see service_is_listed() */
	bool by_rule; /* a rule listed it, or a wide service; READ_ONCE */
	bool every_port; /* that is a wide service of every port; READ_ONCE */
	bool toa;     /* servers are told the client's address; READ_ONCE */
	struct pool __rcu *pool;
	struct port_app *app; /* NULL: see service_is_registered() */
	atomic_t sessions;
	atomic_t bound;  /* connections bound to our application, also refused ones */
	struct session refused; /* represents all refused ones */
	unsigned long used;     /* by rule: time of the last packet; READ_ONCE */
	struct list_head arrival; /* director->arrivals, until app is set */
	struct rcu_head rcu;
	/* For the current transaction, under config: */
	struct pool *next_pool;
	bool next_toa;
	enum { SERVICE_UNTOUCHED, SERVICE_SET, SERVICE_REMOVE } pending;
};

static inline struct director *session_director(const struct session *session)
{
	return session->service->director;
}

static inline bool service_is_listed(const struct service *service)
{
	/* Pairs with the release of what lists it: its pool is seen, too. */
	return smp_load_acquire(&service->listed);
}

/* True if IPVS calls us for new connections to the service's port. */
static inline bool service_is_registered(const struct service *service)
{
	/* Pairs with the release in ivb_service_register(). */
	return smp_load_acquire(&service->app);
}

struct service *ivb_service_find4(struct director *director, u8 protocol,
				  __be32 vaddr, __be16 vport);
struct service *ivb_service_find6(struct director *director, u8 protocol,
				  const struct in6_addr *vaddr, __be16 vport);
struct service *ivb_service_find(struct director *director, u8 family, u8 protocol,
				 const union nf_inet_addr *vaddr, __be16 vport);
struct service *ivb_service_find_key(struct director *director,
				     const struct service_key *key);
struct service *ivb_service_of_mark(struct director *director, u8 family, u32 mark);
struct service *ivb_service_of_every_port(struct director *director, u8 family,
					  u8 protocol, const union nf_inet_addr *vaddr);
void ivb_services_for_each(struct director *director,
			   void (*call)(struct director *director,
					struct service *service, void *data),
			   void *data);
struct service *ivb_service_new(struct director *director, const struct service_key *key,
				gfp_t gfp);
void ivb_service_insert(struct director *director, struct service *service);
void ivb_service_delete(struct director *director, struct service *service);
void ivb_service_leaves_rules(struct director *director, struct service *service);
struct pool *ivb_service_pool(struct director *director, struct service *service);
void ivb_services_free(struct director *director);

static inline bool service_is_of_mark(const struct service *service)
{
	return !service->protocol;
}

/* True for a listed service of more than one destination. No connection is bound to it:
 * the services that it makes have them.
 */
static inline bool service_is_wide(const struct service *service)
{
	return !service->vport;
}

#endif
