/* SPDX-License-Identifier: GPL-2.0-only */
/* The sessions that have leases: what was counted, and what ends a lease (fold.c). */
#ifndef IP_VS_BPF_FOLD_H
#define IP_VS_BPF_FOLD_H

#include "table/director.h"
#include "table/session.h"

void ivb_fold_begin(struct session *session);
void ivb_fold_end(struct session *session);
void ivb_fold_rest(struct director *director);
void ivb_fold_init(struct director *director);
void ivb_fold_exit(struct director *director);

#endif
