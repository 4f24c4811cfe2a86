/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keys and values of the eBPF maps, which the kernel module, the eBPF programs and
 * the CLI share. They are defined only here; src/datapath/abi.rs mirrors them, and a
 * test compares the layouts.
 *
 * No structure has implicit padding: tuples are compared word by word, so every writer
 * zeroes what it does not set.
 */
#ifndef IP_VS_BPF_ABI_H
#define IP_VS_BPF_ABI_H

#include <linux/types.h>

/* A flow on the wire. A session has two, one for each direction: client -> VIP
 * (original) and real server -> local IP (reply).
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

/* The bytes and packets that a lease forwarded are one number, so that one addition
 * counts both. This many low bits count packets; the bits above count bytes as in the
 * IP header. The difference of two such numbers is right up to 2^26 packets and 2^38
 * bytes: the module reads the number every second or two.
 */
#define IPVS_BPF_PACKET_BITS 26

/* The fast path of one direction of a session. While the lease is valid, the ingress
 * program alone forwards the packets, as the lease says. The module writes the lease,
 * except for the counts, to which only the program adds. Sums are one's complement sums
 * of 16-bit words in network byte order (RFC 1071).
 */
struct ipvs_bpf_lease {
	__u64 until;     /* valid while bpf_jiffies64() is less; 0: no lease */
	__u64 forwarded; /* bytes and packets: see IPVS_BPF_PACKET_BITS */
	__u32 iif;       /* ingress interface; other packets are not forwarded */
	__u32 ifindex;   /* egress interface */
	__u16 mtu;       /* host endianness; a larger packet goes to the module */
	__u16 header;    /* added to the IPv4 header sum: addresses, TTL less 1 */
	__u16 transport; /* added to the transport's sum: addresses and ports */
	__u16 pseudo;    /* incoming pseudo-header's sum less the length in the IP header */
	__u32 macs[3];   /* the first 12 bytes of the frame: its addresses */
	__u32 generation; /* valid while equal to that of ipvs_bpf_control */
	__u8 to[6]; /* the destination of frames on arrival: XDP knows no packet type */
	__u16 xdp;  /* 1: the egress interface takes frames from XDP; 0: it may lose them */
};

/* A flow with a lease: the incoming tuple, and the addresses and ports after full NAT.
 * The tuple of an empty slot is all zero.
 */
struct ipvs_bpf_slot4 {
	struct ipvs_bpf_tuple4 from;
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	/* The low half of bpf_jiffies64() of the last packet. The program writes it. */
	__u32 last;
	struct ipvs_bpf_lease lease;
};

struct ipvs_bpf_slot6 {
	struct ipvs_bpf_tuple6 from;
	__be32 saddr[4];
	__be32 daddr[4];
	__be16 sport;
	__be16 dport;
	/* The low half of bpf_jiffies64() of the last packet. The program writes it. */
	__u32 last;
	struct ipvs_bpf_lease lease;
};

/* The values of the array maps "flows4" and "flows6". A flow is in any slot of the set
 * that its hash selects. The sequence is odd while the module writes in the set, and
 * has a new value afterwards: a reader of a slot reads the sequence before and after.
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

/* The ports of bonds in the map "control", at most. Packets that come in at others pass. */
#define IPVS_BPF_PORTS 16

/* The only value of the array map "control", which the module writes. */
struct ipvs_bpf_control {
	__u64 seed; /* of the hash; secret */
	__u32 sets; /* in each of the two maps; 0: not set yet */
	__u32 generation; /* of leases; a new one ends all existing leases */
	/* The ports of bonds where frames come in at XDP: the index of the bond, which
	 * leases have, times 2^32, and that of the port. 0: none.
	 */
	__u64 ports[IPVS_BPF_PORTS];
};

/* Index into the per-CPU array map "counters": packets, by what the eBPF programs did
 * or refused.
 */
enum ipvs_bpf_counter {
	IPVS_BPF_REWRITE_FAILED, /* dropped: the kernel refused a write */
	IPVS_BPF_XDP_PACKETS,    /* sent at XDP */
	IPVS_BPF_COUNTERS        /* number of counters */
};

/* The entries of that map. The programs of another build have a map of their own, whose
 * counters begin at 0. An ipvs-bpf that knows more counters can read the map of an older
 * build.
 */
#define IPVS_BPF_COUNTERS_ROOM 64

#endif
