/* SPDX-License-Identifier: GPL-2.0-only */
/* The TCP option with a client's address, as toa.ko reads it: kind 254, length, port,
 * address, in network byte order.
 */
#ifndef TOA_OPTION_H
#define TOA_OPTION_H

#include <linux/bpf.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_MPTCP 30
#define OPTION_TOA 254

#define TOA_LENGTH4 8
#define TOA_LENGTH6 20
/* The subtype: the first 4 bits after kind and length (RFC 8684, section 3.1). */
#define MP_CAPABLE 0

/* A TCP header has 40 bytes for options, so it has at most 40 options. */
#define MOST_OPTIONS 40

/* The options of a segment. */
struct options {
	/* The offset of the option in the TCP header; 0 if there is none. */
	__u32 toa;
	__u8 length;
	/* The segment made a Multipath TCP connection. */
	__u8 mp_capable;
};

/* No header is longer, so the mask changes nothing. The asm hides this from the
 * compiler: it would leave the mask out, and the verifier would know no bound.
 */
#define BOUND(offset)                                                          \
	({                                                                     \
		asm volatile("" : "+r"(offset));                               \
		(offset) &= 63;                                                \
	})

static __always_inline int is_mapped(const struct address *address)
{
	return !address->word[0] && !address->word[1] &&
	       address->word[2] == bpf_htonl(0xffff);
}

/* The first option of the kind counts: the director puts its own before all others. */
static __always_inline void read_options(struct bpf_sock_ops *ctx, struct options *found)
{
	__u32 offset = sizeof(struct tcphdr);
	void *end = ctx->skb_data_end;
	int i;

	found->toa = 0;
	found->length = 0;
	found->mp_capable = 0;
	for (i = 0; i < MOST_OPTIONS; i++) {
		__u8 *option, kind, length;

		BOUND(offset);
		option = ctx->skb_data + offset;
		if ((void *)(option + 1) > end)
			return;
		kind = option[0];
		if (kind == OPTION_END)
			return;
		if (kind == OPTION_NOP) {
			offset++;
			continue;
		}
		if ((void *)(option + 2) > end)
			return;
		length = option[1];
		/* The kernel does not read what follows either. */
		if (length < 2 || (void *)(option + length) > end)
			return;
		if (kind == OPTION_TOA && !found->toa) {
			found->toa = offset;
			found->length = length;
		} else if (kind == OPTION_MPTCP && (void *)(option + 3) <= end) {
			if (option[2] >> 4 == MP_CAPABLE)
				found->mp_capable = 1;
		}
		offset += length;
	}
}

static __always_inline __be32 word_at(const __u8 *bytes)
{
	return bpf_htonl((__u32)bytes[0] << 24 | (__u32)bytes[1] << 16 |
			 (__u32)bytes[2] << 8 | bytes[3]);
}

/* Reads the client that the option names. from is the source address of the segment.
 * Returns 0 if the option is not one that a director sends.
 */
static __always_inline int read_client(struct bpf_sock_ops *ctx, const struct options *found,
				       const struct address *from,
				       struct toa_client *client)
{
	__u32 offset = found->toa;
	void *end = ctx->skb_data_end;
	__u8 *option;

	BOUND(offset);
	option = ctx->skb_data + offset;
	if (is_mapped(from)) {
		if (found->length != TOA_LENGTH4 || (void *)(option + TOA_LENGTH4) > end)
			return 0;
		client->address[0] = 0;
		client->address[1] = 0;
		client->address[2] = bpf_htonl(0xffff);
		client->address[3] = word_at(option + 4);
		if (!client->address[3])
			return 0;
	} else {
		if (found->length != TOA_LENGTH6 || (void *)(option + TOA_LENGTH6) > end)
			return 0;
		client->address[0] = word_at(option + 4);
		client->address[1] = word_at(option + 8);
		client->address[2] = word_at(option + 12);
		client->address[3] = word_at(option + 16);
		if (!(client->address[0] | client->address[1] | client->address[2] |
		      client->address[3]))
			return 0;
	}
	client->port = bpf_htons((__u16)option[2] << 8 | option[3]);
	client->pad = 0;
	return client->port != 0;
}

#endif
