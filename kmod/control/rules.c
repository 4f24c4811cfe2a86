// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes new rules take effect, in place of the old ones.
 */
#include "control/rules.h"
#include "control/services.h"
#include "table/cover.h"

static struct pool *pool_of(struct director *director, struct rule *rule)
{
	return rcu_dereference_protected(rule->pool, lockdep_is_held(&director->config));
}

static void use_pools(struct director *director, struct rules *rules, int by)
{
	unsigned int i;

	for (i = 0; rules && i < rules->rules; i++) {
		struct rule *rule = &rules->rule[i];

		pool_of(director, rule)->half[family_index(rule->family)].users += by;
	}
}

/* Updates a service that a rule or a wide service made to what covers it now. */
static void follow(struct director *director, struct service *service, void *unused)
{
	const struct destination to = {
		.vaddr = &service->vaddr,
		.mark = service->mark,
		.vport = service->vport,
		.protocol = service->protocol,
		.family = service->family,
	};
	struct cover cover;

	if (!service->by_rule || !service->listed)
		return;
	if (!ivb_cover_find(director, &to, &cover) ||
	    cover_mark(&cover) != service->mark) {
		WRITE_ONCE(service->listed, false);
		return;
	}
	rcu_assign_pointer(service->pool, ivb_cover_pool(&cover));
	WRITE_ONCE(service->every_port, cover_is_every_port(&cover));
	WRITE_ONCE(service->toa, ivb_cover_wants_toa(&cover, service->protocol));
}

/* Updates the services that rules and wide services made. Called under config, when
 * packets no longer make services by the previous rules, or with their previous pools.
 * Then waits for a grace period: after this, no packet sees an unlisted service as
 * listed, or uses a previous pool.
 */
void ivb_rules_follow(struct director *director)
{
	ivb_services_for_each(director, follow, NULL);
	synchronize_rcu();
}

/* Replaces the rules. NULL: none. Takes the new ones over. Called under config. */
void ivb_rules_take_effect(struct director *director, struct rules *rules)
{
	struct rules *old = rcu_replace_pointer(director->rules, rules,
						lockdep_is_held(&director->config));

	use_pools(director, rules, 1);
	/* After this, no packet makes a service by the old rules. */
	synchronize_rcu();
	ivb_rules_follow(director);
	use_pools(director, old, -1);
	ivb_rules_free(old);
	ivb_services_reap(director);
}

/* Makes rules that draw from one pool draw from the other, for one family. */
void ivb_rules_hand_over(struct director *director, struct pool *from, struct pool *to,
			 int half)
{
	struct rules *rules = rcu_dereference_protected(
		director->rules, lockdep_is_held(&director->config));
	unsigned int i;

	for (i = 0; rules && i < rules->rules; i++)
		if (pool_of(director, &rules->rule[i]) == from &&
		    family_index(rules->rule[i].family) == half)
			rcu_assign_pointer(rules->rule[i].pool, to);
}
