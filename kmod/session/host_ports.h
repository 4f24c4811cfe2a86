/* SPDX-License-Identifier: GPL-2.0-only */
/* Ports of local IPs that are the host's own (host_ports.c). */
#ifndef IP_VS_BPF_SESSION_HOST_PORTS
#define IP_VS_BPF_SESSION_HOST_PORTS

#include "table/local_ips.h"

struct ip_vs_conn;

bool ivb_host_has_port(struct net *net, const struct ip_vs_conn *cp,
		       struct local_ip *ip, __be16 port);

#endif
