// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools of local IPs, and /proc/net/ip_vs_bpf/local_ips. Writing takes one
 * change a line:
 *
 *     + POOL ADDRESS FIRST-LAST    in that pool, with those ports, from now on
 *     - ADDRESS                    no new sessions; those that live keep it
 *
 * A pool is there as soon as it has an address. Reading gives
 *
 *     POOL ADDRESS FIRST-LAST sessions N
 */
#include <linux/inet.h>
#include <linux/jhash.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "ip_vs_bpf.h"

/* Who may write need not be root of the host. */
#define LOCAL_IPS_MAX 65536

static u32 hash(__be32 addr)
{
	return jhash_1word((__force u32)addr, 0);
}

static struct local_ip *find(struct director *director, __be32 addr)
{
	struct local_ip *ip;

	hash_for_each_possible(director->local_ips, ip, node, hash(addr))
		if (ip->addr == addr)
			return ip;
	return NULL;
}

struct pool *pool_find(struct director *director, const char *name)
{
	struct pool *pool;

	list_for_each_entry(pool, &director->pools, list)
		if (!strcmp(pool->name, name))
			return pool;
	return NULL;
}

/* From any context. */
void local_ip_put(struct local_ip *ip)
{
	if (refcount_dec_and_test(&ip->refs))
		kfree_rcu(ip, rcu);
}

static struct pool *pool_get(struct director *director, const char *name)
{
	struct pool *pool = pool_find(director, name);

	if (pool)
		return pool;
	pool = kzalloc(sizeof(*pool), GFP_KERNEL_ACCOUNT);
	if (!pool)
		return NULL;
	strscpy(pool->name, name, sizeof(pool->name));
	list_add_tail(&pool->list, &director->pools);
	return pool;
}

