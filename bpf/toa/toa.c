// SPDX-License-Identifier: GPL-2.0-only
/*
 * The client's address at the server. A director adds it to the segments of a client as
 * a TCP option. When such a connection is established, the address is kept with the
 * socket; accept(2) and getpeername(2) return it. The programs are attached to a cgroup
 * and see the sockets that its processes create.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stddef.h>

#include "maps.h"
#include "option.h"

/* linux/socket.h defines them for the kernel only. */
#define AF_INET 2
#define AF_INET6 10

/* These programs always return it. Other values refuse the call. */
#define PROCEED 1

/* Without this, the compiler would merge the loads of two branches into one load from a
 * pointer that the verifier refuses.
 */
#define WORD(ctx, field)                                                       \
	({                                                                     \
		__u32 word;                                                    \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                          \
			     : "=r"(word)                                      \
			     : "r"(ctx), "i"(offsetof(struct bpf_sock_ops, field)));\
		word;                                                          \
	})

static __always_inline int remote_address(struct bpf_sock_ops *ctx, struct address *address)
{
	if (ctx->family == AF_INET) {
		address->word[0] = 0;
		address->word[1] = 0;
		address->word[2] = bpf_htonl(0xffff);
		address->word[3] = WORD(ctx, remote_ip4);
		return 1;
	}
	if (ctx->family == AF_INET6) {
		address->word[0] = ctx->remote_ip6[0];
		address->word[1] = ctx->remote_ip6[1];
		address->word[2] = ctx->remote_ip6[2];
		address->word[3] = ctx->remote_ip6[3];
		return 1;
	}
	return 0;
}

static __always_inline int is_trusted(const struct address *from)
{
	struct toa_prefix key = {
		.length = 32 + 128,
		.family = is_mapped(from) ? 4 : 6,
		.address = { from->word[0], from->word[1], from->word[2], from->word[3] },
	};

	return bpf_map_lookup_elem(&toa_trust, &key) != NULL;
}

static __always_inline void tuple_of_segment(struct bpf_sock_ops *ctx,
					     const struct address *from,
					     struct toa_tuple *tuple)
{
	tuple->netns = bpf_get_netns_cookie(ctx);
	tuple->remote[0] = from->word[0];
	tuple->remote[1] = from->word[1];
	tuple->remote[2] = from->word[2];
	tuple->remote[3] = from->word[3];
	if (ctx->family == AF_INET) {
		tuple->local[0] = 0;
		tuple->local[1] = 0;
		tuple->local[2] = bpf_htonl(0xffff);
		tuple->local[3] = WORD(ctx, local_ip4);
	} else {
		tuple->local[0] = ctx->local_ip6[0];
		tuple->local[1] = ctx->local_ip6[1];
		tuple->local[2] = ctx->local_ip6[2];
		tuple->local[3] = ctx->local_ip6[3];
	}
	tuple->remote_port = bpf_htons((__u16)bpf_ntohl(ctx->remote_port));
	tuple->local_port = bpf_htons((__u16)ctx->local_port);
	tuple->pad = 0;
}

/* The server's socket of a Multipath TCP connection is not the socket of its first
 * segments, so it is found by the tuple. An earlier connection with the same tuple may
 * have left an entry.
 */
static __always_inline void for_mptcp(struct bpf_sock_ops *ctx, const struct address *from,
				      const struct toa_client *client)
{
	struct toa_tuple tuple;

	tuple_of_segment(ctx, from, &tuple);
	if (client)
		bpf_map_update_elem(&toa_mptcp, &tuple, client, BPF_ANY);
	else
		bpf_map_delete_elem(&toa_mptcp, &tuple);
}

/* A server may disconnect a socket and connect it to another peer (connect(2),
 * AF_UNSPEC).
 */
static __always_inline void forget(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *socket = ctx->sk;

	if (socket)
		bpf_sk_storage_delete(&toa_clients, socket);
}

