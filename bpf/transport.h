/* SPDX-License-Identifier: GPL-2.0-only */
/* What reading and rewriting packets of both families share. */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <stddef.h>

/* <sys/socket.h> is the host's. */
#define AF_INET 2
#define AF_INET6 10

/* Where the network header begins. */
#define NETWORK ETH_HLEN

enum parse_result {
	PARSE_OK,
	PARSE_OTHER,    /* neither TCP, UDP nor SCTP, or cut short */
	PARSE_FRAGMENT, /* a fragment: not all of them have ports */
};

/* Of all three the transport header begins with them. */
struct ports {
	__be16 source;
	__be16 dest;
};

static __always_inline int has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ||
	       protocol == IPPROTO_SCTP;
}

/* SCTP's checksum covers the ports, and they stay; it covers no address. */
static __always_inline int has_checksum(__u8 protocol)
{
	return protocol != IPPROTO_SCTP;
}

/* Its offset in the packet. */
static __always_inline __u32 checksum_at(__u32 transport, __u8 protocol)
{
	return transport + (protocol == IPPROTO_UDP ? offsetof(struct udphdr, check) :
						      offsetof(struct tcphdr, check));
}

/* The helpers leave a partial transport checksum to the device and a UDP
 * checksum of 0 alone: there is none (RFC 768; RFC 6935 for IPv6).
 */
static __always_inline __u64 checksum_flags(__u8 protocol)
{
	return protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
}

#endif
