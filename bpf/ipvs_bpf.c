// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs at a director's interfaces, classic path: at egress the source
 * of a request becomes the local IP; at ingress the destination of a reply
 * becomes the client. Everything else the module and IPVS do.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "packet.h"

/* A request on its way to the real server: client -> server, and the module
 * left the service's id, which leads to the VIP and so to the original tuple.
 * What cannot be translated is dropped: the server would answer the client
 * past us.
 */
SEC("classifier")
int ipvs_egress(struct __sk_buff *skb)
{
	struct ipvs_bpf_service *service;
	struct ipvs_bpf_session4 *session;
	struct ipvs_bpf_tuple4 original;
	struct packet packet;
	__u32 id = skb->tc_index;

	if (!id)
		return TC_ACT_UNSPEC;
	switch (parse(skb, &packet)) {
	case PARSE_FRAGMENT:
		count(IPVS_BPF_FRAGMENT);
		return TC_ACT_SHOT;
	case PARSE_OTHER:
		count(IPVS_BPF_UNREADABLE);
		return TC_ACT_SHOT;
	case PARSE_OK:
		break;
	}
	service = bpf_map_lookup_elem(&services, &id);
	if (!service || !service->family) {
		count(IPVS_BPF_NO_SERVICE);
		return TC_ACT_SHOT;
	}
	original = packet.tuple;
	original.daddr = service->vaddr[0];
	original.dport = service->vport;
	session = bpf_map_lookup_elem(&sessions4, &original);
	if (!session || session->direction != IPVS_BPF_ORIGINAL) {
		count(IPVS_BPF_NO_SESSION);
		return TC_ACT_SHOT;
	}
	if (rewrite_source(skb, &packet, session->saddr, session->sport)) {
		count(IPVS_BPF_REWRITE_FAILED);
		return TC_ACT_SHOT;
	}
	/* Done: a later interface of the same packet (a VLAN's, a bridge's)
	 * must not try again.
	 */
	skb->tc_index = 0;
	count(IPVS_BPF_SNAT);
	return TC_ACT_UNSPEC;
}

/* A reply: server -> local IP. The service's id goes up to the module in
 * tc_classid, which the kernel copies to skb->tc_index.
 */
SEC("classifier")
int ipvs_ingress(struct __sk_buff *skb)
{
	struct ipvs_bpf_session4 *session;
	struct packet packet;

	/* An id that a packet brought from another namespace is not ours. */
	skb->tc_index = 0;
	if (parse(skb, &packet) != PARSE_OK)
		return TC_ACT_UNSPEC;
	session = bpf_map_lookup_elem(&sessions4, &packet.tuple);
	if (!session || session->direction != IPVS_BPF_REPLY)
		return TC_ACT_UNSPEC;
	skb->tc_classid = session->service;
	if (rewrite_destination(skb, &packet, session->daddr, session->dport)) {
		count(IPVS_BPF_REWRITE_FAILED);
		return TC_ACT_SHOT;
	}
	count(IPVS_BPF_REPLIES);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
