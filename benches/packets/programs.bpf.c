// SPDX-License-Identifier: GPL-2.0-only
/* Programs of the bench itself. */
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

/* The number of the interface that redirected frames leave by. */
volatile const __u32 way_out;

/* The floor: from one interface of the director to the other. */
SEC("classifier")
int redirect(struct __sk_buff *skb)
{
	return bpf_redirect(way_out, 0);
}

SEC("xdp")
int xdp_redirect(struct xdp_md *xdp)
{
	return bpf_redirect(way_out, 0);
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} arrived SEC(".maps");

/* Where frames come out. Multicast does not count: the director tells of its
 * groups now and then.
 */
SEC("classifier")
int count_and_drop(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&arrived, &key);

	if (count && skb->pkt_type != PACKET_MULTICAST)
		__sync_fetch_and_add(count, 1);
	return TC_ACT_SHOT;
}

/* One processor runs it, so it needs no atomic addition. */
SEC("xdp")
int xdp_drop(struct xdp_md *xdp)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&arrived, &key);

	if (count)
		(*count)++;
	return XDP_DROP;
}

/* Frames from a packet socket come unverified; this does what a device does
 * that has verified the checksum (CHECKSUM_UNNECESSARY).
 */
SEC("classifier")
int verified(struct __sk_buff *skb)
{
	bpf_csum_level(skb, BPF_CSUM_LEVEL_INC);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
