/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's own types: a director (one a network namespace) has maps, full
 * NAT services, local IPs and sessions.
 *
 * Locking. Configuration changes under director->config, from process
 * context. Packets read under RCU alone. What a session points at (service,
 * local IP, director) it pins by a count, and is freed a grace period after
 * it was last listed and the count fell to zero.
 */
#ifndef IP_VS_BPF_H
#define IP_VS_BPF_H

#include <linux/bpf.h>
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/refcount.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/ip_vs.h>
#include <net/net_namespace.h>

#include "compat.h"
#include "ip_vs_bpf_abi.h"

/* One more than the longest name of a pool. */
#define POOL_NAME_SIZE 16

/* Why something was refused or dropped, and what was done: the lines of
 * /proc/net/ip_vs_bpf/stats, in this order. Names live in stats.c.
 */
enum counter {
	COUNT_SESSIONS_CREATED,
	COUNT_SESSIONS_ENDED,
	COUNT_DELETE_FAILED,
	COUNT_PORT_COLLISIONS,
	COUNT_SERVER_IS_LOCAL,
	COUNT_ONE_PACKET,
	COUNT_OTHER_SERVICE,
	COUNT_REFUSED_NO_MAP,
	COUNT_REFUSED_EMPTY_POOL,
	COUNT_REFUSED_PORTS_EXHAUSTED,
	COUNT_REFUSED_MAP_FULL,
	COUNT_REFUSED_MAP_ERROR,
	COUNT_REFUSED_NO_MEMORY,
	COUNT_DROP_REFUSED,
	COUNT_DROP_TTL,
	COUNT_DROP_TOO_BIG,
	COUNT_DROP_NO_ROUTE,
	COUNT_DROP_REWRITE,
	COUNT_REPLY_NO_CONNECTION,
	COUNT_REPLY_TTL,
	COUNT_REPLY_TOO_BIG,
	COUNT_REPLY_NO_ROUTE,
	COUNT_REPLY_REWRITE,
	COUNTERS
};

struct stats {
	u64 value[COUNTERS];
};

/* The eBPF maps that userspace handed over. */
struct maps {
	struct bpf_map *sessions4;
	struct bpf_map *services;
};

