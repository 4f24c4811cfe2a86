// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: born when IPVS creates a connection of a full-NAT service, gone
 * when IPVS ends it. IPVS calls both functions here through the application
 * that port_apps.c registers.
 */
#include <linux/jhash.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/route.h>

#include "leases.h"
#include "routes.h"
#include "rules.h"
#include "session_table.h"
#include "unanswered.h"

/* How many local IPs and ports that are taken are looked at before another session
 * gives way or the connection is refused, and how many with those that no session
 * may have. So a refusal costs no more than two acceptances; where 95 of 100 ports
 * are taken, one in 25 new connections does not find a free one.
 */
#define PROBES 64
#define TRIES (4 * PROBES)
/* Of these: how often the client's own port on another local IP. */
#define PROBES_OWN_PORT 8
/* From how many local IPs another session may give way. */
#define TAKE_OVERS 8

static struct kmem_cache *session_cache;

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

/* Makes the local IP and port the session's, by entering the session into the table.
 * -EEXIST: another session has them; -EADDRNOTAVAIL: they are VIP and port of a
 * service (a reply to it could not be told from a request), or the host's own. What costs
 * most is asked of a port that no session has. A reply that finds the session before it
 * is its connection's goes on as if there were none (session_conn_get()).
 */
static int try_port(struct session *session, struct local_ip *ip, __be16 port)
{
	struct director *director = session->director;
	const struct ip_vs_conn *cp = session->conn;
	int err;

	if (service_find(director, cp->af, cp->protocol, &ip->addr, port) ||
	    host_draws_port(director->net, cp, ip, port))
		return -EADDRNOTAVAIL;
	session->local_ip = ip;
	session->local_port = port;
	err = session_insert(session);
	if (err)
		return err;
	if (host_has_socket(director->net, cp, ip, port)) {
		session_remove(session);
		return -EADDRNOTAVAIL;
	}
	/* The listing's reference is dropped a grace period after the array was
	 * replaced, so it is there still.
	 */
	refcount_inc(&ip->refs);
	atomic_inc(&ip->sessions);
	return 0;
}

/* Everything that others could see of the session goes. It keeps its local IP until
 * the connection ends: a packet may be using it. Under RCU, with bottom halves off.
 */
static void vacate(struct session *session)
{
	struct director *director = session->director;

	session_remove(session);
	session_routes_end(session);
	leases_end(session);
	atomic_dec(&session->local_ip->sessions);
	atomic_dec(&session->service->sessions);
	atomic_dec(&director->session_count);
	count(director, COUNT_SESSIONS_ENDED);
}

/* Its port is free at once. IPVS ends the connection with its next tick: it does so
 * when one is put whose timeout is 0. Where a packet uses the connection at this
 * moment, it ends with the next packet (transmit_lost()) or within a minute.
 */
static void give_up(struct session *session)
{
	struct ip_vs_conn *cp = session->conn;

	count(session->director, COUNT_SESSIONS_GIVEN_UP);
	vacate(session);
	if (!__ip_vs_conn_get(cp))
		return; /* it is ending */
	cp->timeout = 0;
	ip_vs_conn_put(cp);
}

/* Every port was taken: the oldest sessions that nobody answered give way, one from
 * a local IP.
 */
static int take_over(const struct lip_array *ips, struct session *session)
{
	const struct ip_vs_conn *cp = session->conn;
	unsigned int first = reciprocal_scale(address_hash(cp->af, &cp->caddr),
					      ips->count);
	unsigned int i;

	for (i = 0; i < min_t(unsigned int, ips->count, TAKE_OVERS); i++) {
		struct local_ip *ip = ips->ip[(first + i) % ips->count];
		struct session *oldest = unanswered_take(session->director, cp, ip);
		u32 ports = READ_ONCE(ip->ports);
		u16 port;
		int err;

		if (!oldest)
			continue;
		port = ntohs(oldest->local_port);
		give_up(oldest);
		/* It may be older than the range of ports. */
		if (port < ports >> 16 || port > (ports & 0xffff))
			continue;
		err = try_port(session, ip, htons(port));
		if (err != -EEXIST && err != -EADDRNOTAVAIL)
			return err;
	}
	return -EEXIST;
}

/* Chooses the local IP and port, and enters the session into the table. */
static int choose(const struct lip_array *ips, struct session *session)
{
	unsigned int try, probes = 0;
	struct local_ip *ip;
	__be16 port;
	int err;

	for (try = 0; try < TRIES && probes < PROBES; try++) {
		if (!choice(ips, session->conn, try, &ip, &port))
			continue;
		err = try_port(session, ip, port);
		if (err == -EADDRNOTAVAIL)
			continue;
		if (err != -EEXIST)
			return err;
		probes++;
		count(session->director, COUNT_PORT_COLLISIONS);
	}
	return probes ? take_over(ips, session) : -EADDRNOTAVAIL;
}

