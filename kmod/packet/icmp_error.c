// SPDX-License-Identifier: GPL-2.0-only
/*
 * ICMP errors about packets of full-NAT connections. Such an error contains the packet
 * that it is about, as we sent it: local IP -> server, or VIP -> client. The flow that
 * would answer that packet is also the flow of the error itself, and its session says
 * how to translate both: the error like any packet of that flow, at both ends, and the
 * inner packet in the opposite direction, back to what its sender sent.
 *
 * So the source of a translated error is the VIP (or the local IP), whichever router
 * sent it, as with IPVS and with conntrack's NAT. A router's private address would be
 * filtered on the way to the client, and the server may have no route to a router on
 * the client's side.
 *
 * None of these errors may reach IPVS: it finds the connection but does not know the
 * local IP (ip_vs_core.c: ip_vs_in_icmp()).
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>

#include "packet/checks.h"
#include "packet/conn.h"
#include "packet/flows.h"
#include "packet/icmp_error.h"
#include "packet/packet.h"
#include "packet/request.h"
#include "packet/send.h"
#include "packet/toa.h"
#include "session/routes.h"
#include "table/services.h"

/* An error about a packet with ports. Offsets are from its network header. */
struct error {
	unsigned int icmp;      /* its ICMP header */
	unsigned int inner;     /* the network header of the inner packet */
	unsigned int transport; /* its transport header, maybe cut short */
	unsigned int hook;      /* where netfilter handed it to us */
	bool unknown_type;      /* ICMPv6 may get more types of errors */
	bool too_big;           /* it says that the inner packet is larger than the MTU */
	bool broken;            /* the inner header: no flow of ours sent it */
	union nf_inet_addr daddr; /* where it was sent to */
	struct flow flow;         /* the flow that would answer the inner packet */
};

/* True for errors to translate. A redirect is for this host: it is about our route, not
 * the sender's.
 */
static bool is_error4(u8 type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB || type == ICMP_SOURCE_QUENCH;
}

/* Returns false if it is not an error, or is about a packet without ports. IPVS (of
 * Linux 6.12, for one) looks for the ports after the length that the inner header
 * claims, whatever else that says, so a broken header may lead it to a connection.
 */
static bool read4(const struct sk_buff *skb, struct error *error)
{
	struct icmphdr icmp_buffer;
	const struct icmphdr *icmp;
	struct iphdr inner_buffer;
	const struct iphdr *inner;

	error->icmp = ip_hdrlen(skb);
	icmp = skb_header_pointer(skb, error->icmp, sizeof(*icmp), &icmp_buffer);
	if (!icmp || !is_error4(icmp->type))
		return false;
	error->too_big = icmp->type == ICMP_DEST_UNREACH && icmp->code == ICMP_FRAG_NEEDED;
	error->inner = error->icmp + sizeof(*icmp);
	inner = skb_header_pointer(skb, error->inner, sizeof(*inner), &inner_buffer);
	if (!inner)
		return false;
	/* Only the first fragment has ports. */
	error->broken = inner->version != 4 || inner->ihl < 5 ||
			inner->frag_off & htons(IP_OFFSET);
	error->transport = error->inner + inner->ihl * 4;
	error->flow.family = AF_INET;
	error->flow.protocol = inner->protocol;
	error->flow.saddr.ip = inner->daddr;
	error->flow.daddr.ip = inner->saddr;
	error->daddr.ip = ip_hdr(skb)->daddr;
	return true;
}

/* True for errors to translate. IPVS takes every type below 128 for an error. */
static bool is_error6(u8 type)
{
	return type == ICMPV6_DEST_UNREACH || type == ICMPV6_PKT_TOOBIG ||
	       type == ICMPV6_TIME_EXCEED || type == ICMPV6_PARAMPROB;
}

/* The offset of what follows the extension headers of the IPv6 header at an offset, and
 * its protocol in next. Negative if the packet is cut short, or is a fragment that is
 * not the first; next is the protocol also then. Bounded by the packet.
 */
