/* SPDX-License-Identifier: GPL-2.0-only */
/* The devices that take frames from a program at XDP (xdp.c). */
#ifndef IP_VS_BPF_XDP_H
#define IP_VS_BPF_XDP_H

#include "ip_vs_bpf_abi.h"
#include "table/director.h"
#include "table/session.h"

void ivb_xdp_way(const struct director *director, const struct net_device *in,
		 const struct net_device *out, struct ipvs_bpf_lease *lease);
bool ivb_xdp_leaves(const struct session *session, u8 direction);
bool ivb_xdp_devices_changed(struct director *director);

#endif
