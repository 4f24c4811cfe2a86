// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends the sessions of services that are not listed any more, by ending their
 * connections: IPVS itself does that when a connection is put whose timeout is
 * 0, and calls session_done_conn(). A connection that a packet uses just then
 * may get its usual timeout back; who wants it gone asks again.
 */
#include "session_table.h"

static void end_left_over(struct session *session, const void *unused)
{
	struct ip_vs_conn *cp;

	if (smp_load_acquire(&session->service->listed))
		return;
	cp = session_conn_get(session);
	if (!cp)
		return;
	cp->timeout = 0;
	ip_vs_conn_put(cp);
}

/* Under config. */
void sessions_flush(struct director *director)
{
	session_for_each(director, end_left_over, NULL);
}
