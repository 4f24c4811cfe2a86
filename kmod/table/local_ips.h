/* SPDX-License-Identifier: GPL-2.0-only */
/* Local IPs, the sources of full-NAT traffic, in named pools (local_ips.c). */
#ifndef IP_VS_BPF_TABLE_LOCAL_IPS
#define IP_VS_BPF_TABLE_LOCAL_IPS

#include <linux/list.h>
#include <linux/refcount.h>

#include "table/flow.h"

struct director;

/* One more than the longest name of a pool. */
#define POOL_NAME_SIZE 16

/* An address that full-NAT traffic may take as its source. */
struct local_ip {
	struct hlist_node node; /* director->local_ips, changed under config */
	struct pool *pool;      /* under config */
	union nf_inet_addr addr;
	u8 family;
	u32 ports;         /* first << 16 | last, host endianness; READ_ONCE */
	u32 own;           /* is it the host's: host_ports.c; READ_ONCE */
	atomic_t sessions; /* number of sessions that use it */
	refcount_t refs;   /* one for being listed, one for each session */
	struct rcu_head rcu;
	/* For the current transaction, under config: */
	struct pool *next_pool;
	u32 next_ports;
	enum { LIP_UNTOUCHED, LIP_SET, LIP_REMOVE } pending;
	bool listed;
};

struct lip_array {
	struct rcu_head rcu;
	unsigned int count;
	struct local_ip *ip[];
};

/* The addresses of a pool for services of one family. */
struct pool_half {
	struct lip_array __rcu *ips; /* NULL: none */
	unsigned int users;          /* listed services, under config */
	/* For the current transaction, under config: */
	struct lip_array *next_ips;
	unsigned int next_count;
	bool touched;
};

/* A named pool of local IPs. */
struct pool {
	struct list_head list;  /* director->pools, under config */
	struct hlist_node node; /* director->pool_names, under config */
	char name[POOL_NAME_SIZE];
	struct pool_half half[FAMILIES];
	struct rcu_head rcu;
};

struct local_ip *ivb_local_ip_find(struct director *director, u8 family,
				   const union nf_inet_addr *addr);
void ivb_local_ip_put(struct director *director, struct local_ip *ip);
bool ivb_is_pool_name(const char *name);
struct pool *ivb_pool_find(struct director *director, const char *name);
struct pool *ivb_pool_get(struct director *director, const char *name);
bool ivb_pool_is_empty(const struct pool *pool);
void ivb_pool_delete(struct pool *pool);
struct pool *ivb_pool_share(struct director *director, struct pool *from,
			    const char *name, int family);
void ivb_pool_hand_over(struct director *director, struct pool *from, struct pool *to,
			int family);
void ivb_local_ips_free(struct director *director);

#endif
