// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module as an IPVS application: IPVS calls it when a connection begins and ends,
 * either through an application that control/port_apps.c registers, or through the
 * adopter (adopt.c).
 */
#include <linux/module.h>

#include "packet/application.h"
#include "packet/request.h"
#include "session/routes.h"
#include "session/sessions.h"
#include "table/cover.h"
#include "table/counters.h"
#include "table/services.h"

/* IPVS's hook is looking at a packet that is covered (cover.c), for this task. Where soft
 * interrupts may preempt one another (PREEMPT_RT, since 6.18), a CPU can have several
 * askers, which end in any order. An asker stays on its CPU.
 */
struct asker {
	const struct task_struct *task;
	struct asker *next;
};

static DEFINE_PER_CPU(struct asker *, askers);

static void begin_asking(struct asker *asker)
{
	asker->task = current;
	preempt_disable();
	asker->next = __this_cpu_read(askers);
	__this_cpu_write(askers, asker);
	preempt_enable();
}

static void end_asking(const struct asker *asker)
{
	struct asker **place;

	preempt_disable();
	place = this_cpu_ptr(&askers);
	while (*place != asker)
		place = &(*place)->next;
	*place = asker->next;
	preempt_enable();
}

/* Called with bottom halves off, as the two above. */
static bool is_asking(void)
{
	const struct asker *asker;

	preempt_disable();
	asker = __this_cpu_read(askers);
	while (asker && asker->task != current)
		asker = asker->next;
	preempt_enable();
	return asker;
}

/* Called under RCU: after the last put, only parts of the director that RCU frees are
 * touched.
 */
static void unbind(struct director *director, struct service *service)
{
	/* Once the namespace's exit has begun (no director is found there any more), no
	 * work may be queued: it has been cancelled for good.
	 */
	if (atomic_dec_and_test(&service->bound) && !service_is_listed(service) &&
	    ivb_director_of(director->net) == director)
		schedule_work(&director->reap);
	ivb_director_put(director);
}

/* Gives the bound connection our transmitter. Returns false if it is being bound at
 * this moment.
 */
bool ivb_session_transmit(struct ip_vs_conn *cp)
{
	const struct session *session = READ_ONCE(cp->app_data);
	conn_xmit *transmit;

	if (!session)
		return false;
	transmit = session->local_ip ? ivb_request_transmit : ivb_request_refuse;
	WRITE_ONCE(cp->packet_xmit, transmit);
	return true;
}

/* Binds the connection to the service, with a session or without one: a refused
 * connection's transmitter is also code of this module. Takes over the route, if there
 * is one. Returns false if the connection is bound already, see adopt.c.
 */
bool ivb_session_bind(struct director *director, struct service *service,
		      struct ip_vs_conn *cp, struct dst_entry *route)
{
	struct session *session;

	refcount_inc(&director->refs);
	atomic_inc(&service->bound);
	session = ivb_session_create(director, service, cp, route);
	if (!session)
		dst_release(route);
	if (cmpxchg(&cp->app_data, NULL, session ?: &service->refused)) {
		if (session)
			ivb_session_end(session);
		unbind(director, service);
		return false;
	}
	ivb_session_transmit(cp);
	return true;
}

/* Leaves the connection exactly as native IPVS makes it. On a backup, adopt.c may have
 * bound it just before IPVS set its application: then it remains bound. Gives back what
 * tcp_app_conn_bind() took: the incarnation's use count and the reference to this
 * module.
 */
static void stay_native(struct ip_vs_app *inc, struct ip_vs_conn *cp)
{
	/* adopt.c binds under this lock. */
	spin_lock(&cp->lock);
	cp->app = cp->app_data ? &ivb_adopter : NULL;
	spin_unlock(&cp->lock);
	ivb_session_transmit(cp);
	atomic_dec(&inc->usecnt);
	module_put(THIS_MODULE);
}

/* The wide service of the firewall mark by which IPVS made the connection, or NULL. */
static const struct service *mark_of(struct director *director,
				     const struct ip_vs_conn *cp)
{
	const struct ip_vs_dest *dest = READ_ONCE(cp->dest);

	return dest && dest->vfwmark ?
		       ivb_service_of_mark(director, cp->af, dest->vfwmark) : NULL;
}

/* The service that the connection is to be bound to, if it is listed. */
static struct service *service_of(struct director *director, const struct ip_vs_conn *cp)
{
	const struct cover cover = { .wide = mark_of(director, cp) };
	const struct service_key key = {
		.vaddr = cp->vaddr,
		.vport = cp->vport,
		.protocol = cp->protocol,
		.family = cp->af,
		.mark = cover_mark(&cover),
	};

	return ivb_service_find_key(director, &key);
}

