/* SPDX-License-Identifier: GPL-2.0-only */
/* The life of a session (sessions.c, create.c). */
#ifndef IP_VS_BPF_SESSION_SESSIONS
#define IP_VS_BPF_SESSION_SESSIONS

#include <net/dst.h>

#include "table/director.h"
#include "table/session.h"

/* create.c */
struct session *ivb_session_create(struct director *director, struct service *service,
				   struct ip_vs_conn *cp, struct dst_entry *route);

/* sessions.c */
struct session *ivb_session_alloc(u8 family);
bool ivb_session_give_up(struct session *session);
void ivb_session_end(struct session *session);
struct session *ivb_session_of(const struct ip_vs_conn *cp);
struct ip_vs_conn *ivb_session_conn_get(const struct session *session);
int ivb_sessions_module_init(void);
void ivb_sessions_module_exit(void);

#endif
