// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools of local IPs, and /proc/net/ip_vs_bpf/local_ips. Writing takes one
 * change a line:
 *
 *     + POOL ADDRESS FIRST-LAST    in that pool, with those ports, from now on
 *     - ADDRESS                    no new sessions; those that live keep it
 *
 * A pool is there as soon as it has an address, of either family; what it has
 * for services of the one does not serve those of the other. Reading gives
 *
 *     POOL ADDRESS FIRST-LAST sessions N
 */
#include <linux/jhash.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "destinations.h"

/* Where the administrator allows it, who may write is not root of the host. */
#define LOCAL_IPS_MAX 65536

/* Under RCU or config. */
static struct local_ip *find(struct director *director, u8 family,
			     const union nf_inet_addr *addr)
{
	struct local_ip *ip;

	hash_for_each_possible_rcu(director->local_ips, ip, node,
				   address_hash(family, addr),
				   lockdep_is_held(&director->config))
		if (ip->family == family && nf_inet_addr_cmp(&ip->addr, addr))
			return ip;
	return NULL;
}

/* Under RCU. */
bool is_local_ip(struct director *director, u8 family,
		 const union nf_inet_addr *addr)
{
	return find(director, family, addr);
}

static u32 name_hash(const char *name)
{
	return jhash(name, strlen(name), 0);
}

struct pool *pool_find(struct director *director, const char *name)
{
	struct pool *pool;

	hash_for_each_possible(director->pool_names, pool, node, name_hash(name))
		if (!strcmp(pool->name, name))
			return pool;
	return NULL;
}

/* From any context. */
void local_ip_put(struct director *director, struct local_ip *ip)
{
	if (!refcount_dec_and_test(&ip->refs))
		return;
	destination_goes(director, ip->family, &ip->addr);
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
	hash_add(director->pool_names, &pool->node, name_hash(name));
	return pool;
}

static bool is_pool_name(const char *name)
{
	size_t length = strlen(name);

	return length && length < POOL_NAME_SIZE && strcmp(name, "-");
}

static int prepare_set(struct director *director, struct local_ip *ip, u8 family,
		       const union nf_inet_addr *addr, const char *pool_name,
		       u32 ports, unsigned int number)
{
	if (!ip) {
		if (director->local_ip_count == LOCAL_IPS_MAX)
			return refuse(director->local_ips_error, -ENOSPC, number,
				      "more than %u local IPs", LOCAL_IPS_MAX);
		ip = kzalloc(sizeof(*ip), GFP_KERNEL_ACCOUNT);
		if (!ip)
			return -ENOMEM;
		director->local_ip_count++;
		ip->family = family;
		ip->addr = *addr;
		ip->own = host_ports_unknown(director->net);
		refcount_set(&ip->refs, 1);
		destination_comes(director, family, addr);
		hash_add_rcu(director->local_ips, &ip->node, address_hash(family, addr));
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
	union nf_inet_addr addr;
	struct local_ip *ip;
	u32 ports = 0;
	u8 family;

	if ((!set && strcmp(sign, "-")) || !address || line ||
	    !address_parse(address, &family, &addr) ||
	    (set && (!range || !parse_ports(range, &ports))))
		return refuse(error, -EINVAL, number,
			      "expected \"+ POOL ADDRESS FIRST-LAST\" or \"- ADDRESS\"");
	if (set && !is_pool_name(pool))
		return refuse(error, -EINVAL, number,
			      "a pool's name has 1 to %u characters", POOL_NAME_SIZE - 1);
	ip = find(director, family, &addr);
	if (ip && ip->pending != LIP_UNTOUCHED)
		return refuse(error, -EINVAL, number, "%s is named twice", address);
	if (set)
		return prepare_set(director, ip, family, &addr, pool, ports,
				   number);
	if (!ip)
		return refuse(error, -ENOENT, number, "%s is no local IP", address);
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

static struct pool_half *half(struct pool *pool, const struct local_ip *ip)
{
	return pool ? &pool->half[family_index(ip->family)] : NULL;
}

/* Allocates what a changed half of a pool will consist of. */
static int build_half(struct director *director, struct pool *pool, int family)
{
	struct pool_half *half = &pool->half[family];

	if (!half->touched)
		return 0;
	if (!half->next_count && half->users)
		return refuse(director->local_ips_error, -EBUSY, 0,
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

/* A pool that has never been there or has lost its last address. A service
 * that is not listed any more may still point at it under RCU.
 */
static void pool_delete(struct pool *pool)
{
	list_del(&pool->list);
	hash_del(&pool->node);
	kfree_rcu(pool, rcu);
}

/* Of one family; network byte order is the order of the bytes. */
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
	/* The same addresses in the same order on every director, so that a
	 * backup makes the same choice.
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

static bool is_empty(const struct pool *pool)
{
	return !rcu_access_pointer(pool->half[IPV4].ips) &&
	       !rcu_access_pointer(pool->half[IPV6].ips);
}

/* Whether the transaction took effect or not: forgets it, and frees what is in
 * no pool.
 */
static void finish(struct director *director, bool committed)
{
	struct pool *pool, *next_pool;
	struct hlist_node *next;
	struct local_ip *ip;
	int bucket, family;

	/* No packet takes a removed address any more. */
	synchronize_rcu();
	hash_for_each_safe(director->local_ips, bucket, next, ip, node) {
		cond_resched();
		if (!ip->listed || (committed && ip->pending == LIP_REMOVE)) {
			hash_del_rcu(&ip->node);
			director->local_ip_count--;
			local_ip_put(director, ip);
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
		if (is_empty(pool))
			pool_delete(pool);
		cond_resched();
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
		cond_resched();
	}
	if (!err)
		err = build(director);
	if (!err)
		commit(director);
	finish(director, !err);
	return err;
}

/* The first half of handing over what a pool has for services of one family: the
 * pool of that name, which has nothing for them yet, has it as well.
 */
struct pool *pool_share(struct director *director, struct pool *from,
			const char *name, int family)
{
	struct lip_array *ips = rcu_dereference_protected(
		from->half[family].ips, lockdep_is_held(&director->config));
	struct pool *to = pool_find(director, name);

	if (!is_pool_name(name))
		return ERR_PTR(-EINVAL);
	if (!ips)
		return ERR_PTR(-ENOENT);
	if (to && rcu_access_pointer(to->half[family].ips))
		return ERR_PTR(-EEXIST);
	to = pool_get(director, name);
	if (!to)
		return ERR_PTR(-ENOMEM);
	rcu_assign_pointer(to->half[family].ips, ips);
	return to;
}

/* The second half: the old pool has it no more. A grace period ago the last packet
 * could find a service that draws from there.
 */
void pool_cede(struct director *director, struct pool *from, struct pool *to,
	       int family)
{
	struct local_ip *ip;
	int bucket;

	RCU_INIT_POINTER(from->half[family].ips, NULL);
	hash_for_each(director->local_ips, bucket, ip, node) {
		if (ip->pool == from && family_index(ip->family) == family)
			ip->pool = to;
		cond_resched();
	}
	if (is_empty(from))
		pool_delete(from);
}

void local_ips_show(struct director *director, struct seq_file *seq)
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
		kvfree(rcu_dereference_protected(pool->half[IPV4].ips, true));
		kvfree(rcu_dereference_protected(pool->half[IPV6].ips, true));
		kfree(pool);
	}
}
