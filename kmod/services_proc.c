// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/ip_vs_bpf/services. Writing takes one change a line:
 *
 *     + PROTOCOL ADDRESS:PORT POOL    full NAT from that pool from now on
 *     - PROTOCOL ADDRESS:PORT         native again; sessions live on
 *
 * or one of these alone:
 *
 *     = OLD NEW ipv4|ipv6    pool NEW gets what OLD has of that family:
 *                            addresses, services and rules
 *     flush                  the sessions that so live on end
 *
 * PROTOCOL is tcp, udp or sctp; ADDRESS is in brackets where it is IPv6. Reading
 * gives the listed services, those that a rule made, and those whose sessions outlive
 * them:
 *
 *     PROTOCOL ADDRESS:PORT POOL sessions N
 *     PROTOCOL ADDRESS:PORT POOL sessions N rule
 *     PROTOCOL ADDRESS:PORT - sessions N
 */
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "leases.h"
#include "rules.h"
#include "services.h"

/* One more than the longest ADDRESS:PORT. */
#define ENDPOINT_SIZE 56

/* "tcp 10.0.0.1:80", "tcp [fd00::1]:80" */
static bool parse_key(char **line, struct service_key *key)
{
	char *name = strsep(line, " ");
	char *endpoint = strsep(line, " ");

	return endpoint && protocol_parse(name, &key->protocol) &&
	       endpoint_parse(endpoint, &key->family, &key->vaddr, &key->vport);
}

static int refuse_key(struct director *director, int code, unsigned int number,
		      const struct service_key *key, const char *why)
{
	char words[ENDPOINT_SIZE];

	endpoint_words(words, sizeof(words), key->family, &key->vaddr, key->vport);
	return refuse(director->services_error, code, number, "%s %s", words, why);
}

/* The service of that key, which IPVS calls us for; a new one is not listed yet. */
static struct service *service_get(struct director *director,
				   const struct service_key *key)
{
	struct service *new = service_new(director, key, GFP_KERNEL);
	struct service *service;
	int err;

	if (!new)
		return ERR_PTR(-ENOMEM);
	spin_lock_bh(&director->services_lock);
	service = service_find(director, key->family, key->protocol, &key->vaddr,
			       key->vport);
	if (!service) {
		service_insert(director, new);
		swap(service, new);
	}
	spin_unlock_bh(&director->services_lock);
	kfree(new);
	err = service_register(director, service);
	return err ? ERR_PTR(err) : service;
}

static int prepare_set(struct director *director, const struct service_key *key,
		       const char *pool_name, unsigned int number)
{
	struct pool *pool = pool_find(director, pool_name);
	char *error = director->services_error;
	struct service *service;

	if (!IS_ENABLED(CONFIG_IP_VS_IPV6) && key->family == AF_INET6)
		return refuse(error, -EAFNOSUPPORT, number,
			      "this kernel's IPVS has no IPv6 (CONFIG_IP_VS_IPV6)");
	if (!pool)
		return refuse(error, -ENOENT, number, "no pool \"%.15s\"", pool_name);
	if (!rcu_access_pointer(pool->half[family_index(key->family)].ips))
		return refuse(error, -ENOENT, number,
			      "pool \"%.15s\" has no %s address", pool_name,
			      key->family == AF_INET6 ? "IPv6" : "IPv4");
	service = service_get(director, key);
	if (service == ERR_PTR(-EEXIST))
		return refuse(error, -EEXIST, number,
			      "another IPVS application (ip_vs_ftp?) holds port %u",
			      ntohs(key->vport));
	if (service == ERR_PTR(-EPROTONOSUPPORT))
		return refuse(error, -EPROTONOSUPPORT, number,
			      "this kernel's IPVS does not know %s",
			      protocol_name(key->protocol));
	if (IS_ERR(service))
		return refuse(error, PTR_ERR(service), number,
			      "the service could not be registered");
	service->next_pool = pool;
	service->pending = SERVICE_SET;
	return 0;
}

/* One line: checked, and noted in the service; nothing takes effect yet. */
static int prepare(struct director *director, char *line, unsigned int number)
{
	char *error = director->services_error;
	char *sign = strsep(&line, " ");
	bool set = !strcmp(sign, "+");
	struct service *service;
	struct service_key key;
	char *pool = NULL;
	bool valid;

	valid = (set || !strcmp(sign, "-")) && parse_key(&line, &key);
	if (valid && set)
		pool = strsep(&line, " ");
	if (!valid || (set && !pool) || line)
		return refuse(error, -EINVAL, number,
			      "expected \"+ tcp|udp|sctp ADDRESS:PORT POOL\" or \"- tcp|udp|sctp ADDRESS:PORT\"");
	service = service_find(director, key.family, key.protocol, &key.vaddr,
			       key.vport);
	if (service && service->pending != SERVICE_UNTOUCHED)
		return refuse_key(director, -EINVAL, number, &key, "is named twice");
	if (set)
		return prepare_set(director, &key, pool, number);
	if (service && service->by_rule)
		return refuse_key(director, -ENOENT, number, &key,
				  "is a full-NAT service by a rule");
	if (!service || !service->listed)
		return refuse_key(director, -ENOENT, number, &key,
				  "is no full-NAT service");
	service->pending = SERVICE_REMOVE;
	return 0;
}

