// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/ip_vs_bpf/sessions, one session per line:
 *
 *     PROTOCOL CLIENT VIP LOCAL-IP SERVER FAST XDP
 *
 * Each end is an ADDRESS:PORT. FAST is what the fast path forwards now: "both",
 * "original" (to the server), "reply", or "-". XDP is the part of that which leaves at
 * XDP. A session that exists all the time is listed. It may be listed twice if the table
 * is resized between two read(2), or if the session at which the first of them ended is
 * gone.
 */
#include <linux/seq_file.h>

#include "control/proc.h"
#include "control/text.h"
#include "session/leases.h"
#include "session/xdp.h"

struct walk {
	struct director *director;
	struct rhashtable_iter iter;
};

static void *next_session(struct rhashtable_iter *iter)
{
	struct session *session;

	/* The walk starts again when the table is resized. */
	do {
		session = rhashtable_walk_next(iter);
	} while (session == ERR_PTR(-EAGAIN));
	return session;
}

static void *start(struct seq_file *seq, loff_t *position)
	__acquires(RCU)
{
	struct walk *walk = seq->private;
	void *session;

	if (!*position) {
		rhashtable_walk_exit(&walk->iter);
		rhashtable_walk_enter(&walk->director->sessions, &walk->iter);
		rhashtable_walk_start(&walk->iter);
		return SEQ_START_TOKEN;
	}
	session = ivb_session_walk_start(&walk->iter);
	return session == ERR_PTR(-EAGAIN) ? next_session(&walk->iter) : session;
}

static void *next(struct seq_file *seq, void *session, loff_t *position)
{
	struct walk *walk = seq->private;

	++*position;
	return next_session(&walk->iter);
}

static void stop(struct seq_file *seq, void *session)
	__releases(RCU)
{
	struct walk *walk = seq->private;

	rhashtable_walk_stop(&walk->iter);
}

static void show_end(struct seq_file *seq, u8 family, const union nf_inet_addr *addr,
		     __be16 port)
{
	if (family == AF_INET6)
		seq_printf(seq, " [%pI6c]:%u", &addr->in6, ntohs(port));
	else
		seq_printf(seq, " %pI4:%u", &addr->ip, ntohs(port));
}

static const char *directions(bool original, bool reply)
{
	static const char *const names[] = { "-", "original", "reply", "both" };

	return names[original | reply << 1];
}

static int show(struct seq_file *seq, void *object)
{
	const struct session *session = object;
	const struct ip_vs_conn *cp;

	if (object == SEQ_START_TOKEN)
		return 0;
	cp = session->conn;
	seq_puts(seq, ivb_protocol_name(cp->protocol));
	show_end(seq, cp->af, &cp->caddr, cp->cport);
	show_end(seq, cp->af, &cp->vaddr, cp->vport);
	show_end(seq, cp->af, &session->local_ip->addr, session->local_port);
	show_end(seq, cp->af, &cp->daddr, cp->dport);
	seq_printf(seq, " %s", directions(has_lease(session, IPVS_BPF_ORIGINAL),
					  has_lease(session, IPVS_BPF_REPLY)));
	seq_printf(seq, " %s\n", directions(ivb_xdp_leaves(session, IPVS_BPF_ORIGINAL),
					    ivb_xdp_leaves(session, IPVS_BPF_REPLY)));
	return 0;
}

static const struct seq_operations seq_ops = {
	.start = start,
	.next = next,
	.stop = stop,
	.show = show,
};

static int open(struct inode *inode, struct file *file)
{
	struct walk *walk = __seq_open_private(file, &seq_ops, sizeof(*walk));

	if (!walk)
		return -ENOMEM;
	walk->director = compat_pde_data(inode);
	rhashtable_walk_enter(&walk->director->sessions, &walk->iter);
	return 0;
}

/* Called before the director is freed: proc_remove() calls it for open files. */
static int release(struct inode *inode, struct file *file)
{
	struct seq_file *seq = file->private_data;
	struct walk *walk = seq->private;

	rhashtable_walk_exit(&walk->iter);
	return seq_release_private(inode, file);
}

const struct proc_ops ivb_sessions_proc_ops = {
	.proc_open = open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = release,
};
