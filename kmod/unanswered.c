// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions that nobody has answered yet. They cost a client one packet, whose
 * source may be forged, so they live shortly (/proc/net/ip_vs_bpf/unanswered),
 * and give way, oldest first, where the ports of a local IP for a server run out.
 *
 * A session is answered
 *
 * - UDP: by the server's first packet;
 * - TCP: when the client acknowledges the server's SYN, whose number a forger
 *   never saw. IPVS's state is not enough: it looks at no number, so that a blind
 *   ACK establishes a connection. Also by the server's first segment with data or
 *   a FIN: a server sends none of these before the handshake is over, or has
 *   checked the client in another way (TCP Fast Open). With neither it may be a
 *   challenge to a forged segment (RFC 5961), but for a connection without a SYN,
 *   which another director began (sloppy_tcp);
 * - SCTP: when the association is established and the server has sent something;
 * - if another director said so: it comes from IPVS's sync daemon.
 *
 * The sessions of one server and local IP are a ring in the order of birth. The
 * oldest of a ring is in a hash table, so that it is found at once; nothing is
 * allocated. The one who takes a session out of its ring, under the bucket's lock,
 * decides what becomes of it: answered, ended or given up.
 *
 * /proc/net/ip_vs_bpf/unanswered takes, and gives, a line a protocol:
 *
 *     tcp|udp|sctp SECONDS
 */
#include <linux/hash.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/ipv6.h>

#include "unanswered.h"

/* In seconds; 31 days, as for IPVS's own. */
#define LIMIT_MAX (31 * 86400)

/* A server may send so much before its SYN is acknowledged (TCP Fast Open). A
 * blind guess is right once in 2^32 / UNACKNOWLEDGED_MAX.
 */
#define UNACKNOWLEDGED_MAX (128 * 1024)

static const struct {
	const char *name;
	u8 protocol;
	u32 limit;
} protocols[UNANSWERED_PROTOCOLS] = {
	{ "tcp", IPPROTO_TCP, 10 },
	{ "udp", IPPROTO_UDP, 30 },
	{ "sctp", IPPROTO_SCTP, 10 },
};

static u32 *limit_of(struct director *director, u8 protocol)
{
	unsigned int i;

	for (i = 0; i < UNANSWERED_PROTOCOLS - 1; i++)
		if (protocols[i].protocol == protocol)
			break;
	return &director->unanswered_limit[i];
}

/* The ports of SCTP stay: only the session that has the very port may give way. */
static __be16 needed(u8 protocol, __be16 port)
{
	return protocol == IPPROTO_SCTP ? port : 0;
}

static struct unanswered_bucket *bucket_of(struct director *director,
					   const struct ip_vs_conn *cp,
					   const struct local_ip *ip, __be16 port)
{
	u32 ports = (__force u32)cp->dport << 16 |
		    (__force u32)needed(cp->protocol, port);
	u32 server = cp->af == AF_INET6 ? ipv6_addr_hash(&cp->daddr.in6) :
					  (__force u32)cp->daddr.ip;
	/* Servers and local IPs are the administrator's to choose, not a client's. */
	u32 hash = hash_64((unsigned long)ip ^ ((u64)server << 32 | ports), 32);

	return &director->unanswered[hash % UNANSWERED_BUCKETS];
}

/* The oldest session of that server and local IP; or NULL. Under the bucket's
 * lock, which keeps the connections of its sessions.
 */
