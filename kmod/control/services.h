/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers full-NAT services with IPVS, and ends them (services.c). */
#ifndef IP_VS_BPF_CONTROL_SERVICES
#define IP_VS_BPF_CONTROL_SERVICES

#include "table/services.h"

int ivb_service_register(struct director *director, struct service *service, u32 most);
int ivb_services_hook(struct director *director);
void ivb_services_reap(struct director *director);
void ivb_services_exit(struct director *director);

#endif
