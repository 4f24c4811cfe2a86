// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions that are not answered yet. They cost a client one packet, whose source
 * may be forged. So they have a short timeout (/proc/net/ip_vs_bpf/unanswered), and
 * give way, oldest first, when the ports of a local IP for a server run out.
 *
 * A session is answered
 *
 * - UDP: by the server's first packet;
 * - TCP: when the client acknowledges the server's SYN, whose number a forger never
 *   saw. IPVS's state is not enough: IPVS checks no number, so a blind ACK
 *   establishes a connection. Also by the server's first segment with data or a FIN:
 *   a server sends these only after the handshake, or after it has checked the client
 *   in another way (TCP Fast Open). A segment with neither may be a challenge to a
 *   forged segment (RFC 5961), except on a connection without a SYN, which another
 *   director began (sloppy_tcp);
 * - SCTP: when the association is established and the server has sent something;
 * - if another director said so: the session comes from IPVS's sync daemon.
 *
 * These sessions are in a hash table by server and local IP. Those of one server and
 * local IP are a queue, in the order of their creation. The queues of a bucket are one
 * list, and the oldest session of each has the newest as its older one:
 *
 *     bucket -> oldest <-> ... <-> newest -> oldest <-> ... <-> newest -> NULL
 *
 * So the oldest is found at once, and nothing is allocated for a session. Whichever CPU
 * takes a session out of its queue, under the bucket's lock, decides its fate: answered,
 * ended or given up.
 *
 * The number of queues is also the client's choice where the service has every port, and
 * with SCTP. So the table has many buckets.
 */
#include <linux/hash.h>
#include <linux/tcp.h>
#include <net/ipv6.h>

#include "session/unanswered.h"
#include "table/services.h"

/* A server may send this much before its SYN is acknowledged (TCP Fast Open). A blind
 * guess succeeds once in 2^32 / UNACKNOWLEDGED_MAX.
 */
#define UNACKNOWLEDGED_MAX (128 * 1024)

/* The default limits in seconds, of TCP, UDP and SCTP. */
static const u32 limits[UNANSWERED_PROTOCOLS] = { 10, 30, 10 };

static u32 *limit_of(struct director *director, u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return &director->unanswered_limit[0];
	case IPPROTO_UDP:
		return &director->unanswered_limit[1];
	default:
		return &director->unanswered_limit[2];
	}
}

/* SCTP ports stay: only the session that has this very port may give way. */
static __be16 needed(u8 protocol, __be16 port)
{
	return protocol == IPPROTO_SCTP ? port : 0;
}

static u32 bucket_of(const struct ip_vs_conn *cp, const struct local_ip *ip, __be16 port)
{
	u32 ports = (__force u32)cp->dport << 16 |
		    (__force u32)needed(cp->protocol, port);
	u32 server = cp->af == AF_INET6 ? ipv6_addr_hash(&cp->daddr.in6) :
					  (__force u32)cp->daddr.ip;

	/* Not keyed: a client chooses ports at most. Of 65 536 ports, four share a bucket,
	 * for each server and local IP.
	 */
	return hash_64((unsigned long)ip ^ ((u64)server << 32 | ports), UNANSWERED_BITS);
}

static spinlock_t *lock_of(struct director *director, u32 bucket)
{
	return &director->unanswered_locks[bucket % UNANSWERED_LOCKS];
}

/* The oldest session of that server and local IP; or NULL. Called under the bucket's
 * lock, which keeps the connections of its sessions.
 */
static struct session *find_oldest(const struct director *director, u32 bucket,
				   const struct ip_vs_conn *cp,
				   const struct local_ip *ip, __be16 port)
{
	struct session *session;

	for (session = director->unanswered[bucket]; session;
	     session = session->older->newer) {
		const struct ip_vs_conn *other = session->conn;

		if (session->local_ip == ip && other->protocol == cp->protocol &&
		    other->dport == cp->dport &&
		    ip_vs_addr_equal(cp->af, &other->daddr, &cp->daddr) &&
		    needed(cp->protocol, session->local_port) ==
			    needed(cp->protocol, port))
			return session;
	}
	return NULL;
}

/* Adds a session behind the oldest one of its queue; or as a queue, if that is NULL.
 * Called under the bucket's lock.
 */
static void join_queue(struct session **bucket, struct session *oldest,
		       struct session *session)
{
	if (oldest) {
		session->older = oldest->older;
		session->newer = session->older->newer;
		session->older->newer = session;
		oldest->older = session;
	} else {
		session->older = session;
		session->newer = *bucket;
		*bucket = session;
	}
}

/* Takes a session out of its queue. Called under the bucket's lock. */
static void leave_queue(struct session **bucket, struct session *session)
{
	struct session *older = session->older, *newer = session->newer;
	struct session **place = bucket;

	if (older->newer == session && newer && newer->older == session) {
		older->newer = newer;
		newer->older = older;
		return;
	}
	/* It is the oldest or the newest of a queue of the bucket. */
	while (*place != session && (*place)->older != session)
		place = &(*place)->older->newer;
	if (*place != session) {
		(*place)->older = older;
		older->newer = newer;
	} else {
		*place = newer;
		if (older != session)
			newer->older = older;
	}
}

/* Adds a new session. From then on another CPU may give it up, although IPVS may not have
 * hashed its connection yet. Called with bottom halves off.
 */