static struct session *find_oldest(struct unanswered_bucket *bucket,
				   const struct ip_vs_conn *cp,
				   const struct local_ip *ip, __be16 port)
{
	struct session *session;

	hlist_for_each_entry(session, &bucket->oldest, unanswered.oldest) {
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

/* Under the bucket's lock: the next one of the ring is the oldest now. */
static void take_out(struct unanswered_bucket *bucket, struct session *session)
{
	struct unanswered *unanswered = &session->unanswered;
	struct session *next;

	if (!hlist_unhashed(&unanswered->oldest)) {
		hlist_del_init(&unanswered->oldest);
		if (!list_empty(&unanswered->ring)) {
			next = list_next_entry(session, unanswered.ring);
			hlist_add_head(&next->unanswered.oldest, &bucket->oldest);
		}
	}
	list_del_init(&unanswered->ring);
}

/* A new session, before a packet can find it. */
void unanswered_begin(struct session *session)
{
	struct ip_vs_conn *cp = session->conn;
	struct unanswered_bucket *bucket;
	struct session *oldest;

	INIT_LIST_HEAD(&session->unanswered.ring);
	if (cp->flags & IP_VS_CONN_F_SYNC) {
		session->unanswered.state = SESSION_ANSWERED;
		return;
	}
	bucket = bucket_of(session->director, cp, session->local_ip,
			   session->local_port);
	spin_lock_bh(&bucket->lock);
	oldest = find_oldest(bucket, cp, session->local_ip, session->local_port);
	if (oldest)
		list_add_tail(&session->unanswered.ring, &oldest->unanswered.ring);
	else
		hlist_add_head(&session->unanswered.oldest, &bucket->oldest);
	spin_unlock_bh(&bucket->lock);
}

/* false: the session was given up. */
static bool leave(struct session *session)
{
	struct unanswered_bucket *bucket =
		bucket_of(session->director, session->conn, session->local_ip,
			  session->local_port);
	bool given_up;

	spin_lock_bh(&bucket->lock);
	given_up = session->unanswered.state == SESSION_GIVEN_UP;
	if (session->unanswered.state == SESSION_UNANSWERED) {
		take_out(bucket, session);
		WRITE_ONCE(session->unanswered.state, SESSION_ANSWERED);
	}
	spin_unlock_bh(&bucket->lock);
	return !given_up;
}

/* The connection ends. false: the session was given up before, and has nothing
 * left in the maps.
 */
bool unanswered_end(struct session *session)
{
	return READ_ONCE(session->unanswered.state) == SESSION_ANSWERED ||
	       leave(session);
}

/* The oldest session of the new connection's server and that local IP, which the
 * caller gives up; NULL: each is answered. Under RCU, which keeps the session and
 * its connection.
 */
struct session *unanswered_take(struct director *director,
				const struct ip_vs_conn *cp, struct local_ip *ip)
{
	struct unanswered_bucket *bucket = bucket_of(director, cp, ip, cp->cport);
	struct session *session;

	spin_lock_bh(&bucket->lock);
	session = find_oldest(bucket, cp, ip, cp->cport);
	if (session) {
		take_out(bucket, session);
		WRITE_ONCE(session->unanswered.state, SESSION_GIVEN_UP);
	}
	spin_unlock_bh(&bucket->lock);
	return session;
}

/* After IPVS chose its own timeout for the packet. */
static void bound(struct session *session, struct ip_vs_conn *cp)
{
	unsigned long limit =
		READ_ONCE(*limit_of(session->director, cp->protocol)) * HZ;

	if (cp->timeout > limit)
		cp->timeout = limit;
}

static const struct tcphdr *tcp_header(const struct sk_buff *skb, int transport,
				       struct tcphdr *buffer)
{
	return skb_header_pointer(skb, transport, sizeof(*buffer), buffer);
}

/* True if the segment of the client acknowledges the server's SYN; notes a SYN. */
static bool acknowledges(struct session *session, const struct sk_buff *skb,
			 int transport)
{
	struct tcphdr buffer;
	const struct tcphdr *tcp = tcp_header(skb, transport, &buffer);

	if (tcp && tcp->syn)
		WRITE_ONCE(session->unanswered.syn, true);
	return tcp && tcp->ack && !tcp->rst &&
	       READ_ONCE(session->unanswered.server_syn) &&
	       ntohl(tcp->ack_seq) - READ_ONCE(session->unanswered.expected) <
		       UNACKNOWLEDGED_MAX;
}

/* A packet of the client. */
void unanswered_request(struct session *session, struct ip_vs_conn *cp,
			const struct sk_buff *skb, int transport)
{
	if (cp->protocol == IPPROTO_TCP && acknowledges(session, skb, transport))
		leave(session);
	else
		bound(session, cp);
}

/* True if the segment of the server can only follow a handshake; notes the number
 * of a SYN.
 */
static bool follows_handshake(struct session *session, const struct sk_buff *skb,
			      int transport)
{
	struct tcphdr buffer;
	const struct tcphdr *tcp = tcp_header(skb, transport, &buffer);

	if (!tcp || tcp->rst)
		return false;
	if (tcp->syn) {
		WRITE_ONCE(session->unanswered.expected, ntohl(tcp->seq) + 1);
		WRITE_ONCE(session->unanswered.server_syn, true);
		WRITE_ONCE(session->unanswered.syn, true);
		return false;
	}
	return !READ_ONCE(session->unanswered.syn) || tcp->fin ||
	       skb->len > transport + tcp->doff * 4;
}

/* A packet of the server, which IPVS's state knows already. */
void unanswered_reply(struct session *session, struct ip_vs_conn *cp,
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

/* "tcp 10" */
static int parse(char *line, u32 *limits)
{
	char *name = strsep(&line, " ");
	unsigned int i;
	u32 seconds;

	for (i = 0; i < UNANSWERED_PROTOCOLS; i++)
		if (!strcmp(name, protocols[i].name))
			break;
	if (i == UNANSWERED_PROTOCOLS || !line || kstrtou32(line, 10, &seconds) ||
	    !seconds || seconds > LIMIT_MAX)
		return -EINVAL;
	limits[i] = seconds;
	return 0;
}

int unanswered_write(struct director *director, char *text)
{
	u32 limits[UNANSWERED_PROTOCOLS];
	unsigned int number = 0, i;
	char *line;

	memcpy(limits, director->unanswered_limit, sizeof(limits));
	while ((line = strsep(&text, "\n"))) {
		number++;
		if (*line && parse(line, limits))
			return refuse(director->unanswered_error, -EINVAL, number,
				      "expected \"tcp|udp|sctp SECONDS\", 1 to %u",
				      LIMIT_MAX);
	}
	for (i = 0; i < UNANSWERED_PROTOCOLS; i++)
		WRITE_ONCE(director->unanswered_limit[i], limits[i]);
	return 0;
}

void unanswered_show(struct director *director, struct seq_file *seq)
{
	unsigned int i;

	for (i = 0; i < UNANSWERED_PROTOCOLS; i++)
		seq_printf(seq, "%s %u\n", protocols[i].name,
			   director->unanswered_limit[i]);
}

void unanswered_init(struct director *director)
{
	unsigned int i;

	for (i = 0; i < UNANSWERED_PROTOCOLS; i++)
		director->unanswered_limit[i] = protocols[i].limit;
	for (i = 0; i < UNANSWERED_BUCKETS; i++)
		spin_lock_init(&director->unanswered[i].lock);
}
