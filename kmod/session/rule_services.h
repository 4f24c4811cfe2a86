/* SPDX-License-Identifier: GPL-2.0-only */
/* The services that rules make (rule_services.c). */
#ifndef IP_VS_BPF_SESSION_RULE_SERVICES
#define IP_VS_BPF_SESSION_RULE_SERVICES

#include <linux/jiffies.h>

#include "table/cover.h"

#define RULE_SERVICE_SWEEP (15 * HZ)
#define RULE_SERVICE_IDLE_WHERE_FULL HZ

struct service *ivb_rule_service_get(struct director *director, const struct cover *cover,
				     const struct ip_vs_conn *cp);

/* Notes that a packet of the service came. */
static inline void rule_service_used(struct service *service)
{
	unsigned long now = jiffies;

	if (now - READ_ONCE(service->used) > HZ)
		WRITE_ONCE(service->used, now);
}

#endif