/* True if adopt.c is to bind the connection of a service that is not registered. */
static bool is_covered(struct director *director, const struct ip_vs_conn *cp)
{
	const struct ip_vs_dest *dest = READ_ONCE(cp->dest);
	const struct destination to = {
		.vaddr = &cp->vaddr,
		.mark = dest ? dest->vfwmark : 0,
		.vport = cp->vport,
		.protocol = cp->protocol,
		.family = cp->af,
	};
	struct cover cover;

	return ivb_cover_find(director, &to, &cover) && ivb_cover_is_of(&cover, cp);
}

/* True if the service is only for connections that IPVS made by its service of every
 * port, and this is another one.
 */
static bool is_of_other_service(const struct service *service, const struct ip_vs_conn *cp)
{
	const struct ip_vs_dest *dest = READ_ONCE(cp->dest);

	return READ_ONCE(service->every_port) && dest && (dest->vfwmark || dest->vport);
}

/* True if a connection to the port of a full-NAT service is not for us. */
static bool is_native(struct director *director, struct service *service,
		      const struct ip_vs_conn *cp, struct dst_entry **route)
{
	/* A persistence template has no packets. IPVS's own transmitter finds the port of
	 * a client that is not known yet.
	 */
	if (cp->flags & (IP_VS_CONN_F_TEMPLATE | IP_VS_CONN_F_NO_CPORT))
		return true;
	/* adopt.c binds the first connections of a service by rule. */
	if (!service || !service_is_listed(service) || !service_is_registered(service)) {
		if (!is_covered(director, cp))
			count(director, COUNT_OTHER_SERVICE);
		return true;
	}
	if (is_of_other_service(service, cp)) {
		count(director, COUNT_OTHER_SERVICE);
		return true;
	}
	/* A service by rule is only for packets that the rule covers. */
	if (READ_ONCE(service->by_rule) && !is_asking() &&
	    !(cp->flags & IP_VS_CONN_F_SYNC))
		return true;
	/* It ends when its packet is sent, so a reply would find nothing. */
	if (cp->flags & IP_VS_CONN_F_ONE_PACKET) {
		count(director, COUNT_ONE_PACKET);
		return true;
	}
	/* The answers of a local server come in by no interface. */
	if (ivb_server_is_local(director, cp, route)) {
		count(director, COUNT_SERVER_IS_LOCAL);
		return true;
	}
	return false;
}

/* Called when IPVS made a connection (ip_vs_conn_new()) and chose its server and
 * transmitter. IPVS has not hashed it yet, so no packet can see it. (Only on a backup
 * it may be hashed, see conn_session().) The result is ignored.
 */
int ivb_session_init_conn(struct ip_vs_app *inc, struct ip_vs_conn *cp)
{
	struct service *service = NULL;
	struct dst_entry *route = NULL;
	struct director *director;

	rcu_read_lock();
	local_bh_disable();
	director = ivb_director_of(cp->ipvs->net);
	if (director && cp->af == cp->daf)
		service = service_of(director, cp);
	if (!director || is_native(director, service, cp, &route)) {
		stay_native(inc, cp);
	} else if (!ivb_session_bind(director, service, cp, route)) {
		/* adopt.c bound it, and IPVS has set its own transmitter since. */
		ivb_session_transmit(cp);
		ivb_adopter_put();
	}
	local_bh_enable();
	rcu_read_unlock();
	return 0;
}

/* Called when IPVS ends the connection, or binds it again. */
int ivb_session_done_conn(struct ip_vs_app *inc, struct ip_vs_conn *cp)
{
	struct session *session = cp->app_data;
	struct director *director;
	struct service *service;

	if (!session)
		return 0;
	WRITE_ONCE(cp->app_data, NULL);
	director = session_director(session);
	service = session->service;
	rcu_read_lock();
	local_bh_disable();
	if (session != &service->refused)
		ivb_session_end(session);
	unbind(director, service);
	local_bh_enable();
	rcu_read_unlock();
	return 0;
}

/* The app of an adopted connection, instead of the incarnation for its port, so that
 * IPVS calls us at its end. IPVS changes only usecnt.
 */
struct ip_vs_app ivb_adopter = {
	.name = "ip_vs_bpf",
	.module = THIS_MODULE,
	.app = &ivb_adopter,
	.init_conn = ivb_session_init_conn,
	.done_conn = ivb_session_done_conn,
};

/* Gives back our references of an adopted connection whose app points elsewhere now. */
void ivb_adopter_put(void)
{
	atomic_dec(&ivb_adopter.usecnt);
	module_put(THIS_MODULE);
}

/* Lets IPVS's hook look at a packet that is covered. The hook may send, and what it
 * sends may come in again in the same call. Connections that IPVS makes elsewhere stay
 * native: for this host's own clients, and for packets that come in where the rule does
 * not apply.
 */
unsigned int ivb_ask_for_rule(nf_hookfn *hook, struct sk_buff *skb,
			      const struct nf_hook_state *local_in)
{
	struct asker asker;
	unsigned int verdict;

	local_bh_disable();
	begin_asking(&asker);
	verdict = hook(NULL, skb, local_in);
	end_asking(&asker);
	local_bh_enable();
	return verdict;
}
