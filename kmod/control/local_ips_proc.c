// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/ip_vs_bpf/local_ips. A write has one change per line:
 *
 *     + POOL ADDRESS FIRST-LAST    in that pool, with those ports, from now on
 *     - ADDRESS                    no new sessions; existing ones keep it
 *
 * A read returns
 *
 *     POOL ADDRESS FIRST-LAST sessions N
 */
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "control/proc.h"
#include "control/text.h"
#include "table/destinations.h"

/* A limit: the administrator may allow a writer that is not root of the host. */
#define LOCAL_IPS_MAX 65536

static int prepare_set(struct director *director, struct local_ip *ip, u8 family,
		       const union nf_inet_addr *addr, const char *pool_name,
		       u32 ports, unsigned int number)
{
	if (!ip) {
		if (director->local_ip_count == LOCAL_IPS_MAX)
			return ivb_refuse(director->local_ips_error, -ENOSPC, number,
					  "more than %u local IPs", LOCAL_IPS_MAX);
		ip = kzalloc(sizeof(*ip), GFP_KERNEL_ACCOUNT);
		if (!ip)
			return -ENOMEM;
		director->local_ip_count++;
		ip->family = family;
		ip->addr = *addr;
		refcount_set(&ip->refs, 1);
		destination_comes(director, family, addr);
		hash_add_rcu(director->local_ips, &ip->node, address_hash(family, addr));
	}
	ip->next_pool = ivb_pool_get(director, pool_name);
	if (!ip->next_pool)
		return -ENOMEM;
	ip->next_ports = ports;
	ip->pending = LIP_SET;
	return 0;
}

static bool parse_ports(char *text, u32 *ports)
{
	char *first = strsep(&text, "-");
	u16 low, high;

	if (!text || kstrtou16(first, 10, &low) || kstrtou16(text, 10, &high) ||
	    !low || low > high)
		return false;
	*ports = (u32)low << 16 | high;
	return true;
}

/* Checks one line and notes it in the local IP. Nothing takes effect yet. */
static int prepare(struct director *director, char *line, unsigned int number)
{
	char *error = director->local_ips_error;
	char *sign = strsep(&line, " ");
	bool set = !strcmp(sign, "+");
	char *pool = set ? strsep(&line, " ") : NULL;
	char *address = strsep(&line, " ");
	char *range = set ? strsep(&line, " ") : NULL;
	union nf_inet_addr addr;
	struct local_ip *ip;
	u32 ports = 0;
	u8 family;

	if ((!set && strcmp(sign, "-")) || !address || line ||
	    !ivb_address_parse(address, &family, &addr) ||
	    (set && (!range || !parse_ports(range, &ports))))
		return ivb_refuse(error, -EINVAL, number,
				  "expected \"+ POOL ADDRESS FIRST-LAST\" or \"- ADDRESS\"");
	if (set && !ivb_is_pool_name(pool))
		return ivb_refuse(error, -EINVAL, number,
				  "a pool's name has 1 to %u letters, digits, \"-\" and \"_\"",
				  POOL_NAME_SIZE - 1);
	ip = ivb_local_ip_find(director, family, &addr);
	if (ip && ip->pending != LIP_UNTOUCHED)
		return ivb_refuse(error, -EINVAL, number, "%s is named twice", address);
	if (set)
		return prepare_set(director, ip, family, &addr, pool, ports,
				   number);
	if (!ip)
		return ivb_refuse(error, -ENOENT, number, "%s is not a local IP", address);
	ip->pending = LIP_REMOVE;
	return 0;
}

/* The pool of the address after the transaction has taken effect. */
static struct pool *pool_after(const struct local_ip *ip)
{
	switch (ip->pending) {
	case LIP_SET:
		return ip->next_pool;
	case LIP_REMOVE:
		return NULL;
	default:
		return ip->pool;
	}
}

static struct pool_half *half(struct pool *pool, const struct local_ip *ip)
{
	return pool ? &pool->half[family_index(ip->family)] : NULL;
}

/* Allocates the new contents of a changed half of a pool. */
static int build_half(struct director *director, struct pool *pool, int family)
{
	struct pool_half *half = &pool->half[family];

	if (!half->touched)
		return 0;
	if (!half->next_count && half->users)
		return ivb_refuse(director->local_ips_error, -EBUSY, 0,
				  "pool \"%s\" would have no %s address, and %u services or rules use it",
				  pool->name, family == IPV6 ? "IPv6" : "IPv4",
				  half->users);
	if (!half->next_count)
		return 0;
	half->next_ips = kvmalloc(struct_size(half->next_ips, ip, half->next_count),
				  GFP_KERNEL_ACCOUNT);
	if (!half->next_ips)
		return -ENOMEM;
	half->next_ips->count = 0;
	return 0;
}

