// SPDX-License-Identifier: GPL-2.0-only
/*
 * ICMP errors about packets of full-NAT connections. Such an error has the
 * packet that it is about inside, as we sent it: local IP -> server, or
 * VIP -> client. The flow that would answer that packet is the way of the error
 * itself, and its session says how to translate both: the
 * error like any packet of that flow, at both ends, and the inner packet the
 * other way round, to what its sender will know again.
 *
 * The source of a translated error is thus the VIP (or the local IP), whichever
 * router sent it, as with IPVS and with conntrack's NAT: a router's private
 * address would be filtered on the way to the client, and the server need not
 * have a route to one on the client's side.
 *
 * None of them may come to IPVS, which finds the connection but knows nothing
 * of the local IP (ip_vs_core.c: ip_vs_in_icmp()). This file has what both
 * families share; errors4.c and errors6.c have the rest.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>

#include "errors.h"

/* Completes the flow. false: the inner packet has no ports. */
static bool read_ports(const struct sk_buff *skb, struct error *error)
{
	const __be16 *ports;
	__be16 buffer[2];

	if (!has_ports(error->flow.protocol))
		return false;
	ports = skb_header_pointer(skb, error->transport, sizeof(buffer), buffer);
	if (!ports)
		return false;
	error->flow.sport = ports[1];
	error->flow.dport = ports[0];
	return true;
}

/* Whether the error is about a service of ours that has no session for it.
 * IPVS must not see it: it has a connection that we refused, or would make one
 * (net.ipv4.vs.schedule_icmp). What IPVS serves without us is left to it.
 */
static bool is_lost(struct director *director, const struct flow *flow)
{
	struct ip_vs_conn_param param;
	struct service *service;
	struct ip_vs_conn *cp;
	bool lost;

	service = service_find(director, flow->family, flow->protocol,
			       &flow->daddr, flow->dport);
	if (!service)
		return false;
	ip_vs_conn_fill_param(net_ipvs(director->net), flow->family,
			      flow->protocol, &flow->saddr, flow->sport,
			      &flow->daddr, flow->dport, &param);
	cp = ip_vs_conn_in_get(&param);
	if (!cp)
		return smp_load_acquire(&service->listed);
	lost = is_ours(cp);
	/* Leaves the timer alone. */
	__ip_vs_conn_put(cp);
	return lost;
}

void error_count(struct director *director, const struct translation *to)
{
	count(director, to->direction == IPVS_BPF_REPLY ? COUNT_ERRORS_TO_CLIENT :
							  COUNT_ERRORS_TO_SERVER);
}

/* All of the error but its ports has been read. Under RCU. */
unsigned int error_in(struct director *director, struct sk_buff *skb,
		      struct error *error)
{
	struct translation to;

	if (!read_ports(skb, error))
		return NF_ACCEPT;
	if (!flow_find(director, &error->flow, &to)) {
		if (is_lost(director, &error->flow))
			return transmit_drop(director, skb, COUNT_ERROR_NO_SESSION);
		return NF_ACCEPT;
	}
	/* Who reports an error tells the packet's source. */
	if (!nf_inet_addr_cmp(&error->daddr, &error->flow.daddr))
		return transmit_drop(director, skb, COUNT_ERROR_MISDIRECTED);
#ifdef CONFIG_IP_VS_IPV6
	if (error->flow.family == AF_INET6)
		return error_pass6(director, skb, error, &to);
#endif
	return error_pass4(director, skb, error, &to);
}

/* Where the checksum of the inner packet is, or NULL: it has none, or the
 * error does not reach that far.
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

static void set_inner_addr(void *header, bool source, u8 family,
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

/* Makes the inner packet what its sender sent. Its checksums are mended by the
 * difference: most of what they cover may be cut off. The checksum of the error
 * is left to the caller, to be found anew: it was right.
 */
int error_rewrite(struct sk_buff *skb, const struct error *error,
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
	set_inner_addr(header, true, to->family, &to->daddr, check);
	set_inner_addr(header, false, to->family, &to->saddr, check);
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
