// SPDX-License-Identifier: GPL-2.0-only
/*
 * The connections of services by rule. Where no service of ours is known yet, IPVS
 * makes the connection without calling us. So we have its own scheduler make it before
 * IPVS's hook sees the packet, and bind it to us: the hook then finds it bound, and the
 * very first packet is full NAT. The protocol's conn_schedule() is what that hook
 * itself calls (ip_vs_core.c: ip_vs_try_to_schedule()).
 *
 * IPVS hashes a connection before it returns it, so another packet of the same flow
 * could find it unbound: lookup, scheduling and binding are one step under a lock that
 * is chosen by the flow.
 *
 * What IPVS does not masquerade, what another application has (ip_vs_ftp), and what was
 * there before the rule stays native and goes on as it came. A connection that the sync
 * daemon told of is adopted with its first packet.
 */
#include <linux/module.h>
#include <linux/tcp.h>
#include <linux/sctp.h>
#include <net/ipv6.h>

#include "rules.h"

/* What an adopted connection's app points at, in the place of the incarnation for its
 * port, so that IPVS calls us at its end. IPVS changes usecnt only.
 */
static struct ip_vs_app adopter = {
	.name = "ip_vs_bpf",
	.module = THIS_MODULE,
	.app = &adopter,
	.init_conn = session_init_conn,
	.done_conn = session_done_conn,
};

/* With a reference, or NULL. */
static struct ip_vs_conn *conn_get(struct director *director, const struct flow *flow)
{
	struct ip_vs_conn_param param;

	ip_vs_conn_fill_param(net_ipvs(director->net), flow->family, flow->protocol,
			      &flow->saddr, flow->sport, &flow->daddr, flow->dport,
			      &param);
	return ip_vs_conn_in_get(&param);
}

static bool is_masqueraded(const struct ip_vs_conn *cp)
{
	return (cp->flags & IP_VS_CONN_F_FWD_MASK) == IP_VS_CONN_F_MASQ &&
	       cp->af == cp->daf;
}

static void count_native(struct director *director, const struct ip_vs_conn *cp)
{
	if (!is_masqueraded(cp))
		count(director, COUNT_RULE_NOT_MASQUERADED);
	else if (READ_ONCE(cp->app))
		count(director, COUNT_RULE_OTHER_APPLICATION);
	else
		count(director, COUNT_RULE_NATIVE);
}

/* A packet whose destination is no listed service but one by rule, or no service. True
 * if IPVS is to be asked about it. Under RCU.
 */
bool adopt_asks_ipvs(struct director *director, const struct sk_buff *skb,
		     const struct packet *packet, struct service *service,
		     struct question *question)
{
	bool listed = service && smp_load_acquire(&service->listed);
	/* IPVS calls us for each new connection. */
	bool registered = service && smp_load_acquire(&service->app);
	const struct rule *rule;
	struct ip_vs_conn *cp;
	bool asks = true;
	struct flow flow;

	packet_flow(skb, packet, &flow);
	rule = rules_find(director, skb->dev, flow.family, flow.protocol, &flow.daddr,
			  flow.dport);
	if (!service && !rule)
		return false;
	question->by_rule = true;
	if (service && READ_ONCE(service->by_rule))
		rule_service_used(service);
	cp = conn_get(director, &flow);
	if (!cp) {
		question->rule = listed && registered ? NULL : rule;
		return rule;
	}
	if (is_ours(cp)) {
		/* Wherever its packets come in. */
		if (listed && !registered)
			question->rule = rule;
	} else if (!(cp->flags & IP_VS_CONN_F_SYNC)) {
		if (rule)
			count_native(director, cp);
		asks = false;
	} else {
		question->rule = rule;
		asks = rule;
	}
	__ip_vs_conn_put(cp); /* leaves the timer alone */
	return asks;
}

