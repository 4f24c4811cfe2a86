/* SPDX-License-Identifier: GPL-2.0-only */
/* The choice of a session's local IP and port (local_ports.c). */
#ifndef IP_VS_BPF_SESSION_LOCAL_PORTS
#define IP_VS_BPF_SESSION_LOCAL_PORTS

#include "table/session.h"

int ivb_local_port_choose(const struct lip_array *ips, struct session *session);

#endif
