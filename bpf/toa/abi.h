/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of the receiver, as the CLI sees them: src/toa/abi.rs mirrors this file.
 * Addresses are in network byte order, and those of IPv4 are mapped into IPv6
 * (::ffff:a.b.c.d), so that both families share each map.
 */
#ifndef TOA_ABI_H
#define TOA_ABI_H

#include <linux/types.h>

/* The key of toa_trust, a longest-prefix map (struct bpf_lpm_trie_key). length counts
 * the significant bits after it: 32 more than in the prefix's own notation, or 128 more
 * for IPv4. family is 4 or 6, so that no IPv6 prefix covers mapped addresses.
 */
struct toa_prefix {
	__u32 length;
	__u32 family;
	__be32 address[4];
};

/* The value of toa_trust. */
struct toa_trusted {
	__u32 pad;
};

/* The client of a connection, as the director sends it. */
struct toa_client {
	__be32 address[4];
	__be16 port;
	__u16 pad;
};

/* The key of toa_mptcp: a connection as the server sees it. netns is the cookie of its
 * network namespace.
 */
struct toa_tuple {
	__u64 netns;
	__be32 remote[4];
	__be32 local[4];
	__be16 remote_port;
	__be16 local_port;
	__u32 pad;
};

/* The outcome of a connection that came from a trusted address or had the option. */
enum toa_outcome {
	/* The server sees the client's address. */
	TOA_TOLD = 0,
	/* From a trusted address, without the option. */
	TOA_ABSENT = 1,
	/* From a trusted address, with an option that has a wrong length or family, or
	 * no address or port.
	 */
	TOA_MALFORMED = 2,
	/* With the option, from an address that is not trusted. */
	TOA_REFUSED = 3,
	/* The kernel had no memory to keep the address. */
	TOA_NO_MEMORY = 4,
	TOA_OUTCOMES = 5,
};

/* The value of toa_local_ips and toa_strangers, both keyed by the source address of
 * connections. Counts connections by outcome.
 */
struct toa_counts {
	__u64 count[TOA_OUTCOMES];
};

#endif