static enum counter refusal(int err)
{
	switch (err) {
	case -EEXIST:
		return COUNT_REFUSED_PORTS_EXHAUSTED;
	case -EADDRNOTAVAIL:
		return COUNT_REFUSED_NO_PORT;
	default:
		return COUNT_REFUSED_NO_MEMORY;
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

/* Under RCU. route: to the server, if it is known; a session takes it over. NULL:
 * refused, and counted why.
 */
static struct session *session_create(struct director *director,
				      struct service *service,
				      struct ip_vs_conn *cp,
				      struct dst_entry *route)
{
	struct pool *pool = rcu_dereference(service->pool);
	struct lip_array *ips =
		pool ? rcu_dereference(pool->half[family_index(cp->af)].ips) : NULL;
	struct session *session;
	int err;

	if (is_refused(director, cp))
		return NULL;
	if (!ips) {
		count(director, COUNT_REFUSED_EMPTY_POOL);
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
	spin_lock_init(&session->lock);
	session->slot[IPVS_BPF_ORIGINAL] = NO_SLOT;
	session->slot[IPVS_BPF_REPLY] = NO_SLOT;
	err = choose(ips, session);
	if (err) {
		kmem_cache_free(session_cache, session);
		count(director, refusal(err));
		return NULL;
	}
	atomic_inc(&director->session_count);
	atomic_inc(&service->sessions);
	count(director, COUNT_SESSIONS_CREATED);
	unanswered_begin(session);
	return session;
}

static void session_free(struct rcu_head *rcu)
{
	kmem_cache_free(session_cache, container_of(rcu, struct session, rcu));
}

/* Under RCU, with bottom halves off. */
static void session_end(struct session *session)
{
	/* Given up, it has nothing left that others could see. */
	if (unanswered_end(session))
		vacate(session);
	local_ip_put(session->director, session->local_ip);
	call_rcu(&session->rcu, session_free);
}

/* The session of a connection whose packet is at hand, under RCU. On a backup,
 * IPVS binds the connections that it was told of anew when their server is
 * configured (ip_vs_try_bind_dest()), beside packets: there is none then for
 * a moment, or it is refused this time. A session that was given up is none.
 */
struct session *session_of(const struct ip_vs_conn *cp)
{
	struct session *session = READ_ONCE(cp->app_data);

	return session && session->local_ip && !is_given_up(session) ? session : NULL;
}

static conn_xmit *transmitter(const struct ip_vs_conn *cp)
{
#ifdef CONFIG_IP_VS_IPV6
	if (cp->af == AF_INET6)
		return transmit6;
#endif
	return transmit4;
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

/* Gives the bound connection our transmitter. false: it is being bound just now. */
bool session_transmit(struct ip_vs_conn *cp)
{
	const struct session *session = READ_ONCE(cp->app_data);

	if (!session)
		return false;
	cp->packet_xmit = session->local_ip ? transmitter(cp) : transmit_refusal;
	return true;
}

/* The connection stays bound to the service, with a session or without one: a
 * refused connection's transmitter is code of this module, too. Takes over the route,
 * if there is one. false: the connection is bound already, see adopt.c.
 */
bool session_bind(struct director *director, struct service *service,
		  struct ip_vs_conn *cp, struct dst_entry *route)
{
	struct session *session;

	refcount_inc(&director->refs);
	atomic_inc(&service->bound);
	session = session_create(director, service, cp, route);
	if (!session)
		dst_release(route);
	if (cmpxchg(&cp->app_data, NULL, session ?: &service->refused)) {
		if (session)
			session_end(session);
		unbind(director, service);
		return false;
	}
	session_transmit(cp);
	return true;
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
bool server_is_local(struct net *net, const struct ip_vs_conn *cp,
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
	if (routes_by_rules4(net))
		ip_rt_put(rt);
	else
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
	/* adopt.c binds the first connections of a service by rule. */
	if (!service || !smp_load_acquire(&service->listed) ||
	    !smp_load_acquire(&service->app)) {
		if (!rules_find(director, NULL, cp->af, cp->protocol, &cp->vaddr,
				cp->vport))
			count(director, COUNT_OTHER_SERVICE);
		return true;
	}
	/* By rule, it is for packets that the rule covers. */
	if (READ_ONCE(service->by_rule) && !adopt_is_asking() &&
	    !(cp->flags & IP_VS_CONN_F_SYNC))
		return true;
	/* Ends when its packet is sent: a reply would find nothing. */
	if (cp->flags & IP_VS_CONN_F_ONE_PACKET) {
		count(director, COUNT_ONE_PACKET);
		return true;
	}
	/* Its answers come in at no interface. */
	if (server_is_local(director->net, cp, route)) {
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
	if (!director || is_native(director, service, cp, &route)) {
		stay_native(inc, cp);
	} else if (!session_bind(director, service, cp, route)) {
		/* adopt.c did, and IPVS has put its transmitter there since. */
		session_transmit(cp);
		adopter_put();
	}
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
		session_end(session);
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
