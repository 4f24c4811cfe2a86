// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local IPs by their address, and pools by their name. A pool exists as soon as it has
 * an address of either family. Its addresses of one family do not serve services of the
 * other.
 */
#include <linux/ctype.h>
#include <linux/jhash.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "table/destinations.h"
#include "table/local_ips.h"

/* Under RCU or config. */
struct local_ip *ivb_local_ip_find(struct director *director, u8 family,
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

/* From any context. */
void ivb_local_ip_put(struct director *director, struct local_ip *ip)
{
	if (!refcount_dec_and_test(&ip->refs))
		return;
	destination_goes(director, ip->family, &ip->addr);
	kfree_rcu(ip, rcu);
}

static u32 name_hash(const char *name)
{
	return jhash(name, strlen(name), 0);
}

struct pool *ivb_pool_find(struct director *director, const char *name)
{
	struct pool *pool;

	hash_for_each_possible(director->pool_names, pool, node, name_hash(name))
		if (!strcmp(pool->name, name))
			return pool;
	return NULL;
}

/* The names that the file of the CLI allows. */
bool ivb_is_pool_name(const char *name)
{
	size_t length = strlen(name), i;

	for (i = 0; i < length; i++)
		if (!isascii(name[i]) ||
		    (!isalnum(name[i]) && name[i] != '-' && name[i] != '_'))
			return false;
	return length && length < POOL_NAME_SIZE && strcmp(name, "-");
}

struct pool *ivb_pool_get(struct director *director, const char *name)
{
	struct pool *pool = ivb_pool_find(director, name);

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

bool ivb_pool_is_empty(const struct pool *pool)
{
	return !rcu_access_pointer(pool->half[IPV4].ips) &&
	       !rcu_access_pointer(pool->half[IPV6].ips);
}

/* Deletes a pool that was never in use or has lost its last address. An unlisted
 * service may still point at it under RCU.
 */
void ivb_pool_delete(struct pool *pool)
{
	list_del(&pool->list);
	hash_del(&pool->node);
	kfree_rcu(pool, rcu);
}

/* The first half of handing over a pool's addresses of one family. The pool of that
 * name, which has none of that family yet, gets them as well.
 */
struct pool *ivb_pool_share(struct director *director, struct pool *from,
			    const char *name, int family)
{
	struct lip_array *ips = rcu_dereference_protected(
		from->half[family].ips, lockdep_is_held(&director->config));
	struct pool *to = ivb_pool_find(director, name);

	if (!ivb_is_pool_name(name))
		return ERR_PTR(-EINVAL);
	if (!ips)
		return ERR_PTR(-ENOENT);
	if (to && rcu_access_pointer(to->half[family].ips))
		return ERR_PTR(-EEXIST);
	to = ivb_pool_get(director, name);
	if (!to)
		return ERR_PTR(-ENOMEM);
	rcu_assign_pointer(to->half[family].ips, ips);
	return to;
}

/* The second half: the old pool loses them. A grace period has passed since a packet
 * could last find a service that draws from it.
 */
void ivb_pool_hand_over(struct director *director, struct pool *from, struct pool *to,
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
	if (ivb_pool_is_empty(from))
		ivb_pool_delete(from);
}

/* Called after the last reference to the director was dropped. */
void ivb_local_ips_free(struct director *director)
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
