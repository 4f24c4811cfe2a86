/* SPDX-License-Identifier: GPL-2.0-only */
/* The full-NAT services of a director (services.c), and their file (services_proc.c). */
#ifndef IP_VS_BPF_SERVICES_H
#define IP_VS_BPF_SERVICES_H

#include "ip_vs_bpf.h"

/* What names a service. */
struct service_key {
	union nf_inet_addr vaddr;
	__be16 vport;
	u8 protocol;
	u8 family;
};

static inline struct pool *service_pool(struct director *director,
					struct service *service)
{
	return rcu_dereference_protected(service->pool,
					 lockdep_is_held(&director->config));
}

void services_for_each(struct director *director,
		       void (*call)(struct director *director,
				    struct service *service, void *data),
		       void *data);
struct service *service_new(struct director *director, const struct service_key *key,
			    gfp_t gfp);
void service_insert(struct director *director, struct service *service);
int service_register(struct director *director, struct service *service);
void service_leaves_rules(struct director *director, struct service *service);
int services_hook(struct director *director);

#endif
