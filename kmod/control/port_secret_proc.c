// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/ip_vs_bpf/port_secret: the key of the choice of local ports
 * (session/local_ports.c). A write and a read are one word:
 *
 *     random    a random key that this director made itself
 *     KEY       32 hexadecimal digits, for directors that must choose the same ports
 *
 * Writing "random" makes a new key. Sessions keep their ports when the key changes.
 */
#include <linux/random.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "control/proc.h"
#include "control/text.h"

int ivb_port_secret_write(struct director *director, char *text)
{
	__le64 key[2];
	char *word = strim(text);
	bool is_random = !strcmp(word, "random");

	if (is_random)
		get_random_bytes(key, sizeof(key));
	else if (strlen(word) != 2 * sizeof(key) ||
		 hex2bin((u8 *)key, word, sizeof(key)))
		return ivb_refuse(director->port_secret_error, -EINVAL, 0,
				  "expected \"random\" or %zu hexadecimal digits",
				  2 * sizeof(key));
	/* A session that begins meanwhile may have its port by a mix of both keys. */
	WRITE_ONCE(director->port_key.key[0], le64_to_cpu(key[0]));
	WRITE_ONCE(director->port_key.key[1], le64_to_cpu(key[1]));
	director->port_key_is_random = is_random;
	return 0;
}

/* The mode of the file lets only the namespace's root read a key. */
void ivb_port_secret_show(struct director *director, struct seq_file *seq)
{
	__le64 key[2] = { cpu_to_le64(director->port_key.key[0]),
			  cpu_to_le64(director->port_key.key[1]) };

	if (director->port_key_is_random)
		seq_puts(seq, "random\n");
	else
		seq_printf(seq, "%*phN\n", (int)sizeof(key), key);
}
