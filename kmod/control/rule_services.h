/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers and ends the services that rules make (rule_services.c). */
#ifndef IP_VS_BPF_CONTROL_RULE_SERVICES
#define IP_VS_BPF_CONTROL_RULE_SERVICES

#include "table/director.h"

void ivb_rule_services_init(struct director *director);
void ivb_rule_services_exit(struct director *director);

#endif
