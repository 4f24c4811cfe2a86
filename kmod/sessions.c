// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: born when IPVS creates a connection of a full-NAT service, gone
 * when IPVS ends it. IPVS calls both functions here through the application
 * that port_apps.c registers.
 *
 * A session owns two entries of the map sessions4 or sessions6 (tuples.c),
 * whose keys follow from its connection, local IP and port. That of the reply tuple
 * (server -> local IP) is inserted first, and only if it is not there: this is
 * what makes local IP and port unique for a server, without a lock. That of
 * the original tuple (client -> VIP) is shared (originals.c).
 */
#include <linux/jhash.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/route.h>

#include "routes.h"

/* How many local IPs and ports are looked up in the map before a connection is
 * refused, and how many there may be that are no candidates before.
 */
#define PROBES 256
#define TRIES (4 * PROBES)
/* Of these: how often the client's own port on another local IP. */
#define PROBES_OWN_PORT 8

static struct kmem_cache *session_cache;

static int insert_reply(struct director *director, struct maps *maps,
			const struct service *service,
			const union tuple *original, const union tuple *reply)
{
	union entry entry;

	entry_make(service->family, original, service->id, IPVS_BPF_REPLY, &entry);
	return entry_insert(director, maps, service->family, reply, &entry);
}

/* The local IP and port of a try, deterministic, so that another director
 * makes the same choice. false: this try has none.
 */
static bool choice(const struct lip_array *ips, const struct ip_vs_conn *cp,
		   unsigned int try, struct local_ip **ip, __be16 *port)
{
	u32 hash = address_hash(cp->af, &cp->caddr);
	u16 own = ntohs(cp->cport);
	u32 ports, span;
	u16 first, last;

	*ip = ips->ip[(reciprocal_scale(hash, ips->count) + try) % ips->count];
	ports = READ_ONCE((*ip)->ports);
	first = ports >> 16;
	last = ports & 0xffff;
	span = last - first + 1;
	*port = cp->cport;
	/* SCTP's checksum covers the ports, so they stay. */
	if (try < PROBES_OWN_PORT || cp->protocol == IPPROTO_SCTP)
		return try < ips->count && own >= first && own <= last;
	try -= PROBES_OWN_PORT;
	/* Of few ports each is tried, so that none is free when all have
	 * failed; of many, a random choice collides least.
	 */
	if (span <= (PROBES - PROBES_OWN_PORT) / ips->count) {
		hash = jhash_2words(hash, own, 0);
		*port = htons(first + (reciprocal_scale(hash, span) +
				       try / ips->count) % span);
		return true;
	}
	hash = jhash_3words(hash, own, try, 0);
	*port = htons(first + reciprocal_scale(hash, span));
	return true;
}

/* A choice that no service has as its VIP and port (a reply to it could not be
 * told from a request), and that is not the host's own.
 */
static bool candidate(struct director *director, const struct lip_array *ips,
		      const struct ip_vs_conn *cp, unsigned int try,
		      struct local_ip **ip, __be16 *port)
{
	return choice(ips, cp, try, ip, port) &&
	       !service_find(director, cp->af, cp->protocol, &(*ip)->addr, *port) &&
	       !host_has_port(director->net, cp, *ip, *port);
}

/* Chooses the local IP and port and inserts the reply entry. */
static int choose(struct maps *maps, const struct lip_array *ips,
		  const struct ip_vs_conn *cp, struct session *session,
		  const union tuple *original, union tuple *reply)
{
	unsigned int try, probes = 0;
	struct local_ip *ip;
	__be16 port;
	int err;

	for (try = 0; try < TRIES && probes < PROBES; try++) {
		if (!candidate(session->director, ips, cp, try, &ip, &port))
			continue;
		probes++;
		tuple_reply(cp, ip, port, reply);
		err = insert_reply(session->director, maps, session->service,
				   original, reply);
		if (!err) {
			/* The listing's reference is dropped a grace period
			 * after the array was replaced, so it is there still.
			 */
			refcount_inc(&ip->refs);
			atomic_inc(&ip->sessions);
			session->local_ip = ip;
			session->local_port = port;
			return 0;
		}
		if (err != -EEXIST)
			return err;
		count(session->director, COUNT_PORT_COLLISIONS);
	}
	return probes ? -EEXIST : -EADDRNOTAVAIL;
}

