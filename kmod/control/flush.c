// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends the sessions of services that are no longer listed, by ending their connections:
 * IPVS itself ends a connection that is put with timeout 0, and calls
 * ivb_session_done_conn(). A connection that a packet uses at that moment may get its
 * usual timeout back: to end it, flush again.
 */
#include "control/flush.h"
#include "session/sessions.h"
#include "table/services.h"

static void end_left_over(struct session *session, const void *unused)
{
	struct ip_vs_conn *cp;

	if (service_is_listed(session->service))
		return;
	cp = ivb_session_conn_get(session);
	if (!cp)
		return;
	cp->timeout = 0;
	ip_vs_conn_put(cp);
}

/* Under config. */
void ivb_sessions_flush(struct director *director)
{
	ivb_session_for_each(director, end_left_over, NULL);
}
