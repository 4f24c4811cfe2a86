/* SPDX-License-Identifier: GPL-2.0-only */
/* The ports of bonds where frames come in at XDP (bond_ports.c). */
#ifndef IP_VS_BPF_BOND_PORTS_H
#define IP_VS_BPF_BOND_PORTS_H

#include "table/director.h"

void ivb_bond_ports_update(struct director *director);

#endif
