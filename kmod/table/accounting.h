/* SPDX-License-Identifier: GPL-2.0-only */
/* IPVS's own counters (accounting.c). */
#ifndef IP_VS_BPF_TABLE_ACCOUNTING
#define IP_VS_BPF_TABLE_ACCOUNTING

#include <net/ip_vs.h>

void ivb_account(struct ip_vs_conn *cp, u8 direction, u64 packets, u64 bytes);

#endif