static int prepare_set(struct director *director, struct local_ip *ip,
		       __be32 addr, const char *pool_name, u32 ports,
		       unsigned int number)
{
	if (!ip) {
		if (director->local_ip_count == LOCAL_IPS_MAX)
			return refuse(director->local_ips_error, -ENOSPC, number,
				      "more than %u local IPs", LOCAL_IPS_MAX);
		ip = kzalloc(sizeof(*ip), GFP_KERNEL_ACCOUNT);
		if (!ip)
			return -ENOMEM;
		director->local_ip_count++;
		ip->addr = addr;
		refcount_set(&ip->refs, 1);
		hash_add(director->local_ips, &ip->node, hash(addr));
	}
	ip->next_pool = pool_get(director, pool_name);
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

/* One line: checked, and noted in the local IP; nothing takes effect yet. */
static int prepare(struct director *director, char *line, unsigned int number)
{
	char *error = director->local_ips_error;
	char *sign = strsep(&line, " ");
	bool set = !strcmp(sign, "+");
	char *pool = set ? strsep(&line, " ") : NULL;
	char *address = strsep(&line, " ");
	char *range = set ? strsep(&line, " ") : NULL;
	struct local_ip *ip;
	const char *end;
	u32 ports = 0;
	__be32 addr;

	if ((!set && strcmp(sign, "-")) || !address || line ||
	    !in4_pton(address, -1, (u8 *)&addr, -1, &end) || *end || !addr ||
	    ipv4_is_multicast(addr) || ipv4_is_lbcast(addr) ||
	    (set && (!range || !parse_ports(range, &ports))))
		return refuse(error, -EINVAL, number,
			      "expected \"+ POOL ADDRESS FIRST-LAST\" or \"- ADDRESS\"");
	if (set && (!*pool || strlen(pool) >= POOL_NAME_SIZE || !strcmp(pool, "-")))
		return refuse(error, -EINVAL, number,
			      "a pool's name has 1 to %u characters", POOL_NAME_SIZE - 1);
	ip = find(director, addr);
	if (ip && ip->pending != LIP_UNTOUCHED)
		return refuse(error, -EINVAL, number, "%pI4 is named twice", &addr);
	if (set)
		return prepare_set(director, ip, addr, pool, ports, number);
	if (!ip)
		return refuse(error, -ENOENT, number, "%pI4 is no local IP", &addr);
	ip->pending = LIP_REMOVE;
	return 0;
}

/* The pool that the address is in when the transaction has taken effect. */
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

/* Allocates what each changed pool will consist of. */
static int build(struct director *director)
{
	struct local_ip *ip;
	struct pool *pool;
	int bucket;

	hash_for_each(director->local_ips, bucket, ip, node) {
		if (ip->pending != LIP_UNTOUCHED && ip->pool)
			ip->pool->touched = true;
		if (pool_after(ip)) {
			pool_after(ip)->next_count++;
			if (ip->pending != LIP_UNTOUCHED)
				pool_after(ip)->touched = true;
		}
	}
	list_for_each_entry(pool, &director->pools, list) {
		if (!pool->touched)
			continue;
		if (!pool->next_count && pool->users)
			return refuse(director->local_ips_error, -EBUSY, 0,
				      "pool \"%s\" would be empty, and %u services use it",
				      pool->name, pool->users);
		if (!pool->next_count)
			continue;
		pool->next_ips = kvmalloc(struct_size(pool->next_ips, ip,
						      pool->next_count),
					  GFP_KERNEL_ACCOUNT);
		if (!pool->next_ips)
			return -ENOMEM;
		pool->next_ips->count = 0;
	}
	hash_for_each(director->local_ips, bucket, ip, node)
		if (pool_after(ip) && pool_after(ip)->next_ips) {
			struct lip_array *ips = pool_after(ip)->next_ips;

			ips->ip[ips->count++] = ip;
		}
	return 0;
}

/* A pool that has never been there or has lost its last address. A service
 * that is not listed any more may still point at it under RCU.
 */
static void pool_delete(struct pool *pool)
{
	list_del(&pool->list);
	kfree_rcu(pool, rcu);
}

static int by_address(const void *a, const void *b)
{
	const struct local_ip *const *left = a, *const *right = b;

	return ntohl((*left)->addr) < ntohl((*right)->addr) ? -1 : 1;
}

static void commit(struct director *director)
{
	struct lip_array *old;
	struct local_ip *ip;
	struct pool *pool;
	int bucket;

	hash_for_each(director->local_ips, bucket, ip, node) {
		ip->pool = pool_after(ip);
		if (ip->pending == LIP_SET) {
			WRITE_ONCE(ip->ports, ip->next_ports);
			ip->listed = true;
		}
	}
	list_for_each_entry(pool, &director->pools, list) {
		if (!pool->touched)
			continue;
		/* The same addresses in the same order on every director, so
		 * that a backup makes the same choice.
		 */
		if (pool->next_ips)
			sort(pool->next_ips->ip, pool->next_ips->count,
			     sizeof(pool->next_ips->ip[0]), by_address, NULL);
		old = rcu_replace_pointer(pool->ips, pool->next_ips,
					  lockdep_is_held(&director->config));
		pool->next_ips = NULL;
		if (old)
			kvfree_rcu(old, rcu);
	}
}

/* Whether the transaction took effect or not: forgets it, and frees what is in
 * no pool.
 */
static void finish(struct director *director, bool committed)
{
	struct pool *pool, *next_pool;
	struct hlist_node *next;
	struct local_ip *ip;
	int bucket;

	/* No packet takes a removed address any more. */
	synchronize_rcu();
	hash_for_each_safe(director->local_ips, bucket, next, ip, node) {
		if (!ip->listed || (committed && ip->pending == LIP_REMOVE)) {
			hash_del(&ip->node);
			director->local_ip_count--;
			local_ip_put(ip);
			continue;
		}
		ip->pending = LIP_UNTOUCHED;
	}
	list_for_each_entry_safe(pool, next_pool, &director->pools, list) {
		kvfree(pool->next_ips);
		pool->next_ips = NULL;
		pool->next_count = 0;
		pool->touched = false;
		if (!rcu_access_pointer(pool->ips))
			pool_delete(pool);
	}
}

int local_ips_write(struct director *director, char *text)
{
	unsigned int number = 0;
	int err = 0;
	char *line;

	while (!err && (line = strsep(&text, "\n"))) {
		number++;
		if (*line)
			err = prepare(director, line, number);
	}
	if (!err)
		err = build(director);
	if (!err)
		commit(director);
	finish(director, !err);
	return err;
}

void local_ips_show(struct director *director, struct seq_file *seq)
{
	struct local_ip *ip;
	int bucket;

	hash_for_each(director->local_ips, bucket, ip, node)
		seq_printf(seq, "%s %pI4 %u-%u sessions %d\n", ip->pool->name,
			   &ip->addr, ip->ports >> 16, ip->ports & 0xffff,
			   atomic_read(&ip->sessions));
}

/* With the last reference to the director. */
void local_ips_free(struct director *director)
{
	struct pool *pool, *next_pool;
	struct hlist_node *next;
	struct local_ip *ip;
	int bucket;

	hash_for_each_safe(director->local_ips, bucket, next, ip, node)
		kfree(ip);
	list_for_each_entry_safe(pool, next_pool, &director->pools, list) {
		kvfree(rcu_dereference_protected(pool->ips, true));
		kfree(pool);
	}
}
