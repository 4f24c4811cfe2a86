// SPDX-License-Identifier: GPL-2.0-only
/*
 * The connections of services by rule. As long as no service of ours is known, IPVS
 * makes the connection without calling us. So we let IPVS's own scheduler make it
 * before IPVS's hook sees the packet, and bind it to us: the hook then finds it bound,
 * and the very first packet is full NAT. The protocol's conn_schedule() is what that
 * hook itself calls (ip_vs_core.c: ip_vs_try_to_schedule()).
 *
 * IPVS hashes a connection before it returns it, so another packet of the same flow
 * could find it unbound. So lookup, scheduling and binding are one step, under a lock
 * that is chosen by the flow.
 *
 * Connections that IPVS does not masquerade, that another application has (ip_vs_ftp),
 * or that are older than the rule stay native, and their packets pass unchanged. A
 * connection from the sync daemon is adopted with its first packet.
 */
#include <linux/module.h>
#include <linux/tcp.h>
#include <linux/sctp.h>
#include <net/ipv6.h>

#include "packet/adopt.h"
#include "packet/application.h"
#include "packet/checks.h"
#include "packet/conn.h"
#include "packet/request.h"
#include "packet/send.h"
#include "session/routes.h"
#include "session/rule_services.h"

static bool is_masqueraded(const struct ip_vs_conn *cp)
{
	return (cp->flags & IP_VS_CONN_F_FWD_MASK) == IP_VS_CONN_F_MASQ &&
	       cp->af == cp->daf;
}

static void count_native(struct director *director, const struct cover *cover,
			 const struct ip_vs_conn *cp)
{
	if (!ivb_cover_is_of(cover, cp))
		count(director, COUNT_OTHER_SERVICE);
	else if (!is_masqueraded(cp))
		count(director, COUNT_RULE_NOT_MASQUERADED);
	else if (READ_ONCE(cp->app))
		count(director, COUNT_RULE_OTHER_APPLICATION);
	else
		count(director, COUNT_RULE_NATIVE);
}

/* The service that the rule or wide service made for the destination. NULL: none yet. */
static struct service *service_of(struct director *director, const struct cover *cover,
				  const struct flow *flow)
{
	const struct service_key key = {
		.vaddr = flow->daddr,
		.vport = flow->dport,
		.protocol = flow->protocol,
		.family = flow->family,
		.mark = cover_mark(cover),
	};

	return ivb_service_find_key(director, &key);
}

/* For a packet whose destination is not a listed service, or is a service by rule. True
 * if IPVS is to be asked about it. Called under RCU.
 */
bool ivb_adopt_asks_ipvs(struct director *director, const struct sk_buff *skb,
			 const struct packet *packet, struct question *question)
{
	struct service *service;
	struct ip_vs_conn *cp;
	bool listed, registered, covered, asks = true;
	struct flow flow = {};

	packet_flow(skb, packet, &flow);
	covered = ivb_cover_find(director,
				 &(struct destination){
					 .dev = skb->dev,
					 .vaddr = &flow.daddr,
					 .mark = skb->mark,
					 .vport = flow.dport,
					 .protocol = flow.protocol,
					 .family = flow.family,
				 },
				 &question->cover);
	/* A connection that a mark made may go on without it. */
	service = covered ? service_of(director, &question->cover, &flow) :
			    ivb_service_find(director, flow.family, flow.protocol,
					     &flow.daddr, flow.dport);
	if (!service && !covered)
		return false;
	listed = service && service_is_listed(service);
	/* IPVS calls us for each new connection. */
	registered = service && service_is_registered(service);
	question->by_rule = true;
	if (service && READ_ONCE(service->by_rule))
		rule_service_used(service);
	cp = conn_get(director, &flow);
	if (!cp) {
		question->adopts = covered && !(listed && registered);
		return covered;
	}
	if (is_ours(cp)) {
		/* Whatever interface its packets come in by. */
		question->adopts = covered && listed && !registered;
	} else if (cp->flags & IP_VS_CONN_F_SYNC || !timer_pending(&cp->timer)) {
		/* It may be adopted, or another CPU is doing that: IPVS starts the timer when
		 * a packet is done.
		 */
		question->adopts = covered;
		asks = covered;
	} else {
		if (covered)
			count_native(director, &question->cover, cp);
		asks = false;
	}
	__ip_vs_conn_put(cp); /* does not change the timer */
	return asks;
}

/* Lets IPVS make a connection, as its hook would. Returns NULL if it makes none; then
 * verdict says what to do with the packet. Called under RCU, with bottom halves off;
 * the packet has its route.
 */
static struct ip_vs_conn *schedule_conn(struct director *director, struct sk_buff *skb,
					const struct packet *packet,
					unsigned int *verdict)
{
	struct netns_ipvs *ipvs = net_ipvs(director->net);
	struct ip_vs_proto_data *pd;
	struct ip_vs_conn *cp = NULL;
	struct ip_vs_iphdr iph;
	int refused;

	*verdict = NF_ACCEPT;
	if (skb->ipvs_property || !ipvs->enable || sysctl_backup_only(ipvs))
		return NULL;
	pd = ip_vs_proto_data_get(ipvs, packet->protocol);
	if (!pd || !ip_vs_fill_iph_skb(packet->family, skb, false, &iph))
		return NULL;
	if (!pd->pp->conn_schedule(ipvs, packet->family, skb, pd, &refused, &cp, &iph)) {
		*verdict = refused;
		return NULL;
	}
	return cp;
}

