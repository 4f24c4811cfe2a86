/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes rules take effect (rules.c). */
#ifndef IP_VS_BPF_CONTROL_RULES
#define IP_VS_BPF_CONTROL_RULES

#include "table/rules.h"

void ivb_rules_take_effect(struct director *director, struct rules *rules);
void ivb_rules_follow(struct director *director);
void ivb_rules_hand_over(struct director *director, struct pool *from, struct pool *to,
			 int half);

#endif
