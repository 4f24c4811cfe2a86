// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/ip_vs_bpf/xdp. A write is one word:
 *
 *     on     leases say what the program at XDP needs
 *     off    they do not, so that program forwards nothing
 *
 * A read returns "on" or "off". When a write returns, no program sends by an older lease,
 * so the program can be taken from a device.
 */
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "control/proc.h"
#include "control/text.h"
#include "session/leases.h"

int ivb_xdp_write(struct director *director, char *text)
{
	char *word = strim(text);

	if (!strcmp(word, "on"))
		WRITE_ONCE(director->xdp, true);
	else if (!strcmp(word, "off"))
		WRITE_ONCE(director->xdp, false);
	else
		return ivb_refuse(director->xdp_error, -EINVAL, 0,
				  "expected \"on\" or \"off\"");
	/* A lease of the new generation has the new value, see leases_generation(). */
	ivb_leases_revoke(director);
	/* A driver also flushes what its programs redirected before it ends its poll. */
	synchronize_rcu();
	return 0;
}

void ivb_xdp_show(struct director *director, struct seq_file *seq)
{
	seq_puts(seq, director->xdp ? "on\n" : "off\n");
}
