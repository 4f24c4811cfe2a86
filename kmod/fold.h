/* SPDX-License-Identifier: GPL-2.0-only */
/* The sessions that have leases: what was counted, and what ends a lease (fold.c). */
#ifndef IP_VS_BPF_FOLD_H
#define IP_VS_BPF_FOLD_H

#include "ip_vs_bpf.h"

void fold_begin(struct session *session);
void fold_end(struct session *session);
void fold_rest(struct director *director);
void fold_init(struct director *director);
void fold_exit(struct director *director);

#endif
