/* SPDX-License-Identifier: GPL-2.0-only */
/* The sessions of a director, by their reply flow (session_table.c). */
#ifndef IP_VS_BPF_SESSION_TABLE_H
#define IP_VS_BPF_SESSION_TABLE_H

#include "ip_vs_bpf.h"

int session_table_init(struct director *director);
void session_table_exit(struct director *director);
int session_insert(struct session *session);
void session_remove(struct session *session);
struct session *session_find(struct director *director, const struct flow *reply);
struct ip_vs_conn *session_conn_get(const struct session *session);
void session_reply_flow(const struct session *session, struct flow *flow);
void session_translate(const struct session *session, const struct ip_vs_conn *cp,
		       u8 direction, struct flow *to);
void session_for_each(struct director *director,
		      void (*call)(struct session *session, const void *data),
		      const void *data);

/* sessions_proc.c */
extern const struct proc_ops sessions_proc_ops;

#endif