static __always_inline int established(struct bpf_sock_ops *ctx, const int has_mptcp)
{
	struct toa_client client;
	struct options options;
	struct bpf_sock *socket;
	struct address from;
	int trusted, told;

	if (ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		forget(ctx);
	if (ctx->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB || !remote_address(ctx, &from))
		return PROCEED;
	trusted = is_trusted(&from);
	read_options(ctx, &options);
	if (!trusted) {
		if (options.toa)
			count(&from, TOA_REFUSED);
		if (has_mptcp && options.mp_capable)
			for_mptcp(ctx, &from, NULL);
		return PROCEED;
	}
	socket = ctx->sk;
	/* While a newer build takes over, two programs see each connection. */
	if (!socket || bpf_sk_storage_get(&toa_clients, socket, NULL, 0))
		return PROCEED;
	told = options.toa && read_client(ctx, &options, &from, &client);
	if (has_mptcp && options.mp_capable)
		for_mptcp(ctx, &from, told ? &client : NULL);
	if (!told)
		count(&from, options.toa ? TOA_MALFORMED : TOA_ABSENT);
	else if (bpf_sk_storage_get(&toa_clients, socket, &client,
				    BPF_SK_STORAGE_GET_F_CREATE))
		count(&from, TOA_TOLD);
	else
		count(&from, TOA_NO_MEMORY);
	return PROCEED;
}

/* For kernels before 5.15, where such a program cannot ask for its network namespace. */
SEC("sockops")
int toa_established(struct bpf_sock_ops *ctx)
{
	return established(ctx, 0);
}

SEC("sockops")
int toa_with_mptcp(struct bpf_sock_ops *ctx)
{
	return established(ctx, 1);
}

static __always_inline void tuple_of_socket(struct bpf_sock_addr *ctx, struct bpf_sock *socket,
					    const int family, struct toa_tuple *tuple)
{
	tuple->netns = bpf_get_netns_cookie(ctx);
	if (family == AF_INET) {
		tuple->remote[0] = 0;
		tuple->remote[1] = 0;
		tuple->remote[2] = bpf_htonl(0xffff);
		tuple->remote[3] = socket->dst_ip4;
		tuple->local[0] = 0;
		tuple->local[1] = 0;
		tuple->local[2] = bpf_htonl(0xffff);
		tuple->local[3] = socket->src_ip4;
	} else {
		tuple->remote[0] = socket->dst_ip6[0];
		tuple->remote[1] = socket->dst_ip6[1];
		tuple->remote[2] = socket->dst_ip6[2];
		tuple->remote[3] = socket->dst_ip6[3];
		tuple->local[0] = socket->src_ip6[0];
		tuple->local[1] = socket->src_ip6[1];
		tuple->local[2] = socket->src_ip6[2];
		tuple->local[3] = socket->src_ip6[3];
	}
	tuple->remote_port = socket->dst_port;
	tuple->local_port = bpf_htons((__u16)socket->src_port);
	tuple->pad = 0;
}

/* Returns NULL if the connection has no other client. When a server asks for the first
 * time, the address moves from the table to the socket. family is the socket's family,
 * and a constant: otherwise the compiler would merge the two choices into a pointer
 * that the verifier refuses.
 */
static __always_inline struct toa_client *client_of(struct bpf_sock_addr *ctx, const int family)
{
	struct toa_client *client, copy;
	struct bpf_sock *socket;
	struct toa_tuple tuple;

	socket = ctx->sk;
	if (!socket)
		return NULL;
	client = bpf_sk_storage_get(&toa_clients, socket, NULL, 0);
	if (client || ctx->protocol != IPPROTO_MPTCP)
		return client;
	tuple_of_socket(ctx, socket, family, &tuple);
	client = bpf_map_lookup_elem(&toa_mptcp, &tuple);
	if (!client)
		return NULL;
	copy = *client;
	client = bpf_sk_storage_get(&toa_clients, socket, &copy, BPF_SK_STORAGE_GET_F_CREATE);
	if (client)
		bpf_map_delete_elem(&toa_mptcp, &tuple);
	return client;
}

SEC("cgroup/getpeername4")
int toa_peername4(struct bpf_sock_addr *ctx)
{
	struct toa_client *client = client_of(ctx, AF_INET);

	if (client) {
		ctx->user_ip4 = client->address[3];
		ctx->user_port = client->port;
	}
	return PROCEED;
}

SEC("cgroup/getpeername6")
int toa_peername6(struct bpf_sock_addr *ctx)
{
	struct toa_client *client = client_of(ctx, AF_INET6);

	if (client) {
		ctx->user_ip6[0] = client->address[0];
		ctx->user_ip6[1] = client->address[1];
		ctx->user_ip6[2] = client->address[2];
		ctx->user_ip6[3] = client->address[3];
		ctx->user_port = client->port;
	}
	return PROCEED;
}

char _license[] SEC("license") = "GPL";
