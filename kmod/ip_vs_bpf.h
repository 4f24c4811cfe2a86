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
#include <linux/rhashtable.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/ip_vs.h>
#include <net/net_namespace.h>

#include "compat.h"
#include "flow.h"
#include "ip_vs_bpf_abi.h"
#include "maps.h"
#include "packet.h"

/* One more than the longest name of a pool. */
#define POOL_NAME_SIZE 16

/* Why something was refused or dropped, and what was done: the lines of
 * /proc/net/ip_vs_bpf/stats, in this order. Names live in stats.c.
 */
enum counter {
	COUNT_SESSIONS_CREATED,
	COUNT_SESSIONS_ENDED,
	COUNT_PORT_COLLISIONS,
	COUNT_SERVER_IS_LOCAL,
	COUNT_ONE_PACKET,
	COUNT_OTHER_SERVICE,
	COUNT_REFUSED_EMPTY_POOL,
	COUNT_REFUSED_PORTS_EXHAUSTED,
	COUNT_REFUSED_NO_MEMORY,
	COUNT_DROP_REFUSED,
	COUNT_DROP_TTL,
	COUNT_DROP_TOO_BIG,
	COUNT_DROP_NO_ROUTE,
	COUNT_DROP_REWRITE,
	COUNT_REPLY_TTL,
	COUNT_REPLY_TOO_BIG,
	COUNT_REPLY_NO_ROUTE,
	COUNT_REPLY_REWRITE,
	COUNT_REFUSED_SCTP_PORTS,
	COUNT_REFUSED_LINK_LOCAL,
	COUNT_DROP_EXTENSION_HEADERS,
	COUNT_DROP_IP_OPTIONS,
	COUNT_DROP_FRAGMENT,
	COUNT_ERRORS_TO_CLIENT,
	COUNT_ERRORS_TO_SERVER,
	COUNT_ERROR_NO_SESSION,
	COUNT_ERROR_MISDIRECTED,
	COUNT_ERROR_CHECKSUM,
	COUNT_ERROR_TTL,
	COUNT_ERROR_NO_ROUTE,
	COUNT_ERROR_TOO_BIG,
	COUNT_ERROR_REWRITE,
	COUNT_FAST_ORIGINAL,
	COUNT_FAST_REPLY,
	COUNT_REFUSED_NO_PORT,
	COUNT_SESSIONS_GIVEN_UP,
	COUNT_DROP_NO_SESSION,
	COUNT_FLOWS_FULL,
	COUNT_DROP_SOURCE_PORT_0,
	COUNT_DROP_POLICY,
	COUNT_RULE_SERVICES_MADE,
	COUNT_RULE_SERVICES_ENDED,
	COUNT_RULE_SERVICE_UNREGISTERED,
	COUNT_REFUSED_RULE_SERVICES,
	COUNT_RULE_NOT_MASQUERADED,
	COUNT_RULE_OTHER_APPLICATION,
	COUNT_RULE_NATIVE,
	COUNTERS
};

struct stats {
	u64 value[COUNTERS];
};

/* Index of what is kept for each family apart. */
enum { IPV4, IPV6, FAMILIES };

static inline int family_index(u8 family)
{
	return family == AF_INET6 ? IPV6 : IPV4;
}