static int skip_extensions(const struct sk_buff *skb, unsigned int header, u8 *next)
{
	__be16 fragment;
	int offset = ipv6_skip_exthdr(skb, header + sizeof(struct ipv6hdr), next,
				      &fragment);
	const u8 *first;
	u8 buffer;

	if (offset < 0 || !(fragment & htons(IP6_OFFSET)))
		return offset;
	first = skb_header_pointer(skb, offset, sizeof(buffer), &buffer);
	if (first)
		*next = *first;
	return -EPROTONOSUPPORT;
}

/* Returns false if it is not an error, or is about a packet without ports. */
static bool read6(const struct sk_buff *skb, struct error *error)
{
	struct icmp6hdr icmp_buffer;
	const struct icmp6hdr *icmp;
	struct ipv6hdr inner_buffer;
	const struct ipv6hdr *inner;
	u8 next = ipv6_hdr(skb)->nexthdr;
	int offset = skip_extensions(skb, 0, &next);

	if (offset < 0 || next != IPPROTO_ICMPV6)
		return false;
	error->icmp = offset;
	icmp = skb_header_pointer(skb, error->icmp, sizeof(*icmp), &icmp_buffer);
	if (!icmp || icmp->icmp6_type & ICMPV6_INFOMSG_MASK)
		return false;
	error->unknown_type = !is_error6(icmp->icmp6_type);
	error->too_big = icmp->icmp6_type == ICMPV6_PKT_TOOBIG;
	error->inner = error->icmp + sizeof(*icmp);
	inner = skb_header_pointer(skb, error->inner, sizeof(*inner), &inner_buffer);
	if (!inner || inner->version != 6)
		return false;
	next = inner->nexthdr;
	offset = skip_extensions(skb, error->inner, &next);
	/* Without ports, IPVS needs no first fragment: see read_ipsec(). */
	if (offset < 0 && next != IPPROTO_ESP)
		return false;
	error->transport = max(offset, 0);
	error->flow.family = AF_INET6;
	error->flow.protocol = next;
	error->flow.saddr.in6 = inner->daddr;
	error->flow.daddr.in6 = inner->saddr;
	error->daddr.in6 = ipv6_hdr(skb)->daddr;
	return true;
}

/* IPVS takes ESP and AH for packets of the connection of UDP port 500
 * (ip_vs_proto_ah_esp.c). We send none.
 */
static bool read_ipsec(struct error *error)
{
	if (error->flow.protocol != IPPROTO_ESP && error->flow.protocol != IPPROTO_AH)
		return false;
	error->broken = true;
	error->flow.protocol = IPPROTO_UDP;
	error->flow.sport = htons(500);
	error->flow.dport = htons(500);
	return true;
}

/* Completes the flow. Returns false if the inner packet has no ports. */
static bool read_ports(const struct sk_buff *skb, struct error *error)
{
	const __be16 *ports;
	__be16 buffer[2];

	if (unlikely(read_ipsec(error)))
		return true;
	if (!has_ports(error->flow.protocol))
		return false;
	ports = skb_header_pointer(skb, error->transport, sizeof(buffer), buffer);
	if (!ports)
		return false;
	error->flow.sport = ports[1];
	error->flow.dport = ports[0];
	return true;
}

/* True if the error is about a service of ours that has no session for it. IPVS must
 * not see it: IPVS has a connection that we refused, or would make one
 * (net.ipv4.vs.schedule_icmp). Errors about services that IPVS serves without us are
 * left to it.
 */
static bool is_lost(struct director *director, const struct flow *flow)
{
	struct service *service;
	struct ip_vs_conn *cp;
	bool lost;

	cp = conn_get(director, flow);
	if (!cp) {
		service = ivb_service_find(director, flow->family, flow->protocol,
					   &flow->daddr, flow->dport);
		return service && service_is_listed(service) && !service->mark;
	}
	lost = is_ours(cp);
	/* This put does not change the timer. */
	__ip_vs_conn_put(cp);
	return lost;
}

