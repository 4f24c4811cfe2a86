// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/ip_vs_bpf/unanswered: the timeout of a session that is not answered yet
 * (session/unanswered.c). A write and a read have one line per protocol:
 *
 *     tcp|udp|sctp SECONDS
 */
#include <linux/seq_file.h>
#include <linux/string.h>

#include "control/proc.h"
#include "control/text.h"

/* In seconds: 31 days, as for IPVS's own timeouts. */
#define LIMIT_MAX (31 * 86400)

/* In the order of director->unanswered_limit. */
static const char *const names[UNANSWERED_PROTOCOLS] = { "tcp", "udp", "sctp" };

/* Parses "tcp 10". */
static int parse(char *line, u32 *limits)
{
	char *name = strsep(&line, " ");
	unsigned int i;
	u32 seconds;

	for (i = 0; i < UNANSWERED_PROTOCOLS; i++)
		if (!strcmp(name, names[i]))
			break;
	if (i == UNANSWERED_PROTOCOLS || !line || kstrtou32(line, 10, &seconds) ||
	    !seconds || seconds > LIMIT_MAX)
		return -EINVAL;
	limits[i] = seconds;
	return 0;
}

int ivb_unanswered_write(struct director *director, char *text)
{
	u32 limits[UNANSWERED_PROTOCOLS];
	unsigned int number = 0, i;
	char *line;

	memcpy(limits, director->unanswered_limit, sizeof(limits));
	while ((line = strsep(&text, "\n"))) {
		number++;
		if (*line && parse(line, limits))
			return ivb_refuse(director->unanswered_error, -EINVAL, number,
					  "expected \"tcp|udp|sctp SECONDS\", 1 to %u",
					  LIMIT_MAX);
	}
	for (i = 0; i < UNANSWERED_PROTOCOLS; i++)
		WRITE_ONCE(director->unanswered_limit[i], limits[i]);
	return 0;
}

void ivb_unanswered_show(struct director *director, struct seq_file *seq)
{
	unsigned int i;

	for (i = 0; i < UNANSWERED_PROTOCOLS; i++)
		seq_printf(seq, "%s %u\n", names[i],
			   director->unanswered_limit[i]);
}
