/* SPDX-License-Identifier: GPL-2.0-only */
/* Changes of network devices (devices.c). */
#ifndef IP_VS_BPF_SESSION_DEVICES
#define IP_VS_BPF_SESSION_DEVICES

struct net;

void ivb_devices_forward(struct net *net);
int ivb_devices_module_init(void);
void ivb_devices_module_exit(void);

#endif