/* An address that full-NAT traffic may take as its source. */
struct local_ip {
	struct hlist_node node; /* director->local_ips, under config */
	struct pool *pool;      /* under config */
	__be32 addr;
	u32 ports;         /* first << 16 | last, host endianness; READ_ONCE */
	atomic_t sessions; /* how many use it */
	refcount_t refs;   /* being listed, and each session */
	struct rcu_head rcu;
	/* Of the transaction under way, under config: */
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

/* A named pool of local IPs. */
struct pool {
	struct list_head list; /* director->pools, under config */
	char name[POOL_NAME_SIZE];
	struct lip_array __rcu *ips; /* NULL: none */
	struct rcu_head rcu;
	/* Of the transaction under way, under config: */
	struct lip_array *next_ips;
	unsigned int next_count;
	unsigned int users; /* listed services */
	bool touched;
};

/* IPVS calls us for new connections of one protocol and port. */
struct port_app {
	struct list_head list; /* director->port_apps, under config */
	u8 protocol;
	__be16 port;
	unsigned int services; /* that need it, listed or not */
	struct ip_vs_app *app; /* IPVS's copy of what we registered */
	struct ip_vs_app *inc; /* its incarnation for the port */
	char name[24];
};

/* A full-NAT connection: what cp->app_data points at while the connection is
 * bound to our application. Freed a grace period later: a packet may have read
 * the pointer.
 */
struct session {
	struct director *director;
	struct service *service;
	struct local_ip *local_ip;
	struct ipvs_bpf_tuple4 original; /* client -> VIP */
	struct ipvs_bpf_tuple4 reply;    /* real server -> local IP */
	struct rcu_head rcu;
};

/* A full-NAT service. Removed from the configuration it stays, unlisted,
 * until the last connection bound to it has ended: packets of that connection
 * need it.
 */
struct service {
	struct hlist_node node; /* director->services */
	__be32 vaddr;
	__be16 vport;
	u8 protocol;
	bool listed; /* new connections become sessions; load with acquire */
	u16 id;      /* in director->service_ids, and in skb->tc_index */
	struct pool __rcu *pool;
	struct port_app *app;
	atomic_t sessions;
	atomic_t bound; /* connections bound to our application: sessions, and
			 * those that were refused one */
	struct session refused; /* stands for all of the latter */
	struct rcu_head rcu;
	/* Of the transaction under way, under config: */
	struct pool *next_pool;
	enum { SERVICE_UNTOUCHED, SERVICE_SET, SERVICE_REMOVE } pending;
};

#define ORIGINAL_LOCKS 256
#define ERROR_SIZE 192

struct director {
	struct net *net;
	refcount_t refs; /* the namespace, and each bound connection */
	struct rcu_head rcu;
	struct mutex config;
	struct maps __rcu *maps; /* NULL: nothing is registered, no hook is set */
	DECLARE_HASHTABLE(services, 10);
	struct xarray service_ids;
	struct list_head port_apps;
	struct list_head dying_port_apps; /* until port_apps_purge() */
	DECLARE_HASHTABLE(local_ips, 8);
	unsigned int local_ip_count; /* in that table */
	struct list_head pools;
	atomic_t sessions;
	struct work_struct reap; /* frees services whose last session ended */
	/* Serialise, by original tuple, writing and deleting its map entry. */
	spinlock_t original_locks[ORIGINAL_LOCKS];
	struct stats __percpu *stats;
	struct proc_dir_entry *proc;
	/* Why the last write failed; under config. */
	char services_error[ERROR_SIZE];
	char local_ips_error[ERROR_SIZE];
	char map_error[ERROR_SIZE];
};

/* director.c */
extern unsigned int ip_vs_bpf_net_id;
struct director *director_of(struct net *net);
void director_put(struct director *director);
int director_module_init(void);
void director_module_exit(void);

/* maps.c */
int map_write(struct director *director, char *text);
void map_show(struct director *director, struct seq_file *seq);
void maps_release(struct director *director);
int maps_set_service(struct director *director, u16 id,
		     const struct service *service);

/* services.c */
int services_write(struct director *director, char *text);
void services_show(struct director *director, struct seq_file *seq);
struct service *service_find(struct director *director, u8 protocol,
			     __be32 vaddr, __be16 vport);
void services_reap(struct director *director);
void services_exit(struct director *director);
void services_free(struct director *director);

/* port_apps.c */
struct port_app *port_app_get(struct director *director, u8 protocol,
			      __be16 port);
void port_app_put(struct director *director, struct port_app *app);
void port_apps_purge(struct director *director);
void port_apps_leave(struct director *director);

/* local_ips.c */
int local_ips_write(struct director *director, char *text);
void local_ips_show(struct director *director, struct seq_file *seq);
struct pool *pool_find(struct director *director, const char *name);
void local_ip_put(struct local_ip *ip);
void local_ips_free(struct director *director);

/* sessions.c */
int session_init_conn(struct ip_vs_app *inc, struct ip_vs_conn *cp);
int session_done_conn(struct ip_vs_app *inc, struct ip_vs_conn *cp);
int sessions_module_init(void);
void sessions_module_exit(void);

/* flush.c */
void sessions_flush(struct director *director);

/* ipvs_hook.c */
nf_hookfn *ipvs_in_hook(struct net *net);

/* prerouting.c */
int prerouting_register(struct net *net);
void prerouting_unregister(struct net *net);

/* transmit.c */
int transmit(struct sk_buff *skb, struct ip_vs_conn *cp,
	     struct ip_vs_protocol *pp, struct ip_vs_iphdr *iph);
int transmit_refusal(struct sk_buff *skb, struct ip_vs_conn *cp,
		     struct ip_vs_protocol *pp, struct ip_vs_iphdr *iph);
bool exceeds(const struct sk_buff *skb, unsigned int mtu);
int send(struct net *net, struct sk_buff *skb, struct rtable *rt,
	 u16 service_id);

/* replies.c */
unsigned int reply_in(struct director *director, struct service *service,
		      struct sk_buff *skb);

/* nat.c */
int nat_source(struct sk_buff *skb, __be32 addr, __be16 port);
int nat_destination(struct sk_buff *skb, __be32 addr, __be16 port);

/* proc.c */
int proc_create_all(struct director *director);
void proc_remove_all(struct director *director);
__printf(4, 5) int refuse(char *error, int code, unsigned int line,
			  const char *format, ...);

/* stats.c */
void stats_show(struct director *director, struct seq_file *seq);

static inline void count(struct director *director, enum counter counter)
{
	this_cpu_inc(director->stats->value[counter]);
}

#endif
