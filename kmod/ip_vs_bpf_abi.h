/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel module, the eBPF programs and the CLI share: the keys and
 * values of the eBPF maps. This is the only place where they are written
 * down; src/datapath/abi.rs mirrors it, and a test compares the layouts.
 *
 * No structure has implicit padding: tuples are compared word by word, so every writer
 * zeroes what it does not set.
 */
#ifndef IP_VS_BPF_ABI_H
#define IP_VS_BPF_ABI_H

#include <linux/types.h>

/* A flow as it is on the wire. A session has two, one for each direction: client ->
 * VIP (original) and real server -> local IP (reply).
 */
struct ipvs_bpf_tuple4 {
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	__u8 protocol; /* IPPROTO_* */
	__u8 pad[3];
};

struct ipvs_bpf_tuple6 {
	__be32 saddr[4];
	__be32 daddr[4];
	__be16 sport;
	__be16 dport;
	__u8 protocol; /* IPPROTO_* */
	__u8 pad[3];
};

enum ipvs_bpf_direction {
	IPVS_BPF_ORIGINAL = 0,
	IPVS_BPF_REPLY = 1,
};

/* What a lease forwarded is one number, so that one addition counts both: bytes,
 * as the IP header counts them, above that many bits of packets. The difference of
 * two such numbers has what lies between as long as it fits, 2^26 packets and 2^38
 * bytes: the module looks every second or two.
 */
#define IPVS_BPF_PACKET_BITS 26

/* The fast path of one direction of a session: while the lease is valid the
 * ingress program alone forwards the packets, as it is told here. The module
 * writes it, but for the counts, which the program only ever adds to. Sums are
 * one's complement sums of 16-bit words in network byte order (RFC 1071).
 */
struct ipvs_bpf_lease {
	__u64 until;     /* valid while bpf_jiffies64() is less; 0: there is none */
	__u64 forwarded; /* bytes and packets: see IPVS_BPF_PACKET_BITS */
	__u32 iif;       /* of the interface that they come in by; others' are not forwarded */
	__u32 ifindex;   /* of the interface that they leave by */
	__u16 mtu;       /* host endianness; a larger packet goes to the module */
	__u16 header;    /* what it adds to IPv4's header: addresses, and a TTL one less */
	__u16 transport; /* what it adds to the transport's sum: addresses and ports */
	__u16 pseudo;    /* that of the pseudo-header that comes in, less the length that the
			  * IP header says */
	__u32 macs[3];   /* the first 12 bytes of the frame: its addresses */
	__u32 generation; /* valid while struct ipvs_bpf_control has the same */
};

/* A flow with a lease, or an empty slot, whose tuple is all zero: what comes in, and
 * what full NAT makes of it.
 */
struct ipvs_bpf_slot4 {
	struct ipvs_bpf_tuple4 from;
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	__u32 last; /* bpf_jiffies64() of the last packet, its low half; the program writes it */
	struct ipvs_bpf_lease lease;
};

struct ipvs_bpf_slot6 {
	struct ipvs_bpf_tuple6 from;
	__be32 saddr[4];
	__be32 daddr[4];
	__be16 sport;
	__be16 dport;
	__u32 last; /* bpf_jiffies64() of the last packet, its low half; the program writes it */
	struct ipvs_bpf_lease lease;
};

/* The values of the array maps "flows4" and "flows6". A flow is in the set that its
 * hash says, in any slot. The sequence is odd while the module writes in the set, and
 * another one after: who reads a slot reads the sequence before and after.
 */
#define IPVS_BPF_SLOTS 4

struct ipvs_bpf_set4 {
	__u32 sequence;
	__u32 pad;
	struct ipvs_bpf_slot4 slot[IPVS_BPF_SLOTS];
};

struct ipvs_bpf_set6 {
	__u32 sequence;
	__u32 pad;
	struct ipvs_bpf_slot6 slot[IPVS_BPF_SLOTS];
};

/* The only value of the array map "control", which the module writes. */
struct ipvs_bpf_control {
	__u64 seed; /* of the hash; nobody else knows it */
	__u32 sets; /* how many each of the two maps has; 0: not yet */
	__u32 generation; /* of leases: another one ends all that there are */
};

/* Index into the per-CPU array map "counters": what the eBPF programs did or
 * refused, in packets.
 */
enum ipvs_bpf_counter {
	IPVS_BPF_REWRITE_FAILED, /* dropped: the kernel refused a write */
	IPVS_BPF_COUNTERS        /* how many there are */
};

/* The entries of that map: later builds go on counting in it, and may have more
 * counters.
 */
#define IPVS_BPF_COUNTERS_ROOM 64

#endif
