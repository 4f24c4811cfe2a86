// SPDX-License-Identifier: GPL-2.0-only
/*
 * The eBPF maps of the fast path, which userspace hands over by writing to
 * /proc/net/ip_vs_bpf/map:
 *
 *     flows4 FD flows6 FD
 *
 * with file descriptors of the writing process, or "none" to give them back. Both
 * may be written at any time, while sessions live: the maps are a cache, and other
 * ones begin empty. What is registered can be read, a line each: name, id, type, key
 * size, value size, entries.
 */
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "leases.h"

/* What a map must look like. Entries are not preallocated: memory follows the
 * number of flows.
 */
struct shape {
	const char *name;
	u32 key_size;
	u32 value_size;
};

static const struct shape flows4_shape = {
	.name = "flows4",
	.key_size = sizeof(struct ipvs_bpf_tuple4),
	.value_size = sizeof(struct ipvs_bpf_flow4),
};

static const struct shape flows6_shape = {
	.name = "flows6",
	.key_size = sizeof(struct ipvs_bpf_tuple6),
	.value_size = sizeof(struct ipvs_bpf_flow6),
};

static struct maps *maps_of(struct director *director)
{
	return rcu_dereference_protected(director->maps,
					 lockdep_is_held(&director->config));
}

/* Takes "NAME FD" off the text and turns it into a map of that shape. */
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
			"expected \"flows4 FD flows6 FD\" or \"none\""));
	map = compat_map_get(fd);
	if (IS_ERR(map)) {
		refuse(error, 0, 0,
		       "%s: %u is no descriptor of " COMPAT_MAP_DESCRIPTOR,
		       shape->name, fd);
		return map;
	}
	if (map->map_type == BPF_MAP_TYPE_HASH && map->key_size == shape->key_size &&
	    map->value_size == shape->value_size &&
	    map->map_flags == BPF_F_NO_PREALLOC && compat_map_is_plain(map) &&
	    !READ_ONCE(map->frozen))
		return map;
	refuse(error, 0, 0,
	       "%s: the map has type %u, key %u, value %u bytes, flags %#x; this module needs type %u, key %u, value %u, flags %#x, not frozen and without kernel fields",
	       shape->name, map->map_type, map->key_size, map->value_size,
	       map->map_flags, BPF_MAP_TYPE_HASH, shape->key_size,
	       shape->value_size, BPF_F_NO_PREALLOC);
	bpf_map_put(map);
	return ERR_PTR(-EINVAL);
}

static void maps_free(struct maps *maps)
{
	if (!maps)
		return;
	if (maps->flows4)
		bpf_map_put(maps->flows4);
	if (maps->flows6)
		bpf_map_put(maps->flows6);
	kfree(maps);
}

/* With the last reference to the director. */
void maps_release(struct director *director)
{
	maps_free(rcu_dereference_protected(director->maps, true));
}

static bool is_same(const struct maps *one, const struct maps *other)
{
	return one && one->flows4 == other->flows4 && one->flows6 == other->flows6;
}

/* Takes both off the text. What was taken is put by maps_free(). */
static int take_both(struct director *director, char *rest, struct maps *maps)
{
	struct bpf_map *map = take(director, &rest, &flows4_shape);

	if (IS_ERR(map))
		return PTR_ERR(map);
	maps->flows4 = map;
	map = take(director, &rest, &flows6_shape);
	if (IS_ERR(map))
		return PTR_ERR(map);
	maps->flows6 = map;
	if (rest)
		return refuse(director->map_error, -EINVAL, 0,
			      "unexpected \"%.40s\" at the end", rest);
	return 0;
}

/* What was counted in the old ones is folded before they go. maps: NULL for none. */
static void exchange(struct director *director, struct maps *maps)
{
	struct maps *old = maps_of(director);

	leases_drain(director);
	rcu_assign_pointer(director->maps, maps);
	leases_allow(director);
	synchronize_rcu();
	maps_free(old);
}

int map_write(struct director *director, char *text)
{
	char *rest = strim(text);
	struct maps *maps;
	int err;

	if (!strcmp(rest, "none")) {
		exchange(director, NULL);
		return 0;
	}
	maps = kzalloc(sizeof(*maps), GFP_KERNEL_ACCOUNT);
	if (!maps)
		return -ENOMEM;
	err = take_both(director, rest, maps);
	/* The same again changes nothing. */
	if (err || is_same(maps_of(director), maps)) {
		maps_free(maps);
		return err;
	}
	exchange(director, maps);
	return 0;
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

	if (!maps)
		return;
	show(seq, "flows4", maps->flows4);
	show(seq, "flows6", maps->flows6);
}
