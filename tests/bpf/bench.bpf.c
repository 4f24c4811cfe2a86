// SPDX-License-Identifier: GPL-2.0-only
/*
 * What stands around the programs under test: it plays the module's part of
 * leaving the service's id in skb->tc_index, and looks at what they leave.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} under_test SEC(".maps");

/* Index 0: what leave_service leaves. 1: the tc_index that read_service saw
 * last. 2: the packets that read_service saw.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u32);
} service SEC(".maps");

/* For BPF_PROG_TEST_RUN, whose context can set the mark but not tc_index. */
SEC("classifier")
int with_service(struct __sk_buff *skb)
{
	skb->tc_index = skb->mark;
	skb->mark = 0;
	bpf_tail_call(skb, &under_test, 0);
	return 99; /* no return code of the programs under test */
}

/* TCP or UDP without more headers: the addresses of neighbours and routers are
 * found by other packets.
 */
static __always_inline int is_traffic(struct __sk_buff *skb)
{
	__u8 protocol = 0;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		return 1;
	if (skb->protocol != bpf_htons(ETH_P_IPV6) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + 6, &protocol, sizeof(protocol)))
		return 0;
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

/* At an interface, before the egress program. */
SEC("classifier")
int leave_service(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u32 *id = bpf_map_lookup_elem(&service, &key);

	if (id && is_traffic(skb))
		skb->tc_index = *id;
	return TC_ACT_UNSPEC;
}

/* At an interface, after the program under test. */
SEC("classifier")
int read_service(struct __sk_buff *skb)
{
	__u32 key = 1;
	__u32 *seen = bpf_map_lookup_elem(&service, &key);

	if (!seen || !is_traffic(skb))
		return TC_ACT_UNSPEC;
	*seen = skb->tc_index;
	key = 2;
	seen = bpf_map_lookup_elem(&service, &key);
	if (seen)
		__sync_fetch_and_add(seen, 1);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