static bool is_first_segment(const struct sk_buff *skb, const struct packet *packet)
{
	struct sctp_chunkhdr chunk_buffer;
	const struct sctp_chunkhdr *chunk;
	struct tcphdr tcp_buffer;
	const struct tcphdr *tcp;

	if (packet->protocol == IPPROTO_TCP) {
		tcp = skb_header_pointer(skb, packet->transport, sizeof(tcp_buffer),
					 &tcp_buffer);
		return tcp && tcp->syn;
	}
	if (packet->protocol != IPPROTO_SCTP)
		return false;
	chunk = skb_header_pointer(skb, packet->transport + sizeof(struct sctphdr),
				   sizeof(chunk_buffer), &chunk_buffer);
	return chunk && chunk->type == SCTP_CID_INIT;
}

/* True if IPVS's hook would not use the bound connection for the packet: it drops the
 * packet, or ends the connection and makes another one. It does not call us for that one
 * because the port's application is not registered. The tests are those of
 * ip_vs_core.c: ip_vs_in_hook(). The server may be gone; or may get no new connections,
 * if expire_nodest_conn is set; or the client starts again on a closing connection, if
 * conn_reuse_mode is set. Only the last one needs a connection without a template.
 */
static bool may_be_replaced(const struct ip_vs_conn *cp, const struct sk_buff *skb,
			    const struct packet *packet)
{
	const struct ip_vs_dest *dest = READ_ONCE(cp->dest);

	if (dest && !compat_dest_available(dest))
		return true;
	if (!is_first_segment(skb, packet))
		return false;
	if (dest && sysctl_expire_nodest_conn(cp->ipvs) && !atomic_read(&dest->weight))
		return true;
	if (READ_ONCE(cp->control))
		return false;
	if (packet->protocol == IPPROTO_SCTP)
		return cp->state == IP_VS_SCTP_S_CLOSED;
	return cp->state == IP_VS_TCP_S_FIN_WAIT || cp->state == IP_VS_TCP_S_TIME_WAIT ||
	       cp->state == IP_VS_TCP_S_CLOSE;
}

/* Called for an unbound connection of any kind. True if it is not for us, which is
 * counted. route: see ivb_server_is_local().
 */
static bool stays_native(struct director *director, const struct ip_vs_conn *cp,
			 struct dst_entry **route)
{
	if (!is_masqueraded(cp) ||
	    cp->flags & (IP_VS_CONN_F_TEMPLATE | IP_VS_CONN_F_NO_CPORT)) {
		count(director, COUNT_RULE_NOT_MASQUERADED);
		return true;
	}
	/* Nothing answers to a link-local VIP, see text.c: ivb_address_parse(). */
	if (cp->af == AF_INET6 &&
	    ipv6_addr_type(&cp->vaddr.in6) & IPV6_ADDR_LINKLOCAL) {
		count(director, COUNT_RULE_NATIVE);
		return true;
	}
	if (ivb_server_is_local(director, cp, route)) {
		count(director, COUNT_SERVER_IS_LOCAL);
		return true;
	}
	return false;
}

/* FORBIDDEN: such a connection must not exist. NOT_NOW: try again with the next packet.
 */
enum adoption { ADOPTED, NATIVE, FORBIDDEN, NOT_NOW };

/* Called if the connection has an application but not our transmitter. On a backup,
 * IPVS may be binding it to its server at this moment, see conn_session(): then IPVS
 * has replaced our transmitter with its own, or will call us in a moment.
 */
static enum adoption adopt_again(struct director *director, struct ip_vs_conn *cp)
{
	if (READ_ONCE(cp->app)->init_conn != ivb_session_init_conn) {
		count(director, COUNT_RULE_OTHER_APPLICATION);
		return NATIVE;
	}
	return ivb_session_transmit(cp) ? ADOPTED : NOT_NOW;
}

/* Makes the adopter the connection's application. Returns false if it has one. */
static bool take_conn(struct ip_vs_conn *cp)
{
	if (cmpxchg(&cp->app, NULL, &ivb_adopter))
		return false;
	/* The references that ip_vs_app_inc_get() takes. The hook keeps the module. */
	__module_get(THIS_MODULE);
	atomic_inc(&ivb_adopter.usecnt);
	return true;
}

/* Binds the connection to the service of its destination, as ivb_session_init_conn()
 * does where IPVS calls it. The lock of the connection keeps IPVS from unbinding it
 * meanwhile.
 */
static enum adoption bind_conn(struct director *director, const struct cover *cover,
			       struct sk_buff *skb, const struct packet *packet,
			       struct ip_vs_conn *cp, bool made, enum counter *why)
{
	struct dst_entry *route = NULL;
	struct service *service;

