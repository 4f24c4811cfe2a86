// SPDX-License-Identifier: GPL-2.0-only
/*
 * IPv4 options pass unchanged, except source routes, which name the next destination.
 * The host refuses these as well (ip_input.c: ip_rcv_options(), accept_source_route).
 * We record no route and no timestamp.
 *
 * IPv6 extension headers: options, and a routing header with no segments left, are
 * skipped. Packets with other headers are not translated. An authentication header
 * covers the addresses. An active routing header names the next destination, but the
 * checksum is for the last one. A fragment has no ports, or not all of the packet.
 */
#include <net/ipv6.h>

#include "packet/packet.h"

/* Nobody sends more (RFC 8200, 4.1 has six before the transport). */
#define EXTENSION_HEADERS_MAX 8

/* Called when the options are in the linear part, as ip_rcv() leaves them. */
bool ivb_options_pass4(const struct sk_buff *skb)
{
	const u8 *option = (const u8 *)(ip_hdr(skb) + 1);
	const u8 *end = skb_network_header(skb) + ip_hdrlen(skb);

	while (option < end && *option != IPOPT_END) {
		if (*option == IPOPT_NOOP) {
			option++;
			continue;
		}
		if (*option == IPOPT_LSRR || *option == IPOPT_SSRR ||
		    end - option < 2 || option[1] < 2 || option[1] > end - option)
			return false;
		option += option[1];
	}
	return true;
}

/* The offset of the transport header that follows, and its protocol in next. Negative
 * if there is none that we serve.
 */
int ivb_packet_skip_extensions(const struct sk_buff *skb, u8 *next)
{
	unsigned int offset = sizeof(struct ipv6hdr);
	int count;

	for (count = 0; count < EXTENSION_HEADERS_MAX; count++) {
		const struct ipv6_opt_hdr *header;
		u8 buffer[8]; /* no extension header is shorter */

		if (has_ports(*next))
			return offset;
		if (*next != NEXTHDR_HOP && *next != NEXTHDR_DEST &&
		    *next != NEXTHDR_ROUTING && *next != NEXTHDR_FRAGMENT)
			return -EPROTONOSUPPORT;
		header = skb_header_pointer(skb, offset, sizeof(buffer), buffer);
		if (!header)
			return -EINVAL;
		if (*next == NEXTHDR_ROUTING &&
		    ((const struct ipv6_rt_hdr *)header)->segments_left)
			return -EPROTONOSUPPORT;
		if (*next == NEXTHDR_FRAGMENT) {
			/* A whole packet may say that it is its only fragment (RFC
			 * 6946). The length field is reserved here.
			 */
			if (((const struct frag_hdr *)header)->frag_off &
			    htons(IP6_OFFSET | IP6_MF))
				return -EPROTONOSUPPORT;
			offset += sizeof(struct frag_hdr);
		} else {
			offset += ipv6_optlen(header);
		}
		*next = header->nexthdr;
	}
	return has_ports(*next) ? offset : -EPROTONOSUPPORT;
}
