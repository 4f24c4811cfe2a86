/* SPDX-License-Identifier: GPL-2.0-only */
/* The link-layer addresses that leases have (neighbours.c). */
#ifndef IP_VS_BPF_NEIGHBOURS_H
#define IP_VS_BPF_NEIGHBOURS_H

#include "ip_vs_bpf.h"

struct neighbour;

bool neighbour_address(struct maps *maps, const struct neighbour *neigh, u8 *address);
int neighbours_module_init(void);
void neighbours_module_exit(void);

#endif
