/* SPDX-License-Identifier: GPL-2.0-only */
/* Applications that are registered with IPVS, one for each port (port_apps.c). */
#ifndef IP_VS_BPF_CONTROL_PORT_APPS
#define IP_VS_BPF_CONTROL_PORT_APPS

#include "table/services.h"

struct port_app *ivb_port_app_get(struct director *director, u8 protocol, __be16 port,
				  u32 most);
void ivb_port_app_put(struct director *director, struct port_app *app);
void ivb_port_apps_purge(struct director *director);
void ivb_port_apps_leave(struct director *director);

#endif
