/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path, as far as both families share it: whether a packet may take
 * it, and its way out. kmod/leases.c gives the leases.
 */
#ifndef LEASE_H
#define LEASE_H

#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>

#include "ip_vs_bpf_abi.h"
#include "transport.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
/* Of the flags in the TCP header. */
#define TCP_FLAGS_AT 13

/* A frame for another host, which a promiscuous interface hears, is nobody's to
 * forward.
 */
static __always_inline int lease_is_valid(struct __sk_buff *skb,
					  const struct ipvs_bpf_lease *lease)
{
	return lease->until > bpf_jiffies64() && skb->pkt_type == PACKET_HOST;
}

/* Whether a packet leaves everything to the program: it advances no state of
 * IPVS's, is as long as its IP header says, and fits where it goes. network:
 * the size of its IP header, which has no options.
 */
static __always_inline int is_for_fast_path(struct __sk_buff *skb, __u8 protocol,
					    __u32 network, __u32 size,
					    const struct ipvs_bpf_lease *lease)
{
	__u32 headers = network;

	if (size > skb->len - NETWORK)
		return 0;
	if (protocol == IPPROTO_TCP) {
		__u8 *tcp = at(skb, NETWORK + network, sizeof(struct tcphdr));

		if (!tcp || tcp[TCP_FLAGS_AT] & (TCP_FIN | TCP_SYN | TCP_RST))
			return 0;
		headers += (tcp[TCP_FLAGS_AT - 1] >> 4) * 4;
	} else {
		headers += sizeof(struct udphdr);
	}
	if (size <= lease->mtu)
		return 1;
	/* Of what travels together each segment has to fit. */
	return skb->gso_size && headers + skb->gso_size <= lease->mtu;
}

/* The packet is translated, and goes. */
static __always_inline int leave(struct __sk_buff *skb, __u32 size,
				 struct ipvs_bpf_lease *lease)
{
	__u32 *macs = at(skb, 0, sizeof(lease->macs));

	if (!macs)
		return TC_ACT_SHOT;
	macs[0] = lease->macs[0];
	macs[1] = lease->macs[1];
	macs[2] = lease->macs[2];
	/* The packets of a flow may come in on several CPUs. */
	__sync_fetch_and_add(&lease->packets, 1);
	__sync_fetch_and_add(&lease->bytes, size);
	return bpf_redirect(lease->ifindex, 0);
}

#endif
