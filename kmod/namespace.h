/* SPDX-License-Identifier: GPL-2.0-only */
/* Begins and ends a director with its network namespace (namespace.c). */
#ifndef IP_VS_BPF_NAMESPACE_H
#define IP_VS_BPF_NAMESPACE_H

int ivb_namespaces_init(void);
void ivb_namespaces_exit(void);

#endif
