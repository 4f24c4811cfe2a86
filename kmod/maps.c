// SPDX-License-Identifier: GPL-2.0-only
/*
 * The eBPF maps that userspace hands over by writing to
 * /proc/net/ip_vs_bpf/map:
 *
 *     sessions4 FD sessions6 FD services FD
 *
 * with file descriptors of the writing process, or "none" to give them back.
 * Other session maps, written while some are registered, take over in two steps,
 * and the second is "commit" or "abandon" (succession.c).
 * What is registered can be read, a line each: name, id, type, key size, value
 * size, entries; and after it those that wait to take over, as "next_sessions4"
 * and "next_sessions6". Full NAT services can be added only while maps are
 * registered, and sessions live only in registered maps, so neither path has
 * to ask.
 */
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "ip_vs_bpf.h"

/* What a map must look like. */
struct shape {
	const char *name;
	enum bpf_map_type type;
	u32 key_size;
	u32 value_size;
	u32 flags;
	u32 min_entries;
};

/* Sessions are not preallocated: memory follows the number of sessions. */
static const struct shape sessions4_shape = {
	.name = "sessions4",
	.type = BPF_MAP_TYPE_HASH,
	.key_size = sizeof(struct ipvs_bpf_tuple4),
	.value_size = sizeof(struct ipvs_bpf_session4),
	.flags = BPF_F_NO_PREALLOC,
	.min_entries = 2,
};

static const struct shape sessions6_shape = {
	.name = "sessions6",
	.type = BPF_MAP_TYPE_HASH,
	.key_size = sizeof(struct ipvs_bpf_tuple6),
	.value_size = sizeof(struct ipvs_bpf_session6),
	.flags = BPF_F_NO_PREALLOC,
	.min_entries = 2,
};

static const struct shape services_shape = {
	.name = "services",
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = sizeof(u32),
	.value_size = sizeof(struct ipvs_bpf_service),
	.flags = 0,
	.min_entries = IPVS_BPF_SERVICES,
};

static struct maps *maps_of(struct director *director)
{
	return rcu_dereference_protected(director->maps,
					 lockdep_is_held(&director->config));
}

static struct maps *next_of(struct director *director, struct maps *maps)
{
	return rcu_dereference_protected(maps->next,
					 lockdep_is_held(&director->config));
}

/* Takes "FD" off the text and turns it into a map of that shape. */
static struct bpf_map *take(struct director *director, char **text,
			    const struct shape *shape)
{
	char *error = director->map_error;
	struct bpf_map *map;
	char *name, *number;
	u32 fd;

	name = strsep(text, " ");
	number = strsep(text, " ");
	if (!name || strcmp(name, shape->name) || !number ||
	    kstrtou32(number, 10, &fd))
		return ERR_PTR(refuse(error, -EINVAL, 0,
			"expected \"sessions4 FD sessions6 FD services FD\", \"none\", \"commit\" or \"abandon\""));
	map = compat_map_get(fd);
	if (IS_ERR(map)) {
		refuse(error, 0, 0,
		       "%s: %u is no descriptor of " COMPAT_MAP_DESCRIPTOR,
		       shape->name, fd);
		return map;
	}
	if (map->map_type == shape->type && map->key_size == shape->key_size &&
	    map->value_size == shape->value_size &&
	    map->map_flags == shape->flags && compat_map_is_plain(map) &&
	    !READ_ONCE(map->frozen) && map->max_entries >= shape->min_entries)
		return map;
	refuse(error, 0, 0,
	       "%s: the map has type %u, key %u, value %u bytes, flags %#x, %u entries; this module needs type %u, key %u, value %u, flags %#x, at least %u, not frozen and without kernel fields",
	       shape->name, map->map_type, map->key_size, map->value_size,
	       map->map_flags, map->max_entries, shape->type, shape->key_size,
	       shape->value_size, shape->flags, shape->min_entries);
	bpf_map_put(map);
	return ERR_PTR(-EINVAL);
}

void maps_free(struct maps *maps)
{
	if (!maps)
		return;
	if (maps->sessions4)
		bpf_map_put(maps->sessions4);
	if (maps->sessions6)
		bpf_map_put(maps->sessions6);
	if (maps->services)
		bpf_map_put(maps->services);
	kfree(maps);
}

/* With the last reference to the director, from an RCU callback. */
void maps_release(struct director *director)
{
	struct maps *maps = rcu_dereference_protected(director->maps, true);

	if (!maps)
		return;
	maps_free(rcu_dereference_protected(maps->next, true));
	maps_free(maps);
	module_put(THIS_MODULE);
}

static int unregister(struct director *director)
{
	struct maps *maps = maps_of(director);

	if (!maps)
		return 0;
	services_reap(director);
	if (!hash_empty(director->services))
		return refuse(director->map_error, -EBUSY, 0,
			      "full-NAT services are still configured, or sessions of theirs live (%d)",
			      atomic_read(&director->sessions));
	prerouting_unregister(director->net);
	RCU_INIT_POINTER(director->maps, NULL);
	succession_abandon(director, maps);
	synchronize_rcu();
	maps_free(maps);
	module_put(THIS_MODULE);
	return 0;
}