/* Has IPVS make a connection, as its hook would. NULL: it makes none, and verdict is
 * what becomes of the packet. Under RCU, with bottom halves off; the packet has its
 * route.
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

/* True if IPVS's hook may end the bound connection and make another one in its place,
 * of which we are not told while the port's application is not registered: where the
 * server is out (expire_nodest_conn), or the client begins anew what is closing
 * (conn_reuse_mode).
 */
static bool may_be_replaced(const struct ip_vs_conn *cp, const struct sk_buff *skb,
			    const struct packet *packet)
{
	const struct ip_vs_dest *dest = READ_ONCE(cp->dest);

	if (dest && (!compat_dest_available(dest) || !atomic_read(&dest->weight)))
		return true;
	if (!is_first_segment(skb, packet))
		return false;
	if (packet->protocol == IPPROTO_SCTP)
		return cp->state == IP_VS_SCTP_S_CLOSED;
	return cp->state == IP_VS_TCP_S_FIN_WAIT || cp->state == IP_VS_TCP_S_TIME_WAIT ||
	       cp->state == IP_VS_TCP_S_CLOSE;
}

/* The connection is unbound, whatever it is of. True if it is not for us, which is
 * counted. route: see server_is_local().
 */
static bool stays_native(struct director *director, const struct ip_vs_conn *cp,
			 struct dst_entry **route)
{
	if (!is_masqueraded(cp) ||
	    cp->flags & (IP_VS_CONN_F_TEMPLATE | IP_VS_CONN_F_NO_CPORT)) {
		count(director, COUNT_RULE_NOT_MASQUERADED);
		return true;
	}
	/* Nothing answers to it, see addresses.c: address_parse(). */
	if (cp->af == AF_INET6 &&
	    ipv6_addr_type(&cp->vaddr.in6) & IPV6_ADDR_LINKLOCAL) {
		count(director, COUNT_RULE_NATIVE);
		return true;
	}
	if (server_is_local(director->net, cp, route)) {
		count(director, COUNT_SERVER_IS_LOCAL);
		return true;
	}
	return false;
}

/* FORBIDDEN: there is to be no such connection. NOT_NOW: with the next packet. */
enum adoption { ADOPTED, NATIVE, FORBIDDEN, NOT_NOW };

/* The connection has an application, and our transmitter was not there. On a backup
 * IPVS may just be binding it to its server, see session_of(): then it put its own
 * transmitter into the place of ours, or will call us in a moment.
 */
static enum adoption adopt_again(struct director *director, struct ip_vs_conn *cp)
{
	if (READ_ONCE(cp->app)->init_conn != session_init_conn) {
		count(director, COUNT_RULE_OTHER_APPLICATION);
		return NATIVE;
	}
	return session_transmit(cp) ? ADOPTED : NOT_NOW;
}

/* Gives back what an adopted connection has of us, whose app points elsewhere now. */
void adopter_put(void)
{
	atomic_dec(&adopter.usecnt);
	module_put(THIS_MODULE);
}

/* Binds the connection to the service of its destination, as IPVS has us do in
 * session_init_conn(). Its lock keeps IPVS from unbinding it meanwhile.
 */
static enum adoption bind_conn(struct director *director, const struct rule *rule,
			       struct sk_buff *skb, const struct packet *packet,
			       struct ip_vs_conn *cp, enum counter *why)
{
	struct dst_entry *route = NULL;
	struct service *service;

	*why = COUNT_DROP_NO_SESSION;
	if (READ_ONCE(cp->app))
		return adopt_again(director, cp);
	if (is_masqueraded(cp) && cp->flags & IP_VS_CONN_F_ONE_PACKET) {
		/* IPVS schedules it again in its usual place. Of the next ones only its
		 * hook makes one, since it calls us then.
		 */
		rule_service_get(director, rule, cp);
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
	service = rule_service_get(director, rule, cp);
	if (!service) {
		dst_release(route);
		return FORBIDDEN;
	}
	*why = COUNT_DROP_NO_SESSION;
	if (cmpxchg(&cp->app, NULL, &adopter)) {
		dst_release(route);
		return NOT_NOW;
	}
	/* What ip_vs_app_inc_get() takes. The hook keeps the module. */
	__module_get(THIS_MODULE);
	atomic_inc(&adopter.usecnt);
	if (session_bind(director, service, cp, route))
		return ADOPTED;
	adopter_put();
	return NOT_NOW;
}

/* The connection is unbound. True if IPVS is asked about the packet; else verdict is
 * what becomes of it. made: just now, for this packet.
 */
static bool settle(struct director *director, const struct rule *rule,
		   struct sk_buff *skb, const struct packet *packet,
		   struct ip_vs_conn *cp, bool made, unsigned int *verdict)
{
	enum adoption adoption;
	enum counter why;