void ivb_unanswered_begin(struct session *session)
{
	struct director *director = session_director(session);
	const struct ip_vs_conn *cp = session->conn;
	struct session *oldest;
	u32 bucket;

	if (cp->flags & IP_VS_CONN_F_SYNC) {
		session->answer = SESSION_ANSWERED;
		return;
	}
	bucket = bucket_of(cp, session->local_ip, session->local_port);
	spin_lock(lock_of(director, bucket));
	oldest = find_oldest(director, bucket, cp, session->local_ip, session->local_port);
	join_queue(&director->unanswered[bucket], oldest, session);
	spin_unlock(lock_of(director, bucket));
}

/* Returns false if the session was given up. */
static bool leave(struct session *session)
{
	struct director *director = session_director(session);
	u32 bucket = bucket_of(session->conn, session->local_ip, session->local_port);
	bool given_up;

	spin_lock_bh(lock_of(director, bucket));
	given_up = session->answer == SESSION_GIVEN_UP;
	if (session->answer == SESSION_UNANSWERED) {
		leave_queue(&director->unanswered[bucket], session);
		WRITE_ONCE(session->answer, SESSION_ANSWERED);
	}
	spin_unlock_bh(lock_of(director, bucket));
	return !given_up;
}

/* Called when the connection ends. Returns false if the session was given up before and
 * has nothing left in the maps.
 */
bool ivb_unanswered_end(struct session *session)
{
	return READ_ONCE(session->answer) == SESSION_ANSWERED ||
	       leave(session);
}

/* The oldest session of the new connection's server and that local IP, which the caller
 * gives up; NULL if each is answered. Called under RCU, which keeps the session and its
 * connection.
 */
struct session *ivb_unanswered_take(struct director *director,
				    const struct ip_vs_conn *cp, struct local_ip *ip)
{
	u32 bucket = bucket_of(cp, ip, cp->cport);
	struct session *session;

	spin_lock_bh(lock_of(director, bucket));
	session = find_oldest(director, bucket, cp, ip, cp->cport);
	if (session) {
		leave_queue(&director->unanswered[bucket], session);
		WRITE_ONCE(session->answer, SESSION_GIVEN_UP);
	}
	spin_unlock_bh(lock_of(director, bucket));
	return session;
}

/* Limits the timeout that IPVS chose for the packet. */
static void bound(struct session *session, struct ip_vs_conn *cp)
{
	unsigned long limit =
		READ_ONCE(*limit_of(session_director(session), cp->protocol)) * HZ;

	if (cp->timeout > limit)
		cp->timeout = limit;
}

static const struct tcphdr *tcp_header(const struct sk_buff *skb, int transport,
				       struct tcphdr *buffer)
{
	return skb_header_pointer(skb, transport, sizeof(*buffer), buffer);
}

/* True if the client's segment acknowledges the server's SYN. Notes a SYN. */
static bool acknowledges(struct session *session, const struct sk_buff *skb,
			 int transport)
{
	struct tcphdr buffer;
	const struct tcphdr *tcp = tcp_header(skb, transport, &buffer);

	if (tcp && tcp->syn)
		WRITE_ONCE(session->syn, true);
	/* Pairs with follows_handshake(). */
	return tcp && tcp->ack && !tcp->rst && smp_load_acquire(&session->server_syn) &&
	       ntohl(tcp->ack_seq) - READ_ONCE(session->conn->out_seq.init_seq) <
		       UNACKNOWLEDGED_MAX;
}

/* Called for a packet of the client. */
void ivb_unanswered_request(struct session *session, struct ip_vs_conn *cp,
			    const struct sk_buff *skb, int transport)
{
	if (cp->protocol == IPPROTO_TCP && acknowledges(session, skb, transport))
		leave(session);
	else
		bound(session, cp);
}

/* True if the server's segment can only follow a handshake. Notes the number of a SYN.
 */
static bool follows_handshake(struct session *session, const struct sk_buff *skb,
			      int transport)
{
	struct tcphdr buffer;
	const struct tcphdr *tcp = tcp_header(skb, transport, &buffer);

	if (!tcp || tcp->rst)
		return false;
	if (tcp->syn) {
		WRITE_ONCE(session->conn->out_seq.init_seq, ntohl(tcp->seq) + 1);
		/* Pairs with acknowledges(). */
		smp_store_release(&session->server_syn, true);
		WRITE_ONCE(session->syn, true);
		return false;
	}
	return !READ_ONCE(session->syn) || tcp->fin ||
	       skb->len > transport + tcp->doff * 4;
}

/* Called for a packet of the server, after IPVS's state has seen it. */
void ivb_unanswered_reply(struct session *session, struct ip_vs_conn *cp,
			  const struct sk_buff *skb, int transport)
{
	bool answered;

	if (cp->protocol == IPPROTO_TCP)
		answered = follows_handshake(session, skb, transport);
	else
		answered = cp->protocol == IPPROTO_UDP ||
			   cp->state == IP_VS_SCTP_S_ESTABLISHED;
	if (answered)
		leave(session);
	else
		bound(session, cp);
}

void ivb_unanswered_init(struct director *director)
{
	unsigned int i;

	for (i = 0; i < UNANSWERED_PROTOCOLS; i++)
		director->unanswered_limit[i] = limits[i];
	for (i = 0; i < UNANSWERED_LOCKS; i++)
		spin_lock_init(&director->unanswered_locks[i]);
}

/* Called before the first packet can begin a session. Returns 0, or -ENOMEM. */
int ivb_unanswered_allocate(struct director *director)
{
	if (!director->unanswered)
		director->unanswered = kvcalloc(1 << UNANSWERED_BITS,
						sizeof(*director->unanswered),
						GFP_KERNEL_ACCOUNT);
	return director->unanswered ? 0 : -ENOMEM;
}