static int build(struct director *director)
{
	struct pool_half *after;
	struct local_ip *ip;
	struct pool *pool;
	int bucket, family, err;

	hash_for_each(director->local_ips, bucket, ip, node) {
		if (ip->pending != LIP_UNTOUCHED && ip->pool)
			half(ip->pool, ip)->touched = true;
		after = half(pool_after(ip), ip);
		if (after) {
			after->next_count++;
			if (ip->pending != LIP_UNTOUCHED)
				after->touched = true;
		}
		cond_resched();
	}
	list_for_each_entry(pool, &director->pools, list)
		for (family = 0; family < FAMILIES; family++) {
			err = build_half(director, pool, family);
			if (err)
				return err;
			cond_resched();
		}
	hash_for_each(director->local_ips, bucket, ip, node) {
		after = half(pool_after(ip), ip);
		if (after && after->next_ips)
			after->next_ips->ip[after->next_ips->count++] = ip;
		cond_resched();
	}
	return 0;
}

/* Compares addresses of one family. Network byte order is the order of the bytes. */
static int by_address(const void *a, const void *b)
{
	const struct local_ip *const *left = a, *const *right = b;

	return memcmp(&(*left)->addr, &(*right)->addr, sizeof((*left)->addr));
}

static void commit_half(struct director *director, struct pool_half *half)
{
	struct lip_array *old;

	if (!half->touched)
		return;
	/* Every director has the same addresses in the same order, so that a backup
	 * makes the same choice.
	 */
	if (half->next_ips)
		sort(half->next_ips->ip, half->next_ips->count,
		     sizeof(half->next_ips->ip[0]), by_address, NULL);
	old = rcu_replace_pointer(half->ips, half->next_ips,
				  lockdep_is_held(&director->config));
	half->next_ips = NULL;
	if (old)
		kvfree_rcu(old, rcu);
}

static void commit(struct director *director)
{
	struct local_ip *ip;
	struct pool *pool;
	int bucket, family;

	hash_for_each(director->local_ips, bucket, ip, node) {
		ip->pool = pool_after(ip);
		if (ip->pending == LIP_SET) {
			WRITE_ONCE(ip->ports, ip->next_ports);
			ip->listed = true;
		}
		cond_resched();
	}
	list_for_each_entry(pool, &director->pools, list)
		for (family = 0; family < FAMILIES; family++) {
			commit_half(director, &pool->half[family]);
			cond_resched();
		}
}

/* Forgets the transaction, whether or not it took effect. Frees what is in no pool. */
static void finish(struct director *director, bool committed)
{
	struct pool *pool, *next_pool;
	struct hlist_node *next;
	struct local_ip *ip;
	int bucket, family;

	/* After this, no packet takes a removed address. */
	synchronize_rcu();
	hash_for_each_safe(director->local_ips, bucket, next, ip, node) {
		cond_resched();
		if (!ip->listed || (committed && ip->pending == LIP_REMOVE)) {
			hash_del_rcu(&ip->node);
			director->local_ip_count--;
			ivb_local_ip_put(director, ip);
			continue;
		}
		ip->pending = LIP_UNTOUCHED;
	}
	list_for_each_entry_safe(pool, next_pool, &director->pools, list) {
		for (family = 0; family < FAMILIES; family++) {
			struct pool_half *half = &pool->half[family];

			kvfree(half->next_ips);
			half->next_ips = NULL;
			half->next_count = 0;
			half->touched = false;
		}
		if (ivb_pool_is_empty(pool))
			ivb_pool_delete(pool);
		cond_resched();
	}
}

int ivb_local_ips_write(struct director *director, char *text)
{
	unsigned int number = 0;
	int err = 0;
	char *line;

	while (!err && (line = strsep(&text, "\n"))) {
		number++;
		if (*line)
			err = prepare(director, line, number);
		cond_resched();
	}
	if (!err)
		err = build(director);
	if (!err)
		commit(director);
	finish(director, !err);
	return err;
}

void ivb_local_ips_show(struct director *director, struct seq_file *seq)
{
	struct local_ip *ip;
	int bucket;

	hash_for_each(director->local_ips, bucket, ip, node) {
		seq_printf(seq, "%s ", ip->pool->name);
		if (ip->family == AF_INET6)
			seq_printf(seq, "%pI6c", &ip->addr.in6);
		else
			seq_printf(seq, "%pI4", &ip->addr.ip);
		seq_printf(seq, " %u-%u sessions %d\n", ip->ports >> 16,
			   ip->ports & 0xffff, atomic_read(&ip->sessions));
		cond_resched();
	}
}
