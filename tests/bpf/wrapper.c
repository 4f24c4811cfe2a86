// SPDX-License-Identifier: GPL-2.0-only
/*
 * BPF_PROG_TEST_RUN takes no tc_index in its context, but a mark: this program
 * makes one of the other and goes on with the program under test.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} under_test SEC(".maps");

SEC("classifier")
int wrapper(struct __sk_buff *skb)
{
	skb->tc_index = skb->mark;
	bpf_tail_call(skb, &under_test, 0);
	return 99; /* never: the tail call failed */
}

char _license[] SEC("license") = "GPL";
