/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The director: the module's state of one network namespace.
 *
 * Locking. Configuration changes under director->config, from process context. Packets
 * read under RCU alone. A session pins what it points at (service, local IP, director)
 * by a count. Each of these is freed a grace period after it was last listed and its
 * count fell to zero.
 */
#ifndef IP_VS_BPF_TABLE_DIRECTOR
#define IP_VS_BPF_TABLE_DIRECTOR

#include <linux/hashtable.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/rhashtable.h>
#include <linux/siphash.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "compat.h"
#include "table/counter.h"
#include "table/rules.h"

#define UNANSWERED_PROTOCOLS 3

#define SET_LOCKS 256
#define SESSION_LOCK_BITS 8
#define ADOPTION_LOCKS 64
#define DESTINATION_BITS 12
#define ROUTE_DEVICES 1024
#define ERROR_SIZE 192

struct director {
	struct net *net;
	refcount_t refs; /* the namespace, and each bound connection */
	struct mutex config;
	struct rcu_work free;
	struct maps __rcu *maps; /* NULL: no fast path */
	bool hooked;             /* under config: services.c */
	bool holds_module;       /* under config: proc.c */
	DECLARE_HASHTABLE(services, 10);
	u32 services_seed;          /* the secret key of their hash */
	spinlock_t services_lock;   /* see services.c */
	unsigned int service_count; /* in that table; under services_lock */
	unsigned int marks; /* wide services of a mark; written under services_lock */
	unsigned int every_ports; /* wide services of every port; as marks */
	struct rules __rcu *rules;  /* NULL: no rules */
	unsigned int rule_services; /* services by rule; under services_lock */
	bool rule_services_full;    /* under services_lock */
	struct list_head arrivals;  /* services by rule; under services_lock */
	struct work_struct arrive;  /* registers their ports' applications */
	struct delayed_work sweep;  /* ends idle services by rule */
	spinlock_t adoption_locks[ADOPTION_LOCKS]; /* by flow: adopt.c */
	struct rhashtable sessions; /* sessions.c */
	atomic_t session_count;
	DECLARE_BITMAP(route_devices, ROUTE_DEVICES); /* see session/routes.c */
	struct list_head port_apps;
	struct list_head dying_port_apps; /* until ivb_port_apps_purge() */
	DECLARE_HASHTABLE(local_ips, 8);
	unsigned int local_ip_count; /* in that table */
	atomic_t destinations[1 << DESTINATION_BITS]; /* destinations.h */
	struct list_head pools;
	DECLARE_HASHTABLE(pool_names, 10);
	struct work_struct reap; /* frees services whose last session ended */
	spinlock_t set_locks[SET_LOCKS]; /* of the maps' sets: flow_table.c */
	spinlock_t session_locks[1 << SESSION_LOCK_BITS]; /* see session_lock() */
	u32 unanswered_limit[UNANSWERED_PROTOCOLS]; /* of TCP, UDP, SCTP; in seconds; READ_ONCE */
	siphash_key_t port_key;  /* local_ports.c; written under config, READ_ONCE */
	bool port_key_is_random; /* under config */
	bool fast_path;    /* requested; under config */
	bool gives_leases; /* READ_ONCE */
	spinlock_t ports_lock; /* see session/bond_ports.c */
	bool xdp;          /* leases are for XDP, too; written under config, READ_ONCE */
	u32 generation;    /* of the leases that are valid; written under leased_lock */
	bool neighbour_changed; /* READ_ONCE */
	u32 route_numbers[FAMILIES]; /* only for fold.c, as the next two */
	u32 xdp_devices;   /* those that take frames: xdp.c */
	bool folds;        /* the next pass adds up counts */
	bool ending;       /* under leased_lock: no more passes */
	spinlock_t leased_lock;
	struct list_head leased; /* sessions that have leases: fold.c */
	struct delayed_work fold;
	struct stats __percpu *stats;
	struct proc_dir_entry *proc;
	/* Why the last write failed; under config. */
	char services_error[ERROR_SIZE];
	char local_ips_error[ERROR_SIZE];
	char map_error[ERROR_SIZE];
	char fast_path_error[ERROR_SIZE];
	char xdp_error[ERROR_SIZE];
	char port_secret_error[ERROR_SIZE];
	char unanswered_error[ERROR_SIZE];
	char rules_error[ERROR_SIZE];
};

/* The module's data of a network namespace (net_generic()). */
struct director_slot {
	struct director __rcu *director;
};

extern unsigned int ip_vs_bpf_net_id;

struct director *ivb_director_new(struct net *net);
void ivb_director_put(struct director *director);
int ivb_director_module_init(void);
void ivb_director_module_exit(void);

/* Called under RCU. Returns NULL while the namespace ends. This is net_generic() without
 * its own rcu_read_lock().
 */
static inline struct director *ivb_director_of(struct net *net)
{
	const struct net_generic *generic = rcu_dereference(net->gen);
	const struct director_slot *slot = generic->ptr[ip_vs_bpf_net_id];

	return rcu_dereference(slot->director);
}

#endif
