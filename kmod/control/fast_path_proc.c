// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/ip_vs_bpf/fast_path. A write is one word:
 *
 *     on        give leases, if there are maps
 *     off       give no more leases, and end the existing ones
 *     revoke    end the existing leases
 *
 * A read returns "on" or "off".
 */
#include <linux/seq_file.h>
#include <linux/string.h>

#include "control/proc.h"
#include "control/text.h"
#include "session/leases.h"

int ivb_fast_path_write(struct director *director, char *text)
{
	char *word = strim(text);

	if (!strcmp(word, "on"))
		director->fast_path = true;
	else if (!strcmp(word, "off"))
		director->fast_path = false;
	else if (strcmp(word, "revoke"))
		return ivb_refuse(director->fast_path_error, -EINVAL, 0,
				  "expected \"on\", \"off\" or \"revoke\"");
	ivb_leases_allow(director);
	ivb_leases_revoke(director);
	return 0;
}

void ivb_fast_path_show(struct director *director, struct seq_file *seq)
{
	seq_puts(seq, director->fast_path ? "on\n" : "off\n");
}