/* An address that full-NAT traffic may take as its source. */
struct local_ip {
	struct hlist_node node; /* director->local_ips, changed under config */
	struct pool *pool;      /* under config */
	union nf_inet_addr addr;
	u8 family;
	u32 ports;         /* first << 16 | last, host endianness; READ_ONCE */
	u32 own;           /* whether it is the host's: host_ports.c; READ_ONCE */
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

/* What a pool has for services of one family. */
struct pool_half {
	struct lip_array __rcu *ips; /* NULL: none */
	unsigned int users;          /* listed services, under config */
	/* Of the transaction under way, under config: */
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

/* See routes.c. */
struct kept_route {
	struct dst_entry *dst;
	u32 cookie;
	__be32 label; /* of IPv6 */
};

/* In a session, see unanswered.c. Unless it is said otherwise, under the lock of its
 * bucket.
 */
enum session_answer { SESSION_UNANSWERED, SESSION_ANSWERED, SESSION_GIVEN_UP };

struct unanswered {
	struct list_head ring;    /* of one server and local IP, by age */
	struct hlist_node oldest; /* in the bucket, if it is the ring's oldest */
	enum session_answer state; /* READ_ONCE */
	u32 expected;    /* what acknowledges the server's SYN; host endianness */
	bool server_syn; /* was seen; READ_ONCE, as the number before it */
	bool syn;        /* one of either side was seen; READ_ONCE */
};

struct unanswered_bucket {
	spinlock_t lock;
	struct hlist_head oldest;
};

#define UNANSWERED_BUCKETS 256
#define UNANSWERED_PROTOCOLS 3

#define NO_SLOT U32_MAX

/* Until when a direction has a lease, in jiffies, and of which generation it is. That
 * of no lease is NO_GENERATION.
 */
struct session_lease {
	u32 until;
	u32 generation;
};

#define NO_GENERATION 0

/* A full-NAT connection: what cp->app_data points at while the connection is
 * bound to our application. Freed a grace period later: a packet may have read
 * the pointer.
 */
struct session {
	struct rhash_head node; /* director->sessions, by its reply flow */
	struct unanswered unanswered;
	struct director *director;
	struct service *service;
	struct local_ip *local_ip;
	struct ip_vs_conn *conn; /* freed a grace period after the session ended */
	__be16 local_port;
	bool in_use[2];          /* by enum ipvs_bpf_direction; see lease_due() */
	spinlock_t lock;
	/* Under the lock: */
	bool ended;
	bool had_lease;          /* so it may be listed */
	u32 slot[2];             /* in the maps, or NO_SLOT; and the set's lock */
	u64 folded[2];           /* of each lease's "forwarded": what IPVS counts, too;
				  * under the set's lock */
	struct session_lease lease[2]; /* written under the lock */
	struct kept_route route[2];
	struct list_head leased; /* director->leased, under leased_lock */
	struct rcu_head rcu;
};

/* A full-NAT service. Removed from the configuration it stays, unlisted,
 * until the last connection bound to it has ended: packets of that connection
 * need it.
 */
struct service {
	struct hlist_node node; /* director->services */
	union nf_inet_addr vaddr;
	__be16 vport;
	u8 protocol;
	u8 family;
	bool listed; /* new connections become sessions; load with acquire */
	bool by_rule; /* a rule listed it; READ_ONCE */
	struct pool __rcu *pool;
	struct port_app *app; /* NULL: not registered yet; load with acquire */
	atomic_t sessions;
	atomic_t bound; /* connections bound to our application: sessions, and
			 * those that were refused one */
	struct session refused; /* stands for all of the latter */
	unsigned long used;     /* by rule: when the last packet came; READ_ONCE */
	struct list_head arrival; /* director->arrivals, until app is there */
	struct rcu_head rcu;
	/* Of the transaction under way, under config: */
	struct pool *next_pool;
	enum { SERVICE_UNTOUCHED, SERVICE_SET, SERVICE_REMOVE } pending;
};

/* What tells that routes have changed: fold.c. */
struct route_numbers {
	u32 ipv4;
	u32 ipv6;
	u32 ipv6_entries;
};

#define SET_LOCKS 256
#define ADOPTION_LOCKS 64
#define DESTINATION_BITS 12
#define ERROR_SIZE 192

struct director {
	struct net *net;
	refcount_t refs; /* the namespace, and each bound connection */
	struct mutex config;
	struct rcu_work free;
	struct maps __rcu *maps; /* NULL: there is no fast path */
	bool hooked;             /* under config: services.c */
	DECLARE_HASHTABLE(services, 10);
	spinlock_t services_lock;   /* see services.c */
	struct rules __rcu *rules;  /* NULL: there are none */
	unsigned int rule_services; /* by rule; under services_lock */
	bool rule_services_full;    /* under services_lock */
	struct list_head arrivals;  /* services by rule; under services_lock */
	struct work_struct arrive;  /* registers their ports' applications */
	struct delayed_work sweep;  /* ends those that are idle */
	spinlock_t adoption_locks[ADOPTION_LOCKS]; /* by flow: adopt.c */
	struct rhashtable sessions; /* session_table.c */
	atomic_t session_count;
	struct list_head port_apps;
	struct list_head dying_port_apps; /* until port_apps_purge() */
	DECLARE_HASHTABLE(local_ips, 8);
	unsigned int local_ip_count; /* in that table */
	atomic_t destinations[1 << DESTINATION_BITS]; /* destinations.h */
	struct list_head pools;
	DECLARE_HASHTABLE(pool_names, 10);
	struct work_struct reap; /* frees services whose last session ended */
	spinlock_t set_locks[SET_LOCKS]; /* of the maps' sets: flow_table.c */
	struct unanswered_bucket unanswered[UNANSWERED_BUCKETS];
	u32 unanswered_limit[UNANSWERED_PROTOCOLS]; /* in seconds; READ_ONCE */
	bool fast_path;    /* asked for; under config */
	bool gives_leases; /* READ_ONCE */
	u32 generation;    /* of the leases that are valid; written under leased_lock */
	bool neighbour_changed; /* READ_ONCE */
	struct route_numbers routes; /* fold.c's alone, as the next one */
	bool folds;        /* the next look adds counts up */
	bool ending;       /* under leased_lock: there are no more looks */
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
	char unanswered_error[ERROR_SIZE];
	char rules_error[ERROR_SIZE];
};

/* director.c */
extern unsigned int ip_vs_bpf_net_id;
struct director *director_of(struct net *net);
void director_put(struct director *director);
int director_module_init(void);
void director_module_exit(void);

/* services_proc.c */
int services_write(struct director *director, char *text);
void services_show(struct director *director, struct seq_file *seq);

/* services.c */
struct service *service_find4(struct director *director, u8 protocol,
			      __be32 vaddr, __be16 vport);
struct service *service_find6(struct director *director, u8 protocol,
			      const struct in6_addr *vaddr, __be16 vport);
struct service *service_find(struct director *director, u8 family, u8 protocol,
			     const union nf_inet_addr *vaddr, __be16 vport);
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
struct pool *pool_share(struct director *director, struct pool *from,
			const char *name, int family);
void pool_cede(struct director *director, struct pool *from, struct pool *to,
	       int family);
bool is_local_ip(struct director *director, u8 family,
		 const union nf_inet_addr *addr);
void local_ip_put(struct director *director, struct local_ip *ip);
void local_ips_free(struct director *director);

/* host_ports.c */
u32 host_ports_unknown(struct net *net);
bool host_draws_port(struct net *net, const struct ip_vs_conn *cp,
		     struct local_ip *ip, __be16 port);
bool host_has_socket(struct net *net, const struct ip_vs_conn *cp,
		     struct local_ip *ip, __be16 port);

/* What stands in cp->packet_xmit. */
typedef int conn_xmit(struct sk_buff *skb, struct ip_vs_conn *cp,
		      struct ip_vs_protocol *pp, struct ip_vs_iphdr *iph);

/* sessions.c */
int session_init_conn(struct ip_vs_app *inc, struct ip_vs_conn *cp);
int session_done_conn(struct ip_vs_app *inc, struct ip_vs_conn *cp);
struct session *session_of(const struct ip_vs_conn *cp);
bool session_bind(struct director *director, struct service *service,
		  struct ip_vs_conn *cp, struct dst_entry *route);
bool session_transmit(struct ip_vs_conn *cp);
bool server_is_local(struct net *net, const struct ip_vs_conn *cp,
		     struct dst_entry **route);

int sessions_module_init(void);
void sessions_module_exit(void);

/* devices.c */
int devices_module_init(void);
void devices_module_exit(void);

/* accounting.c */
void account(struct ip_vs_conn *cp, u8 direction, u64 packets, u64 bytes);

/* flush.c */
void sessions_flush(struct director *director);

/* addresses.c */
bool address_parse(const char *text, u8 *family, union nf_inet_addr *addr);
bool endpoint_parse(char *text, u8 *family, union nf_inet_addr *addr,
		    __be16 *port);
void endpoint_words(char *words, size_t size, u8 family,
		    const union nf_inet_addr *addr, __be16 port);
bool protocol_parse(const char *name, u8 *protocol);
const char *protocol_name(u8 protocol);
u32 address_hash(u8 family, const union nf_inet_addr *addr);

/* ipvs_hook.c */
nf_hookfn *ipvs_in_hook(struct net *net, u8 family);

/* prerouting.c */
int prerouting_register(struct net *net);
void prerouting_unregister(struct net *net);
bool is_for_host(const struct sk_buff *skb);
bool source_is_valid4(struct sk_buff *skb);
bool policy_lets_in(struct sk_buff *skb, u8 family);
bool is_ours(const struct ip_vs_conn *cp);
bool is_forbidden(struct sk_buff *skb, const struct packet *packet,
		  enum counter *why);

/* transmit.c, transmit6.c */
conn_xmit transmit4;
conn_xmit transmit_refusal;
int transmit_lost(struct sk_buff *skb, struct ip_vs_conn *cp);
int transmit_drop(struct director *director, struct sk_buff *skb,
		  enum counter why);
bool exceeds(const struct sk_buff *skb, unsigned int mtu);
bool too_big4(const struct sk_buff *skb, unsigned int mtu);
bool set_route(struct sk_buff *skb, struct dst_entry *dst);
int send(struct director *director, struct sk_buff *skb);
int send4(struct director *director, struct sk_buff *skb);

/* fragments.c */
unsigned int gather4(struct director *director, struct sk_buff *skb);

/* errors4.c, errors6.c */
unsigned int error_in4(struct director *director, struct sk_buff *skb,
		       unsigned int hook);
unsigned int error_in6(struct director *director, struct sk_buff *skb,
		       unsigned int hook);

/* replies.c, replies6.c */
bool reply_in(struct director *director, struct sk_buff *skb,
	      const struct packet *packet, unsigned int *verdict);
void reply_pass(struct ip_vs_conn *cp, struct sk_buff *skb,
		const struct packet *packet, struct session *session, u32 generation);
unsigned int reply_drop(struct director *director, struct sk_buff *skb,
			struct ip_vs_conn *cp, enum counter why);

#ifdef CONFIG_IP_VS_IPV6
nf_hookfn prerouting6;
nf_hookfn local_out6;
conn_xmit transmit6;
void refuse6(struct sk_buff *skb, u8 protocol);
unsigned int mtu6(const struct dst_entry *dst);
bool exceeds6(const struct sk_buff *skb, unsigned int mtu);
int send6(struct director *director, struct sk_buff *skb);
unsigned int reply_in6(struct session *session, struct ip_vs_conn *cp,
		       struct sk_buff *skb, const struct packet *packet);
#endif

/* nat.c */
int nat_rewrite(struct sk_buff *skb, const struct packet *packet,
		const struct flow *to);

/* proc.c */
int proc_create_all(struct director *director);
void proc_remove_all(struct director *director);
__printf(4, 5) int refuse(char *error, int code, unsigned int line,
			  const char *format, ...);

/* stats.c */
void stats_show(struct director *director, struct seq_file *seq);

static inline void count_many(struct director *director, enum counter counter,
			      u64 many)
{
	this_cpu_add(director->stats->value[counter], many);
}

static inline void count(struct director *director, enum counter counter)
{
	this_cpu_inc(director->stats->value[counter]);
}

#endif
