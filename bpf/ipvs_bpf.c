// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs at a director's interfaces. Classic path: at egress the source
 * of a request becomes the local IP; at ingress the destination of a reply
 * becomes the client; everything else the module and IPVS do. Fast path: while
 * a session has a lease, its packets are translated whole at ingress, and sent.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "fast4.h"
#include "fast6.h"
#include "maps.h"

static __always_inline int drop(enum ipvs_bpf_counter why)
{
	count(why);
	return TC_ACT_SHOT;
}

static __always_inline int drop_unparsed(enum parse_result result)
{
	return drop(result == PARSE_FRAGMENT ? IPVS_BPF_FRAGMENT :
					       IPVS_BPF_UNREADABLE);
}

/* The id is done with: a later interface of the same packet (a VLAN's, a
 * bridge's) must not try again.
 */
static __always_inline int translated(struct __sk_buff *skb)
{
	skb->tc_index = 0;
	count(IPVS_BPF_SNAT);
	return TC_ACT_UNSPEC;
}

static __always_inline int egress4(struct __sk_buff *skb, __u32 id)
{
	struct ipvs_bpf_service *service;
	struct ipvs_bpf_session4 *session;
	struct ipvs_bpf_tuple4 original;
	struct packet4 packet;
	struct ends4 ends;
	enum parse_result result = parse4(skb, &packet);

	if (result != PARSE_OK)
		return drop_unparsed(result);
	service = bpf_map_lookup_elem(&services, &id);
	if (!service || service->family != AF_INET)
		return drop(IPVS_BPF_NO_SERVICE);
	original = packet.tuple;
	original.daddr = service->vaddr[0];
	original.dport = service->vport;
	session = bpf_map_lookup_elem(&sessions4, &original);
	/* The entry may be that of a later connection of the same client, whose
	 * local IP and port are unique for its own server only.
	 */
	if (!session || session->direction != IPVS_BPF_ORIGINAL ||
	    session->daddr != packet.tuple.daddr ||
	    session->dport != packet.tuple.dport)
		return drop(IPVS_BPF_NO_SESSION);
	ends = (struct ends4){
		.saddr = session->saddr,
		.daddr = packet.tuple.daddr,
		.ports = { { session->sport, packet.tuple.dport } },
	};
	if (rewrite4(skb, &packet, &ends, 0))
		return drop(IPVS_BPF_REWRITE_FAILED);
	return translated(skb);
}

static __always_inline int same_address6(const __be32 *a, const __be32 *b)
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]));
}

static __always_inline int egress6(struct __sk_buff *skb, __u32 id)
{
	struct ipvs_bpf_service *service;
	struct ipvs_bpf_session6 *session;
	struct ipvs_bpf_tuple6 original, tuple;
	struct ends6 ends;
	enum parse_result result = parse6(skb, &tuple);

	if (result != PARSE_OK)
		return drop_unparsed(result);
	service = bpf_map_lookup_elem(&services, &id);
	if (!service || service->family != AF_INET6)
		return drop(IPVS_BPF_NO_SERVICE);
	original = tuple;
	__builtin_memcpy(original.daddr, service->vaddr, sizeof(original.daddr));
	original.dport = service->vport;
	session = bpf_map_lookup_elem(&sessions6, &original);
	if (!session || session->direction != IPVS_BPF_ORIGINAL ||
	    !same_address6(session->daddr, tuple.daddr) ||
	    session->dport != tuple.dport)
		return drop(IPVS_BPF_NO_SESSION);
	ends = (struct ends6){
		.saddr = session->saddr,
		.daddr = tuple.daddr,
		.ports = { { session->sport, tuple.dport } },
	};
	if (rewrite6(skb, &tuple, &ends, 0))
		return drop(IPVS_BPF_REWRITE_FAILED);
	return translated(skb);
}

/* A request on its way to the real server: client -> server, and the module
 * left the service's id, which leads to the VIP and so to the original tuple.
 * What cannot be translated is dropped: the server would answer the client
 * past us.
 */
SEC("classifier")
int ipvs_egress(struct __sk_buff *skb)
{
	__u32 id = skb->tc_index;

	if (!id)
		return TC_ACT_UNSPEC;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return egress4(skb, id);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return egress6(skb, id);
	return drop(IPVS_BPF_UNREADABLE);
}

static __always_inline int ingress4(struct __sk_buff *skb)
{
	struct ipvs_bpf_session4 *session;
	struct packet4 packet;
	struct ends4 ends;

	if (parse4(skb, &packet) != PARSE_OK)
		return TC_ACT_UNSPEC;
	session = bpf_map_lookup_elem(&sessions4, &packet.tuple);
	if (!session)
		return TC_ACT_UNSPEC;
	if (lease_is_valid(skb, &session->lease)) {
		int verdict = fast4(skb, &packet, session);

		if (verdict == TC_ACT_SHOT)
			count(IPVS_BPF_REWRITE_FAILED);
		if (verdict != TC_ACT_UNSPEC)
			return verdict;
	}
	if (session->direction != IPVS_BPF_REPLY)
		return TC_ACT_UNSPEC;
	skb->tc_classid = session->service;
	ends = (struct ends4){
		.saddr = packet.tuple.saddr,
		.daddr = session->daddr,
		.ports = { { packet.tuple.sport, session->dport } },
	};
	if (rewrite4(skb, &packet, &ends, 0))
		return drop(IPVS_BPF_REWRITE_FAILED);
	count(IPVS_BPF_REPLIES);
	return TC_ACT_OK;
}

static __always_inline int ingress6(struct __sk_buff *skb)
{
	struct ipvs_bpf_session6 *session;
	struct ipvs_bpf_tuple6 tuple;
	struct ends6 ends;

	if (parse6(skb, &tuple) != PARSE_OK)
		return TC_ACT_UNSPEC;
	session = bpf_map_lookup_elem(&sessions6, &tuple);
	if (!session)
		return TC_ACT_UNSPEC;
	if (lease_is_valid(skb, &session->lease)) {
		int verdict = fast6(skb, &tuple, session);

		if (verdict == TC_ACT_SHOT)
			count(IPVS_BPF_REWRITE_FAILED);
		if (verdict != TC_ACT_UNSPEC)
			return verdict;
	}
	if (session->direction != IPVS_BPF_REPLY)
		return TC_ACT_UNSPEC;
	skb->tc_classid = session->service;
	ends = (struct ends6){
		.saddr = tuple.saddr,
		.daddr = session->daddr,
		.ports = { { tuple.sport, session->dport } },
	};
	if (rewrite6(skb, &tuple, &ends, 0))
		return drop(IPVS_BPF_REWRITE_FAILED);
	count(IPVS_BPF_REPLIES);
	return TC_ACT_OK;
}

/* A packet of a session that has a lease goes straight to where it should. Of
 * others only replies, server -> local IP, are turned to the client; the
 * service's id goes up to the module in tc_classid, which the kernel copies to
 * skb->tc_index.
 */
SEC("classifier")
int ipvs_ingress(struct __sk_buff *skb)
{
	/* An id that a packet brought from another namespace is not ours. */
	skb->tc_index = 0;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return ingress4(skb);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return ingress6(skb);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