static void commit_one(struct director *director, struct service *service,
		       void *unused)
{
	struct pool *pool = service_pool(director, service);
	int half = family_index(service->family);

	if (service->pending == SERVICE_UNTOUCHED)
		return;
	/* What a rule lists uses its pool through the rule. */
	if (service->listed && !service->by_rule)
		pool->half[half].users--;
	service_leaves_rules(director, service);
	if (service->pending == SERVICE_SET) {
		rcu_assign_pointer(service->pool, service->next_pool);
		service->next_pool->half[half].users++;
	}
	/* Who sees it listed sees its pool too. */
	smp_store_release(&service->listed, service->pending == SERVICE_SET);
	service->pending = SERVICE_UNTOUCHED;
}

static void forget_one(struct director *director, struct service *service,
		       void *unused)
{
	service->pending = SERVICE_UNTOUCHED;
}

/* Makes what the lines asked for effective, or forgets it. */
static void finish(struct director *director, bool commit)
{
	/* IPVS has forgotten a service before it leaves the list. A packet that had
	 * found it there still becomes a session.
	 */
	synchronize_rcu();
	services_for_each(director, commit ? commit_one : forget_one, NULL);
	/* Afterwards no packet takes an unlisted service for listed. */
	synchronize_rcu();
	services_reap(director);
}

static int refuse_hand_over(struct director *director, int code, const char *from,
			    const char *to, const char *family)
{
	char *error = director->services_error;

	switch (code) {
	case -ENOENT:
		return refuse(error, code, 1, "pool \"%.15s\" has no %s address",
			      from, family);
	case -EEXIST:
		return refuse(error, code, 1, "pool \"%.15s\" has addresses of %s",
			      to, family);
	case -EINVAL:
		return refuse(error, code, 1,
			      "expected \"= OLD NEW ipv4|ipv6\" and nothing else");
	default:
		return code;
	}
}

struct hand_over {
	struct pool *from, *to;
	int half;
};

static void hand_over_one(struct director *director, struct service *service,
			  void *data)
{
	const struct hand_over *pools = data;

	if (service->listed && service_pool(director, service) == pools->from &&
	    family_index(service->family) == pools->half)
		rcu_assign_pointer(service->pool, pools->to);
}

/* A pool that services use cannot lose its last address, and no service can use a
 * pool without one, so the two change together. No packet finds its service without
 * an address: the new pool has them before the first service draws from there, the
 * old one until a grace period after the last service did.
 */
static int hand_over(struct director *director, char *line)
{
	char *sign, *from_name, *to_name, *family;
	struct pool *from, *to;
	int half;

	line = strim(line);
	/* A second line would become part of a name. */
	if (strchr(line, '\n'))
		return refuse_hand_over(director, -EINVAL, "", "", "");
	sign = strsep(&line, " ");
	from_name = strsep(&line, " ");
	to_name = strsep(&line, " ");
	family = line;
	if (strcmp(sign, "=") || !family ||
	    (strcmp(family, "ipv4") && strcmp(family, "ipv6")))
		return refuse_hand_over(director, -EINVAL, "", "", "");
	half = strcmp(family, "ipv6") ? IPV4 : IPV6;
	from = pool_find(director, from_name);
	to = from ? pool_share(director, from, to_name, half) : ERR_PTR(-ENOENT);
	if (IS_ERR(to))
		return refuse_hand_over(director, PTR_ERR(to), from_name, to_name,
					family);
	/* Afterwards no packet makes a service that draws from the old pool. */
	rules_hand_over(director, from, to, half);
	synchronize_rcu();
	services_for_each(director, hand_over_one,
			  &(struct hand_over){ from, to, half });
	to->half[half].users = from->half[half].users;
	from->half[half].users = 0;
	synchronize_rcu();
	pool_cede(director, from, to, half);
	return 0;
}

int services_write(struct director *director, char *text)
{
	unsigned int number = 0;
	int err = 0;
	char *line;

	if (sysfs_streq(text, "flush")) {
		sessions_flush(director);
		services_reap(director);
		return 0;
	}
	if (*text == '=')
		return hand_over(director, text);
	err = services_hook(director);
	if (err)
		return refuse(director->services_error, err, 0,
			      "the netfilter hooks could not be set");
	while (!err && (line = strsep(&text, "\n"))) {
		number++;
		if (*line)
			err = prepare(director, line, number);
		cond_resched();
	}
	finish(director, !err);
	if (!err)
		leases_revoke(director);
	return err;
}

static void show_one(struct director *director, struct service *service, void *data)
{
	char words[ENDPOINT_SIZE];
	struct seq_file *seq = data;

	endpoint_words(words, sizeof(words), service->family, &service->vaddr,
		       service->vport);
	seq_printf(seq, "%s %s %s sessions %d%s\n", protocol_name(service->protocol),
		   words,
		   service->listed ? service_pool(director, service)->name : "-",
		   atomic_read(&service->sessions),
		   service->listed && service->by_rule ? " rule" : "");
}

void services_show(struct director *director, struct seq_file *seq)
{
	services_for_each(director, show_one, seq);
}