static int install(struct director *director, struct maps *maps)
{
	int err;

	/* Registered maps keep the module: an interface's programs and the
	 * sessions stand on both.
	 */
	if (!try_module_get(THIS_MODULE))
		return -ENOENT;
	rcu_assign_pointer(director->maps, maps);
	err = prerouting_register(director->net);
	if (!err)
		return 0;
	RCU_INIT_POINTER(director->maps, NULL);
	synchronize_rcu();
	module_put(THIS_MODULE);
	return refuse(director->map_error, err, 0,
		      "the netfilter hook could not be set");
}

static bool is_same(const struct maps *one, const struct maps *other)
{
	return one && one->sessions4 == other->sessions4 &&
	       one->sessions6 == other->sessions6 &&
	       one->services == other->services;
}

/* Takes all three off the text. What was taken is put by maps_free(). */
static int take_all(struct director *director, char *rest, struct maps *maps)
{
	const struct {
		const struct shape *shape;
		struct bpf_map **map;
	} wanted[] = {
		{ &sessions4_shape, &maps->sessions4 },
		{ &sessions6_shape, &maps->sessions6 },
		{ &services_shape, &maps->services },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct bpf_map *map = take(director, &rest, wanted[i].shape);

		if (IS_ERR(map))
			return PTR_ERR(map);
		*wanted[i].map = map;
	}
	if (rest)
		return refuse(director->map_error, -EINVAL, 0,
			      "unexpected \"%.40s\" at the end", rest);
	return 0;
}

/* Other maps come while some are registered. */
static int replace(struct director *director, struct maps *old, struct maps *maps)
{
	if (rcu_access_pointer(old->next))
		return refuse(director->map_error, -EBUSY, 0,
			      "other maps wait to take over: write \"commit\" or \"abandon\" first");
	/* Services are few and their map has room for all; so it stays. */
	if (old->services != maps->services || old->sessions4 == maps->sessions4 ||
	    old->sessions6 == maps->sessions6)
		return refuse(director->map_error, -EBUSY, 0,
			      "other maps are registered, of which sessions4 and sessions6 can be replaced, both together; services stays");
	return succession_begin(director, old, maps);
}

static int end_succession(struct director *director, bool commit)
{
	struct maps *maps = maps_of(director);

	if (!maps)
		return refuse(director->map_error, -ENOENT, 0,
			      "no maps are registered");
	if (commit)
		return succession_commit(director, maps);
	succession_abandon(director, maps);
	return 0;
}

int map_write(struct director *director, char *text)
{
	struct maps *old = maps_of(director);
	char *rest = strim(text);
	struct maps *maps;
	int err;

	if (!strcmp(rest, "none"))
		return unregister(director);
	if (!strcmp(rest, "commit") || !strcmp(rest, "abandon"))
		return end_succession(director, rest[0] == 'c');

	maps = kzalloc(sizeof(*maps), GFP_KERNEL);
	if (!maps)
		return -ENOMEM;
	err = take_all(director, rest, maps);
	if (err)
		goto free;
	/* The same again changes nothing. */
	if (is_same(old, maps) || (old && is_same(next_of(director, old), maps)))
		goto free;
	err = old ? replace(director, old, maps) : install(director, maps);
	if (!err)
		return 0;
free:
	maps_free(maps);
	return err;
}

static void show(struct seq_file *seq, const char *name, struct bpf_map *map)
{
	seq_printf(seq, "%s id %u type %u key %u value %u entries %u\n", name,
		   map->id, map->map_type, map->key_size, map->value_size,
		   map->max_entries);
}

void map_show(struct director *director, struct seq_file *seq)
{
	struct maps *maps = maps_of(director);
	struct maps *next;

	if (!maps)
		return;
	show(seq, "sessions4", maps->sessions4);
	show(seq, "sessions6", maps->sessions6);
	show(seq, "services", maps->services);
	next = next_of(director, maps);
	if (!next)
		return;
	show(seq, "next_sessions4", next->sessions4);
	show(seq, "next_sessions6", next->sessions6);
}

/* Tells the programs what a service id stands for; service NULL: nothing. */
int maps_set_service(struct director *director, u16 id,
		     const struct service *service)
{
	struct maps *maps = maps_of(director);
	struct ipvs_bpf_service value = {};
	u32 key = id;
	int err;

	if (service) {
		memcpy(value.vaddr, &service->vaddr, sizeof(value.vaddr));
		value.vport = service->vport;
		value.protocol = service->protocol;
		value.family = service->family;
	}
	rcu_read_lock();
	err = maps->services->ops->map_update_elem(maps->services, &key, &value,
						   BPF_ANY);
	rcu_read_unlock();
	return err;
}