/* The checksum of the inner packet, or NULL if it has none or the error does not reach
 * that far.
 */
static __sum16 *inner_check(const struct sk_buff *skb, const struct error *error)
{
	void *transport = skb_network_header(skb) + error->transport;
	unsigned int room = skb->len - error->transport;
	struct udphdr *udp = transport;
	struct tcphdr *tcp = transport;

	if (error->flow.protocol == IPPROTO_TCP &&
	    room >= offsetofend(struct tcphdr, check))
		return &tcp->check;
	if (error->flow.protocol == IPPROTO_UDP && room >= sizeof(*udp) &&
	    udp->check)
		return &udp->check;
	return NULL;
}

/* check: the checksum of a transport header that covers the address, or NULL. */
static void set_addr(void *header, bool source, u8 family,
		     const union nf_inet_addr *addr, __sum16 *check)
{
	struct ipv6hdr *iph6 = header;
	struct iphdr *iph4 = header;
	int word, words;
	__be32 *old;

	if (family == AF_INET6) {
		old = (source ? &iph6->saddr : &iph6->daddr)->s6_addr32;
		words = 4;
	} else {
		old = source ? &iph4->saddr : &iph4->daddr;
		words = 1;
		csum_replace4(&iph4->check, *old, addr->ip);
	}
	for (word = 0; word < words; word++) {
		if (check)
			csum_replace4(check, old[word], addr->ip6[word]);
		old[word] = addr->ip6[word];
	}
}

/* Translates the inner packet back to what its sender sent. Its checksums are corrected
 * by the difference, because most of the data that they cover may be cut off. The
 * caller computes the checksum of the error again: it was right.
 */
static int rewrite_inner(struct sk_buff *skb, const struct error *error,
			 const struct flow *to)
{
	unsigned int end = error->transport + sizeof(struct tcphdr);
	int err = skb_ensure_writable(skb, min(end, skb->len));
	__sum16 *check;
	__be16 *ports;
	void *header;

	if (err)
		return err;
	header = skb_network_header(skb) + error->inner;
	ports = (__be16 *)(skb_network_header(skb) + error->transport);
	check = inner_check(skb, error);
	set_addr(header, true, to->family, &to->daddr, check);
	set_addr(header, false, to->family, &to->saddr, check);
	if (check) {
		csum_replace2(check, ports[0], to->dport);
		csum_replace2(check, ports[1], to->sport);
		if (to->protocol == IPPROTO_UDP && !*check)
			*check = CSUM_MANGLED_0;
	}
	ports[0] = to->dport;
	ports[1] = to->sport;
	skb->ip_summed = CHECKSUM_NONE;
	return 0;
}

/* Gives the error its new addresses. Its checksum covers all of it. */
static void rewrite_outer4(struct sk_buff *skb, unsigned int offset,
			   const struct flow *to)
{
	struct icmphdr *icmp = (struct icmphdr *)(skb_network_header(skb) + offset);
	struct iphdr *iph = ip_hdr(skb);

	icmp->checksum = 0;
	icmp->checksum = csum_fold(skb_checksum(skb, offset, skb->len - offset, 0));
	set_addr(iph, true, AF_INET, &to->saddr, NULL);
	set_addr(iph, false, AF_INET, &to->daddr, NULL);
}

static void rewrite_outer6(struct sk_buff *skb, unsigned int offset,
			   const struct flow *to)
{
	struct icmp6hdr *icmp = (struct icmp6hdr *)(skb_network_header(skb) + offset);
	unsigned int length = skb->len - offset;

	ipv6_hdr(skb)->saddr = to->saddr.in6;
	ipv6_hdr(skb)->daddr = to->daddr.in6;
	icmp->icmp6_cksum = 0;
	icmp->icmp6_cksum = csum_ipv6_magic(&to->saddr.in6, &to->daddr.in6, length,
					    IPPROTO_ICMPV6,
					    skb_checksum(skb, offset, length, 0));
}

