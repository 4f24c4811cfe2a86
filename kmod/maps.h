/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps of a director, and the entries of its sessions in them.
 */
#ifndef IP_VS_BPF_MAPS_H
#define IP_VS_BPF_MAPS_H

#include <linux/bpf.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>

#include "ip_vs_bpf_abi.h"

struct director;
struct service;

/* The eBPF maps that userspace handed over. */
struct maps {
	struct bpf_map *sessions4;
	struct bpf_map *sessions6;
	struct bpf_map *services;
	struct maps __rcu *next; /* about to take over: succession.c; or NULL */
};

static inline struct bpf_map *sessions_of(const struct maps *maps, u8 family)
{
	return family == AF_INET6 ? maps->sessions6 : maps->sessions4;
}

/* Key and value of a session's entry in sessions4 or sessions6. */
union tuple {
	struct ipvs_bpf_tuple4 v4;
	struct ipvs_bpf_tuple6 v6;
};

union entry {
	struct ipvs_bpf_session4 v4;
	struct ipvs_bpf_session6 v6;
};

/* Other maps about to take over: succession.c. */
struct succession {
	spinlock_t lock; /* for each change of an entry, and what follows */
	bool copied;     /* the next maps have every entry */
	int err;         /* why they never will */
};

/* maps.c */
int map_write(struct director *director, char *text);
void map_show(struct director *director, struct seq_file *seq);
void maps_release(struct director *director);
void maps_free(struct maps *maps);
int maps_set_service(struct director *director, u16 id,
		     const struct service *service);

/* succession.c */
int succession_begin(struct director *director, struct maps *maps,
		     struct maps *next);
int succession_commit(struct director *director, struct maps *maps);
void succession_abandon(struct director *director, struct maps *maps);

/* entries.c */
int entry_insert(struct director *director, struct maps *maps, u8 family,
		 const union tuple *tuple, const union entry *entry);
int entry_write(struct director *director, struct maps *maps, u8 family,
		const union tuple *tuple, const union entry *entry);
void entry_delete(struct director *director, struct maps *maps, u8 family,
		  const union tuple *tuple);
union entry *entry_lookup(const struct maps *maps, u8 family,
			  const union tuple *tuple);

#endif
