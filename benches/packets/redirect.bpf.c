// SPDX-License-Identifier: GPL-2.0-only
/* The floor: programs that only redirect, from one interface of the director
 * to the other. Their numbers are those of network.rs.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("classifier/server")
int to_server(struct __sk_buff *skb)
{
	return bpf_redirect(12, 0);
}

SEC("classifier/client")
int to_client(struct __sk_buff *skb)
{
	return bpf_redirect(11, 0);
}

char _license[] SEC("license") = "GPL";
