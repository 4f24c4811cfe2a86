// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adds the option to the segments of the sockets of a cgroup, from the end of the
 * handshake on. It names one client for each family.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2
#define LENGTH4 8
#define LENGTH6 20

SEC("sockops")
int director(struct bpf_sock_ops *ctx)
{
	int length = ctx->family == AF_INET ? LENGTH4 : LENGTH6;
	__u32 option[5];

	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		bpf_reserve_hdr_opt(ctx, length, 0);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		if (length == LENGTH4) {
			/* 198.51.100.7:40001 */
			option[0] = bpf_htonl(254U << 24 | LENGTH4 << 16 | 40001);
			option[1] = bpf_htonl(0xc6336407);
			bpf_store_hdr_opt(ctx, option, LENGTH4, 0);
		} else {
			/* [2001:db8::7]:40002 */
			option[0] = bpf_htonl(254U << 24 | LENGTH6 << 16 | 40002);
			option[1] = bpf_htonl(0x20010db8);
			option[2] = 0;
			option[3] = 0;
			option[4] = bpf_htonl(7);
			bpf_store_hdr_opt(ctx, option, LENGTH6, 0);
		}
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
