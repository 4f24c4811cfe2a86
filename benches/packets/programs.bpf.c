// SPDX-License-Identifier: GPL-2.0-only
/* Programs of the bench itself. The interfaces' numbers are those of
 * network.rs.
 */
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

/* The floor: from one interface of the director to the other. */
SEC("classifier")
int redirect_to_server(struct __sk_buff *skb)
{
	return bpf_redirect(12, 0);
}

SEC("classifier")
int redirect_to_client(struct __sk_buff *skb)
{
	return bpf_redirect(11, 0);
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
