/* SPDX-License-Identifier: GPL-2.0-only */
/* The life of a session (sessions.c, create.c). */
#ifndef IP_VS_BPF_SESSION_SESSIONS
#define IP_VS_BPF_SESSION_SESSIONS

#include <net/dst.h>

#include "session/unanswered.h"
#include "table/director.h"

/* create.c */
struct session *ivb_session_create(struct director *director, struct service *service,
				   struct ip_vs_conn *cp, struct dst_entry *route);

/* sessions.c */
struct session *ivb_session_alloc(u8 family);
bool ivb_session_give_up(struct session *session);
void ivb_session_end(struct session *session);
struct ip_vs_conn *ivb_session_conn_get(const struct session *session);
int ivb_sessions_module_init(void);
void ivb_sessions_module_exit(void);

/* The session of a connection whose packet is being handled. Called under RCU. When a
 * server is configured on a backup, IPVS binds its synced connections again
 * (ip_vs_try_bind_dest()), while packets are handled: for a moment there is no session,
 * or it is refused this time. A session that was given up does not count.
 */
static inline struct session *conn_session(const struct ip_vs_conn *cp)
{
	struct session *session = READ_ONCE(cp->app_data);

	return session && session->local_ip && !is_given_up(session) ? session : NULL;
}

#endif