	*why = COUNT_DROP_NO_SESSION;
	if (READ_ONCE(cp->app))
		return adopt_again(director, cp);
	/* It is older than what covers it. */
	if (!made && !(cp->flags & IP_VS_CONN_F_SYNC)) {
		count_native(director, cover, cp);
		return NATIVE;
	}
	if (!ivb_cover_is_of(cover, cp)) {
		count(director, COUNT_OTHER_SERVICE);
		return NATIVE;
	}
	if (is_masqueraded(cp) && cp->flags & IP_VS_CONN_F_ONE_PACKET) {
		/* IPVS schedules it again in its usual place. For the next connections,
		 * only IPVS's hook makes one, because it calls us then.
		 */
		ivb_rule_service_get(director, cover, cp);
		count(director, COUNT_ONE_PACKET);
		return NATIVE;
	}
	if (stays_native(director, cp, &route))
		return NATIVE;
	if (is_forbidden(skb, packet, why)) {
		dst_release(route);
		return FORBIDDEN;
	}
	*why = COUNT_DROP_REFUSED;
	service = ivb_rule_service_get(director, cover, cp);
	if (!service) {
		dst_release(route);
		return FORBIDDEN;
	}
	*why = COUNT_DROP_NO_SESSION;
	if (!take_conn(cp)) {
		dst_release(route);
		return NOT_NOW;
	}
	if (ivb_session_bind(director, service, cp, route))
		return ADOPTED;
	ivb_adopter_put();
	return NOT_NOW;
}

/* Called for an unbound connection. True if IPVS is asked about the packet; else
 * verdict says what to do with it. made: the connection was made just now, for this
 * packet.
 */
static bool settle(struct director *director, const struct cover *cover,
		   struct sk_buff *skb, const struct packet *packet,
		   struct ip_vs_conn *cp, bool made, unsigned int *verdict)
{
	enum adoption adoption;
	enum counter why;

	spin_lock_bh(&cp->lock);
	adoption = bind_conn(director, cover, skb, packet, cp, made, &why);
	/* The connection ends when its timer expires. Until then its packets find it, and
	 * must not find a native one.
	 */
	if (adoption == FORBIDDEN && made && take_conn(cp)) {
		WRITE_ONCE(cp->packet_xmit, ivb_request_refuse);
		cp->timeout = 0;
	}
	spin_unlock_bh(&cp->lock);
	if (adoption == ADOPTED)
		return true;
	*verdict = adoption == NATIVE ? NF_ACCEPT : ivb_drop(director, skb, why);
	return false;
}

/* True if the packet passes. The connection is bound, but the port's application may not
 * be registered yet. A packet that does not pass is repeated by its sender, and mostly
 * finds it registered.
 */
static bool is_passed(struct director *director, struct sk_buff *skb,
		      const struct packet *packet, const struct ip_vs_conn *cp,
		      unsigned int *verdict)
{
	enum counter why = COUNT_DROP_NO_SESSION;

	if (!is_forbidden(skb, packet, &why) && !may_be_replaced(cp, skb, packet))
		return true;
	*verdict = ivb_drop(director, skb, why);
	return false;
}

/* Adopts the connection of a packet that is covered and that has its route to this
 * host. True if IPVS is asked about it; else verdict says what to do with it. Called
 * under RCU. Nothing that scheduling sends comes back to this function in the same
 * call, because it is ICMP.
 */
static bool adopt_conn(struct director *director, const struct cover *cover,
		       struct sk_buff *skb, const struct packet *packet,
		       unsigned int *verdict)
{
	struct ip_vs_conn *cp;
	struct flow flow;
	spinlock_t *lock;
	bool asks, made;
	u32 hash;

	packet_flow(skb, packet, &flow);
	hash = flow_hash(&flow, director->services_seed);
	lock = &director->adoption_locks[hash % ADOPTION_LOCKS];
	spin_lock_bh(lock);
	cp = conn_get(director, &flow);
	made = !cp;
	if (made)
		cp = schedule_conn(director, skb, packet, verdict);
	/* IPVS may also replace one that was made just now: a persistence template leads to
	 * a server of weight 0.
	 */
	asks = cp && (is_ours(cp) ||
		      settle(director, cover, skb, packet, cp, made, verdict)) &&
	       is_passed(director, skb, packet, cp, verdict);
	if (made && cp)
		ip_vs_conn_put(cp); /* starts the timer */
	else if (cp)
		__ip_vs_conn_put(cp);
	spin_unlock_bh(lock);
	return asks;
}

/* Passes the packet to IPVS's hook. If something covers it, adopts its connection first. */
unsigned int ivb_adopt(struct director *director, const struct cover *cover,
		       nf_hookfn *hook, struct sk_buff *skb, const struct packet *packet,
		       const struct nf_hook_state *local_in)
{
	unsigned int verdict;

	if (cover && !adopt_conn(director, cover, skb, packet, &verdict))
		return verdict;
	return ivb_ask_for_rule(hook, skb, local_in);
}
