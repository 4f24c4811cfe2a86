/* SPDX-License-Identifier: GPL-2.0-only */
/* The link-layer addresses in leases (neighbours.c). */
#ifndef IP_VS_BPF_NEIGHBOURS_H
#define IP_VS_BPF_NEIGHBOURS_H

#include "table/director.h"
#include "table/maps.h"

struct neighbour;

bool ivb_neighbour_address(struct maps *maps, const struct neighbour *neigh, u8 *address);
int ivb_neighbours_module_init(void);
void ivb_neighbours_module_exit(void);

#endif