static enum counter refusal(int err)
{
	switch (err) {
	case -EEXIST:
		return COUNT_REFUSED_PORTS_EXHAUSTED;
	case -EADDRNOTAVAIL:
		return COUNT_REFUSED_NO_PORT;
	case -E2BIG:
		return COUNT_REFUSED_MAP_FULL;
	case -ENOMEM:
		return COUNT_REFUSED_NO_MEMORY;
	default:
		return COUNT_REFUSED_MAP_ERROR;
	}
}

/* Why a connection can have no session, whatever the pool has. */
static bool is_refused(struct director *director, const struct ip_vs_conn *cp)
{
	/* The ports stay, so those of service and server are one. */
	if (cp->protocol == IPPROTO_SCTP && cp->vport != cp->dport) {
		count(director, COUNT_REFUSED_SCTP_PORTS);
		return true;
	}
	/* Its address means nothing where the server's answer comes in. */
	if (cp->af == AF_INET6 &&
	    ipv6_addr_type(&cp->caddr.in6) & IPV6_ADDR_LINKLOCAL) {
		count(director, COUNT_REFUSED_LINK_LOCAL);
		return true;
	}
	return false;
}

/* Under RCU, with bottom halves off: the map's allocator is per CPU. route: to
 * the server, if it is known; a session takes it over. NULL: refused, and counted
 * why.
 */
static struct session *session_create(struct director *director,
				      struct service *service,
				      struct ip_vs_conn *cp,
				      struct dst_entry *route)
{
	struct maps *maps = rcu_dereference(director->maps);
	struct pool *pool = rcu_dereference(service->pool);
	struct lip_array *ips =
		pool ? rcu_dereference(pool->half[family_index(cp->af)].ips) : NULL;
	union tuple original, reply;
	struct session *session;
	int err;

	if (is_refused(director, cp))
		return NULL;
	if (!maps || !ips) {
		count(director, maps ? COUNT_REFUSED_EMPTY_POOL : COUNT_REFUSED_NO_MAP);
		return NULL;
	}
	session = kmem_cache_zalloc(session_cache, GFP_ATOMIC);
	if (!session) {
		count(director, COUNT_REFUSED_NO_MEMORY);
		return NULL;
	}
	session->director = director;
	session->service = service;
	session->conn = cp;
	session->route[IPVS_BPF_ORIGINAL].dst = route;
	INIT_LIST_HEAD(&session->leased);
	tuple_original(cp, &original);
	err = choose(maps, ips, cp, session, &original, &reply);
	if (err)
		goto free;
	err = original_insert(session, maps, cp->af, &original, &reply);
	if (err)
		goto delete_reply;
	atomic_inc(&director->sessions);
	atomic_inc(&service->sessions);
	count(director, COUNT_SESSIONS_CREATED);
	return session;

delete_reply:
	entry_delete(director, maps, cp->af, &reply);
	atomic_dec(&session->local_ip->sessions);
	local_ip_put(session->local_ip);
free:
	kmem_cache_free(session_cache, session);
	count(director, refusal(err));
	return NULL;
}

static void session_free(struct rcu_head *rcu)
{
	kmem_cache_free(session_cache, container_of(rcu, struct session, rcu));
}

/* Under RCU, with bottom halves off. */
static void session_end(struct session *session, const struct ip_vs_conn *cp)
{
	struct director *director = session->director;
	/* Registered as long as a service has connections. */
	struct maps *maps = rcu_dereference(director->maps);
	union tuple original, reply;

	/* IPVS changes none of the addresses and ports of a connection. */
	tuple_original(cp, &original);
	tuple_reply(cp, session->local_ip, session->local_port, &reply);
	session_routes_end(session);
	session_delete(session, maps, cp->af, &original, &reply);
	atomic_dec(&session->local_ip->sessions);
	local_ip_put(session->local_ip);
	atomic_dec(&session->service->sessions);
	atomic_dec(&director->sessions);
	count(director, COUNT_SESSIONS_ENDED);
	call_rcu(&session->rcu, session_free);
}

/* The session of a connection whose packet is at hand, under RCU. On a backup,
 * IPVS binds the connections that it was told of anew when their server is
 * configured (ip_vs_try_bind_dest()), beside packets: there is none then for
 * a moment, or it is refused this time.
 */
struct session *session_of(const struct ip_vs_conn *cp)
{
	struct session *session = READ_ONCE(cp->app_data);

	return session && session->local_ip ? session : NULL;
}

static conn_xmit *transmitter(const struct ip_vs_conn *cp)
{
#ifdef CONFIG_IP_VS_IPV6
	if (cp->af == AF_INET6)
		return transmit6;
#endif
	return transmit4;
}

/* The connection stays bound to the service, with a session or without one: a
 * refused connection's transmitter is code of this module, too.
 */
