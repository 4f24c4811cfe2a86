// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registered maps of the fast path, and their release.
 */
#include <linux/slab.h>

#include "table/director.h"
#include "table/flow_table.h"

void ivb_maps_free(struct maps *maps)
{
	int family;

	if (!maps)
		return;
	ivb_flow_table_exit(maps);
	for (family = 0; family < FAMILIES; family++)
		if (maps->flows[family])
			bpf_map_put(maps->flows[family]);
	if (maps->control)
		bpf_map_put(maps->control);
	kvfree(maps);
}