	spin_lock_bh(&cp->lock);
	adoption = bind_conn(director, rule, skb, packet, cp, &why);
	spin_unlock_bh(&cp->lock);
	if (adoption == ADOPTED)
		return true;
	*verdict = adoption == NATIVE ? NF_ACCEPT : transmit_drop(director, skb, why);
	/* It ends when it is put. */
	if (adoption == FORBIDDEN && made)
		cp->timeout = 0;
	return false;
}

/* The connection is bound, but the port's application is not registered yet. */
static bool is_passed(struct director *director, struct sk_buff *skb,
		      const struct packet *packet, const struct ip_vs_conn *cp,
		      unsigned int *verdict)
{
	enum counter why = COUNT_DROP_NO_SESSION;

	if (!is_forbidden(skb, packet, &why) && !may_be_replaced(cp, skb, packet))
		return true;
	*verdict = transmit_drop(director, skb, why);
	return false;
}

/* A packet that the rule covers, which has its route to this host. Makes its
 * connection one of ours. True if IPVS is asked about it; else verdict is what becomes
 * of it. Under RCU. Nothing that scheduling sends comes back to this function in the
 * same call, since that is ICMP.
 */
static bool adopt_conn(struct director *director, const struct rule *rule,
		       struct sk_buff *skb, const struct packet *packet,
		       unsigned int *verdict)
{
	struct ip_vs_conn *cp;
	struct flow flow;
	spinlock_t *lock;
	bool asks = false;

	packet_flow(skb, packet, &flow);
	lock = &director->adoption_locks[flow_hash(&flow, 0) % ADOPTION_LOCKS];
	spin_lock_bh(lock);
	cp = conn_get(director, &flow);
	if (cp) {
		asks = is_ours(cp) ?
			       is_passed(director, skb, packet, cp, verdict) :
			       settle(director, rule, skb, packet, cp, false, verdict);
		__ip_vs_conn_put(cp);
	} else {
		cp = schedule_conn(director, skb, packet, verdict);
		if (cp) {
			asks = is_ours(cp) || settle(director, rule, skb, packet, cp,
						     true, verdict);
			/* Its timer begins to run. */
			ip_vs_conn_put(cp);
		}
	}
	spin_unlock_bh(lock);
	return asks;
}

/* True on a processor that has IPVS's hook look at a packet which a rule covers. */
static DEFINE_PER_CPU(bool, asking);

/* In session_init_conn(): IPVS makes the connection for such a packet. What it makes
 * elsewhere, for this host's own clients and for packets that come in where the rule is
 * not, stays native.
 */
bool adopt_is_asking(void)
{
	return __this_cpu_read(asking);
}

/* Has IPVS's hook look at the packet, whose connection is adopted before where there is
 * a rule. The hook may send, and what it sends may come in again in the same call.
 */
unsigned int adopt(struct director *director, const struct rule *rule,
		   nf_hookfn *hook, struct sk_buff *skb, const struct packet *packet,
		   const struct nf_hook_state *local_in)
{
	unsigned int verdict;
	bool before;

	if (rule && !adopt_conn(director, rule, skb, packet, &verdict))
		return verdict;
	local_bh_disable();
	before = __this_cpu_read(asking);
	__this_cpu_write(asking, true);
	verdict = hook(NULL, skb, local_in);
	__this_cpu_write(asking, before);
	local_bh_enable();
	return verdict;
}