static bool is_whole(struct sk_buff *skb, const struct error *error)
{
	return is_ipv6(error->flow.family) ?
		       !nf_ip6_checksum(skb, error->hook, error->icmp, IPPROTO_ICMPV6) :
		       !nf_ip_checksum(skb, error->hook, error->icmp, IPPROTO_ICMP);
}

/* Translates and sends the error. */
static unsigned int pass(struct director *director, struct sk_buff *skb,
			 const struct error *error, const struct translation *to)
{
	const struct flow *flow = &to->flow;
	u8 family = flow->family;
	struct route route;

	if (family == AF_INET && !options_pass4(skb))
		return ivb_drop(director, skb, COUNT_DROP_IP_OPTIONS);
	if (error->hook == NF_INET_PRE_ROUTING && !policy_lets_in(skb, family))
		return ivb_drop(director, skb, COUNT_DROP_POLICY);
	if (!is_whole(skb, error))
		return ivb_drop(director, skb, COUNT_ERROR_CHECKSUM);
	if (hop_limit(skb, family) <= 1)
		return ivb_drop(director, skb, COUNT_ERROR_TTL);
	route = ivb_route_out(director->net, skb, flow);
	if (!route.dst)
		return ivb_drop(director, skb, COUNT_ERROR_NO_ROUTE);
	if (is_too_big(skb, mtu_of(route.dst, family), family)) {
		route_put(route);
		return ivb_drop(director, skb, COUNT_ERROR_TOO_BIG);
	}
	if (rewrite_inner(skb, error, flow)) {
		route_put(route);
		return ivb_drop(director, skb, COUNT_ERROR_REWRITE);
	}
	if (is_ipv6(family))
		rewrite_outer6(skb, error->icmp, flow);
	else
		rewrite_outer4(skb, error->icmp, flow);
	decrease_hop_limit(skb, family);
	if (error->too_big && to->direction == IPVS_BPF_REPLY)
		toa_too_big(to->session);
	if (!set_route(skb, route))
		return ivb_drop(director, skb, COUNT_DROP_POLICY);
	count(director, to->direction == IPVS_BPF_REPLY ? COUNT_ERRORS_TO_CLIENT :
							  COUNT_ERRORS_TO_SERVER);
	return ivb_send(director, skb, family);
}

/* Handles an error of which everything but the ports has been read. Called under RCU.
 */
static unsigned int error_in(struct director *director, struct sk_buff *skb,
			     struct error *error)
{
	struct translation to;

	if (!read_ports(skb, error))
		return NF_ACCEPT;
	if (!ivb_flow_find(director, &error->flow, &to)) {
		if (is_lost(director, &error->flow))
			return ivb_drop(director, skb, COUNT_ERROR_NO_SESSION);
		return NF_ACCEPT;
	}
	if (error->unknown_type)
		return ivb_drop(director, skb, COUNT_ERROR_TYPE);
	if (error->broken)
		return ivb_drop(director, skb, COUNT_ERROR_INNER);
	/* An error is sent to the source of the packet that it is about. */
	if (!nf_inet_addr_cmp(&error->daddr, &error->flow.daddr))
		return ivb_drop(director, skb, COUNT_ERROR_MISDIRECTED);
	return pass(director, skb, error, &to);
}

/* Handles a packet of the protocol ICMP, under RCU. */
unsigned int ivb_error_in4(struct director *director, struct sk_buff *skb,
			   unsigned int hook)
{
	struct error error = { .hook = hook };

	if (ip_is_fragment(ip_hdr(skb)) || !read4(skb, &error))
		return NF_ACCEPT;
	if (hook == NF_INET_PRE_ROUTING && !ivb_source_is_valid4(skb))
		return NF_ACCEPT;
	return error_in(director, skb, &error);
}

/* Handles a packet without ports, under RCU. */
unsigned int ivb_error_in6(struct director *director, struct sk_buff *skb,
			   unsigned int hook)
{
	struct error error = { .hook = hook };

	if (!read6(skb, &error))
		return NF_ACCEPT;
	return error_in(director, skb, &error);
}