static void bind(struct director *director, struct service *service,
		 struct ip_vs_conn *cp, struct dst_entry *route)
{
	struct session *session;

	refcount_inc(&director->refs);
	atomic_inc(&service->bound);
	session = session_create(director, service, cp, route);
	if (!session)
		dst_release(route);
	cp->app_data = session ?: &service->refused;
	cp->packet_xmit = session ? transmitter(cp) : transmit_refusal;
}

/* Under RCU: after the last put, nothing of the director is touched that is
 * not freed by RCU.
 */
static void unbind(struct director *director, struct service *service)
{
	/* Once the namespace's exit has begun (no director is found there any
	 * more) no work may be queued: it has been cancelled for good.
	 */
	if (atomic_dec_and_test(&service->bound) &&
	    !smp_load_acquire(&service->listed) &&
	    director_of(director->net) == director)
		schedule_work(&director->reap);
	director_put(director);
}

/* Leaves the connection exactly as native IPVS makes it: the incarnation's use
 * count and the reference to this module are what tcp_app_conn_bind() took.
 */
static void stay_native(struct ip_vs_app *inc, struct ip_vs_conn *cp)
{
	cp->app = NULL;
	atomic_dec(&inc->usecnt);
	module_put(THIS_MODULE);
}

/* Also the route to the server, which its first packet will need, if asking
 * yields one: with a reference.
 */
static bool is_local(struct net *net, const struct ip_vs_conn *cp,
		     struct dst_entry **route)
{
	struct rtable *rt;

#ifdef CONFIG_IP_VS_IPV6
	if (cp->af == AF_INET6)
		return ipv6_chk_addr(net, &cp->daddr.in6, NULL, 0);
#endif
	rt = server_route4(net, cp);
	/* The packet will be told why. */
	if (IS_ERR(rt))
		return false;
	if (rt->rt_type == RTN_LOCAL) {
		ip_rt_put(rt);
		return true;
	}
	*route = &rt->dst;
	return false;
}

/* Why a connection of a full-NAT service's port is none of ours. */
static bool is_native(struct director *director, struct service *service,
		      const struct ip_vs_conn *cp, struct dst_entry **route)
{
	/* A template of persistence stands for no packets. */
	if (cp->flags & IP_VS_CONN_F_TEMPLATE)
		return true;
	if (!service || !smp_load_acquire(&service->listed)) {
		count(director, COUNT_OTHER_SERVICE);
		return true;
	}
	/* Ends when its packet is sent: a reply would find nothing. */
	if (cp->flags & IP_VS_CONN_F_ONE_PACKET) {
		count(director, COUNT_ONE_PACKET);
		return true;
	}
	/* Its packets leave through no interface, so no program sees them. */
	if (is_local(director->net, cp, route)) {
		count(director, COUNT_SERVER_IS_LOCAL);
		return true;
	}
	return false;
}

/* IPVS made a connection (ip_vs_conn_new()), chose its server and transmitter,
 * and has not hashed it yet: no packet can see it. (Only on a backup it may be
 * hashed, see session_of().) The result is ignored.
 */
int session_init_conn(struct ip_vs_app *inc, struct ip_vs_conn *cp)
{
	struct service *service = NULL;
	struct dst_entry *route = NULL;
	struct director *director;

	rcu_read_lock();
	local_bh_disable();
	director = director_of(cp->ipvs->net);
	if (director && cp->af == cp->daf)
		service = service_find(director, cp->af, cp->protocol, &cp->vaddr,
				       cp->vport);
	if (!director || is_native(director, service, cp, &route))
		stay_native(inc, cp);
	else
		bind(director, service, cp, route);
	local_bh_enable();
	rcu_read_unlock();
	return 0;
}

/* IPVS ends the connection, or binds it anew. */
int session_done_conn(struct ip_vs_app *inc, struct ip_vs_conn *cp)
{
	struct session *session = cp->app_data;
	struct director *director;
	struct service *service;

	if (!session)
		return 0;
	WRITE_ONCE(cp->app_data, NULL);
	director = session->director;
	service = session->service;
	rcu_read_lock();
	local_bh_disable();
	if (session != &service->refused)
		session_end(session, cp);
	unbind(director, service);
	local_bh_enable();
	rcu_read_unlock();
	return 0;
}

int sessions_module_init(void)
{
	session_cache = KMEM_CACHE(session, 0);
	return session_cache ? 0 : -ENOMEM;
}

void sessions_module_exit(void)
{
	kmem_cache_destroy(session_cache);
}
