// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rewrites one address and port of an IPv4 TCP or UDP packet and mends its
 * checksums by the difference (RFC 1624), whatever state they are in: right,
 * partial (to be finished by the device), or summed up by the device.
 */
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>

#include "ip_vs_bpf.h"

/* Where the transport checksum is, or NULL where there is none to mend. The
 * packet is writable up to the end of its transport header.
 */
static __sum16 *transport_check(struct sk_buff *skb, void *transport, u8 protocol)
{
	struct udphdr *udp = transport;

	if (protocol == IPPROTO_TCP)
		return &((struct tcphdr *)transport)->check;
	/* RFC 768: 0 says that the sender computed none. A partial one may be
	 * 0 by chance.
	 */
	if (udp->check || skb->ip_summed == CHECKSUM_PARTIAL)
		return &udp->check;
	return NULL;
}

static int nat(struct sk_buff *skb, bool source, __be32 addr, __be16 port)
{
	u8 protocol = ip_hdr(skb)->protocol;
	unsigned int offset = ip_hdrlen(skb);
	__be32 *old_addr;
	__be16 *old_port;
	struct iphdr *iph;
	__sum16 *check;
	__be16 *ports;
	int err;

	err = skb_ensure_writable(skb, offset + (protocol == IPPROTO_TCP ?
						 sizeof(struct tcphdr) :
						 sizeof(struct udphdr)));
	if (err)
		return err;
	iph = ip_hdr(skb);
	ports = (__be16 *)((u8 *)iph + offset);
	old_addr = source ? &iph->saddr : &iph->daddr;
	old_port = source ? &ports[0] : &ports[1];

	check = transport_check(skb, ports, protocol);
	if (check) {
		inet_proto_csum_replace4(check, skb, *old_addr, addr, true);
		inet_proto_csum_replace2(check, skb, *old_port, port, false);
		if (protocol == IPPROTO_UDP && !*check)
			*check = CSUM_MANGLED_0;
	}
	csum_replace4(&iph->check, *old_addr, addr);
	*old_addr = addr;
	*old_port = port;
	return 0;
}

int nat_source(struct sk_buff *skb, __be32 addr, __be16 port)
{
	return nat(skb, true, addr, port);
}

int nat_destination(struct sk_buff *skb, __be32 addr, __be16 port)
{
	return nat(skb, false, addr, port);
}
