/* SPDX-License-Identifier: GPL-2.0-only */
/* A full-NAT connection, and the table of them by their reply flow (sessions.c). */
#ifndef IP_VS_BPF_TABLE_SESSION
#define IP_VS_BPF_TABLE_SESSION

#include <linux/rhashtable.h>
#include <net/ip_vs.h>

#include "ip_vs_bpf_abi.h"
#include "table/local_ips.h"

struct service;

/* A kept route of IPv6 is valid for this cookie and flow label: see session/routes.c. */
struct kept_route6 {
	u32 cookie;
	__be32 label;
};

/* The values of session->answer. INCOMPLETE: the session is being made. */
enum session_answer {
	SESSION_INCOMPLETE,
	SESSION_UNANSWERED,
	SESSION_ANSWERED,
	SESSION_GIVEN_UP,
};

#define NO_SLOT U32_MAX

/* The values of session->toa. OFF: the service does not ask for it. TOLD: the handshake
 * is over. TELLING: see toa_is_telling().
 */
enum toa_state { TOA_OFF, TOA_TOLD, TOA_TELLING };

/* The values of session->toa_handshake. UNSEEN: no SYN was seen, and no segment of the
 * server. BEGUN: the client's last SYN is not answered. ANSWERED: the server answered it, or
 * a segment of the server was seen first.
 */
enum toa_handshake { HANDSHAKE_UNSEEN, HANDSHAKE_BEGUN, HANDSHAKE_ANSWERED };

/* The end of a direction's lease, in jiffies, and its generation. Without a lease the
 * generation is NO_GENERATION. xdp_in is the input interface of a lease whose way out
 * takes frames from XDP, else 0.
 */
struct session_lease {
	u32 until;
	u32 generation;
	u32 xdp_in;
};

#define NO_GENERATION 0

/* The leases of a session, from its first one on. Most short connections never get one.
 * The session points at them until it is freed.
 */
struct session_leases {
	struct session *session;
	struct list_head leased; /* director->leased, under leased_lock */
	/* Also under the set's lock: */
	u32 slot[2];             /* in the maps, or NO_SLOT */
	u64 folded[2];           /* what IPVS has counted of each lease's "forwarded" */
	struct session_lease lease[2]; /* written under session_lock() */
};

/* A full-NAT connection. cp->app_data points at it while the connection is bound to our
 * application. It is freed a grace period later, because a packet may have read the
 * pointer.
 *
 * IPVS keeps two sequence numbers in each connection for its application. They are ours,
 * in host endianness:
 *
 * - conn->out_seq.init_seq acknowledges the server's SYN, if server_syn is set;
 * - conn->in_seq.init_seq is the most that the server acknowledges in its handshake, unless
 *   toa_handshake is HANDSHAKE_UNSEEN.
 */
struct session {
	struct rhash_head node; /* director->sessions, by its reply flow */
	union {
		u32 begun; /* in jiffies, until the end; READ_ONCE */
		struct rcu_head rcu; /* after the end */
	};
	struct service *service;
	struct local_ip *local_ip;
	struct ip_vs_conn *conn; /* freed a grace period after the session ended */
	__be16 local_port;
	u8 packets[2];           /* by enum ipvs_bpf_direction; see lease_due() */
	u32 admission;           /* see session/admission.c; READ_ONCE */
	/* Under session_lock(): */
	struct session_leases *leases; /* NULL: it never had one; READ_ONCE */
	bool ended;
	u8 toa_handshake;           /* enum toa_handshake; see toa.c */
	bool toa_handshakes_differ; /* the session had several, see toa.c */
	/* READ_ONCE: */
	u8 answer;               /* enum session_answer; under session_lock() */
	bool syn;                /* a SYN of either side was seen */
	bool server_syn;         /* the server's SYN was seen; see unanswered.c */
	u8 toa;                  /* enum toa_state */
	bool toa_narrow;         /* a segment was too big for the path to the server */
	struct dst_entry *route[2];   /* see session/routes.c */
	struct kept_route6 route6[2]; /* absent in a session of IPv4 */
};

/* True while the server's handshake is not known to be over. The session gets no lease
 * until then.
 */
static inline bool toa_is_telling(const struct session *session)
{
	return READ_ONCE(session->toa) == TOA_TELLING;
}

/* The flow after full NAT, for one direction of the session. */
static inline void session_translate(const struct session *session,
				     const struct ip_vs_conn *cp, u8 direction,
				     struct flow *to)
{
	to->family = cp->af;
	to->protocol = cp->protocol;
	if (direction == IPVS_BPF_ORIGINAL) {
		to->saddr = session->local_ip->addr;
		to->daddr = cp->daddr;
		to->sport = session->local_port;
		to->dport = cp->dport;
	} else {
		to->saddr = cp->vaddr;
		to->daddr = cp->caddr;
		to->sport = cp->vport;
		to->dport = cp->cport;
	}
}

int ivb_session_table_init(struct director *director);
void ivb_session_table_exit(struct director *director);
struct session *ivb_session_insert(struct session *session);
void ivb_session_remove(struct session *session);
struct session *ivb_session_find(struct director *director, const struct flow *reply);
void ivb_session_reply_flow(const struct session *session, struct flow *flow);
struct session *ivb_session_walk_start(struct rhashtable_iter *iter);
void ivb_session_for_each(struct director *director,
			  void (*call)(struct session *session, const void *data),
			  const void *data);

#endif
