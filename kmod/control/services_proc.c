// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/ip_vs_bpf/services. A write has one change per line:
 *
 *     + PROTOCOL ADDRESS:PORT POOL        full NAT from that pool from now on
 *     + PROTOCOL ADDRESS:PORT POOL toa    servers also get the client's address
 *                                         (packet/toa.c); TCP only
 *     - PROTOCOL ADDRESS:PORT             native again; existing sessions go on
 *
 * or one of these alone:
 *
 *     = OLD NEW ipv4|ipv6    pool NEW gets what OLD has of that family:
 *                            addresses, services and rules
 *     flush                  end the sessions of removed services
 *
 * PROTOCOL is tcp, udp or sctp. An IPv6 ADDRESS is in brackets. PORT 0 is every port for
 * which IPVS has no other service. "fwmark MARK" or, for IPv6, "fwmark6 MARK" may be
 * there in place of PROTOCOL ADDRESS:PORT. A read returns the listed services, those that
 * a rule or a service of many destinations made, and those that were removed but still
 * have sessions:
 *
 *     PROTOCOL ADDRESS:PORT POOL sessions N
 *     PROTOCOL ADDRESS:PORT POOL sessions N rule
 *     PROTOCOL ADDRESS:PORT POOL sessions N of fwmark MARK
 *     PROTOCOL ADDRESS:PORT POOL sessions N of PROTOCOL ADDRESS:0
 *     PROTOCOL ADDRESS:PORT - sessions N
 *
 * with "toa" after the POOL if servers get the client's address.
 */
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "control/flush.h"
#include "control/proc.h"
#include "control/rules.h"
#include "control/services.h"
#include "control/text.h"
#include "session/leases.h"

/* One more than the longest name: that of SCTP and an IPv6 address. */
#define NAME_SIZE 64

/* Parses the rest of "fwmark 7" or "fwmark6 7". */
static bool parse_mark(const char *number, u8 family, struct service_key *key)
{
	u32 mark;

	if (kstrtou32(number, 10, &mark) || !mark)
		return false;
	key->family = family;
	key->vaddr.ip = (__force __be32)mark;
	return true;
}

/* Parses "tcp 10.0.0.1:80", "tcp [fd00::1]:80", "fwmark 7" or "fwmark6 7". */
static bool parse_key(char **line, struct service_key *key)
{
	char *name = strsep(line, " ");
	char *rest = strsep(line, " ");

	memset(key, 0, sizeof(*key));
	if (!rest)
		return false;
	if (!strcmp(name, "fwmark"))
		return parse_mark(rest, AF_INET, key);
	if (!strcmp(name, "fwmark6"))
		return parse_mark(rest, AF_INET6, key);
	return ivb_protocol_parse(name, &key->protocol) &&
	       ivb_endpoint_parse(rest, &key->family, &key->vaddr, &key->vport);
}

static void print_mark(char *name, u8 family, u32 mark)
{
	snprintf(name, NAME_SIZE, "fwmark%s %u", family == AF_INET6 ? "6" : "", mark);
}

static void print_endpoint(char *name, u8 family, u8 protocol,
			   const union nf_inet_addr *vaddr, __be16 vport)
{
	int length = snprintf(name, NAME_SIZE, "%s ", ivb_protocol_name(protocol));

	ivb_endpoint_print(name + length, NAME_SIZE - length, family, vaddr, vport);
}

/* The name of a service, as parse_key() reads it. */
static void print_name(char *name, u8 family, u8 protocol,
		       const union nf_inet_addr *vaddr, __be16 vport)
{
	if (protocol)
		print_endpoint(name, family, protocol, vaddr, vport);
	else
		print_mark(name, family, (__force u32)vaddr->ip);
}

static int refuse_key(struct director *director, int code, unsigned int number,
		      const struct service_key *key, const char *why)
{
	char name[NAME_SIZE];

	print_name(name, key->family, key->protocol, &key->vaddr, key->vport);
	return ivb_refuse(director->services_error, code, number, "%s %s", name, why);
}

/* Returns the service with that key, registered so that IPVS calls us for it, however
 * many ports clients have chosen. A wide one has no port to register: those that it makes
 * do. A new one is not listed yet. Returns -ENOSPC if there are too many, else what
 * ivb_service_register() returns.
 */
static struct service *service_get(struct director *director,
				   const struct service_key *key)
{
	struct service *new = ivb_service_new(director, key, GFP_KERNEL_ACCOUNT);
	struct service *service;
	int err;

	if (!new)
		return ERR_PTR(-ENOMEM);
	spin_lock_bh(&director->services_lock);
	service = ivb_service_find_key(director, key);
	if (!service && director->service_count - director->rule_services < SERVICES_MAX) {
		ivb_service_insert(director, new);
		swap(service, new);
	}
	spin_unlock_bh(&director->services_lock);
	kfree(new);
	if (!service)
		return ERR_PTR(-ENOSPC);
	err = service_is_wide(service) ? 0 :
					 ivb_service_register(director, service, U32_MAX);
	return err ? ERR_PTR(err) : service;
}

static int prepare_set(struct director *director, const struct service_key *key,
		       const char *pool_name, bool toa, unsigned int number)
{
	struct pool *pool = ivb_pool_find(director, pool_name);
	char *error = director->services_error;
	struct service *service;

	if (!IS_ENABLED(CONFIG_IP_VS_IPV6) && key->family == AF_INET6)
		return ivb_refuse(error, -EAFNOSUPPORT, number,
				  "this kernel's IPVS has no IPv6 (CONFIG_IP_VS_IPV6)");
	if (toa && key->protocol && key->protocol != IPPROTO_TCP)
		return ivb_refuse(error, -EINVAL, number,
				  "\"toa\" is for TCP only, not for %s",
				  ivb_protocol_name(key->protocol));
	if (!pool)
		return ivb_refuse(error, -ENOENT, number, "no pool \"%.15s\"", pool_name);
	if (!rcu_access_pointer(pool->half[family_index(key->family)].ips))
		return ivb_refuse(error, -ENOENT, number,
				  "pool \"%.15s\" has no %s address", pool_name,
				  key->family == AF_INET6 ? "IPv6" : "IPv4");
	service = service_get(director, key);
	if (service == ERR_PTR(-EEXIST))
		return ivb_refuse(error, -EEXIST, number,
				  "another IPVS application (ip_vs_ftp?) holds port %u",
				  ntohs(key->vport));
	if (service == ERR_PTR(-EPROTONOSUPPORT))
		return ivb_refuse(error, -EPROTONOSUPPORT, number,
				  "this kernel's IPVS does not know %s",
				  ivb_protocol_name(key->protocol));
	if (service == ERR_PTR(-ENOSPC))
		return ivb_refuse(error, -ENOSPC, number, "more than %u services",
				  SERVICES_MAX);
	if (IS_ERR(service))
		return ivb_refuse(error, PTR_ERR(service), number,
				  "the service could not be registered");
	service->next_pool = pool;
	service->next_toa = toa;
	service->pending = SERVICE_SET;
	return 0;
}

/* Checks one line and notes it in the service. Nothing takes effect yet. */
static int prepare(struct director *director, char *line, unsigned int number)
{
	char *error = director->services_error;
	char *sign = strsep(&line, " ");
	bool set = !strcmp(sign, "+");
	struct service *service;
	struct service_key key;
	char *pool = NULL, *toa = NULL;
	bool valid;

	valid = (set || !strcmp(sign, "-")) && parse_key(&line, &key);
	if (valid && set) {
		pool = strsep(&line, " ");
		toa = strsep(&line, " ");
	}
	if (!valid || (set && !pool) || line || (toa && strcmp(toa, "toa")))
		return ivb_refuse(error, -EINVAL, number,
				  "expected \"+ tcp|udp|sctp ADDRESS:PORT POOL [toa]\" or \"- tcp|udp|sctp ADDRESS:PORT\", or \"fwmark MARK\" there");
	service = ivb_service_find_key(director, &key);
	if (service && service->pending != SERVICE_UNTOUCHED)
		return refuse_key(director, -EINVAL, number, &key, "is named twice");
	if (set)
		return prepare_set(director, &key, pool, toa, number);
	if (service && service->by_rule)
		return refuse_key(director, -ENOENT, number, &key,
				  "is already a full-NAT service by a rule");
	if (!service || !service->listed)
		return refuse_key(director, -ENOENT, number, &key,
				  "is not a full-NAT service");
	service->pending = SERVICE_REMOVE;
	return 0;
}

static void commit_one(struct director *director, struct service *service,
		       void *unused)
{
	struct pool *pool = ivb_service_pool(director, service);
	int half = family_index(service->family);

	if (service->pending == SERVICE_UNTOUCHED)
		return;
	/* A service that a rule lists uses its pool through the rule. */
	if (service->listed && !service->by_rule)
		pool->half[half].users--;
	ivb_service_leaves_rules(director, service);
	if (service->pending == SERVICE_SET) {
		rcu_assign_pointer(service->pool, service->next_pool);
		service->next_pool->half[half].users++;
		WRITE_ONCE(service->toa, service->next_toa);
	}
	/* A reader that sees it listed also sees its pool. */
	smp_store_release(&service->listed, service->pending == SERVICE_SET);
	service->pending = SERVICE_UNTOUCHED;
}

static void forget_one(struct director *director, struct service *service,
		       void *unused)
{
	service->pending = SERVICE_UNTOUCHED;
}

/* Commits the changes of all lines, or forgets them. */
static void finish(struct director *director, bool commit)
{
	/* IPVS has forgotten a service before it is removed from the list. A packet
	 * that had found it there still becomes a session.
	 */
	synchronize_rcu();
	ivb_services_for_each(director, commit ? commit_one : forget_one, NULL);
	/* After this, no packet takes an unlisted service for listed. */
	synchronize_rcu();
	if (READ_ONCE(director->rule_services))
		ivb_rules_follow(director);
	ivb_services_reap(director);
}

static int refuse_hand_over(struct director *director, int code, const char *from,
			    const char *to, const char *family)
{
	char *error = director->services_error;

	switch (code) {
	case -ENOENT:
		return ivb_refuse(error, code, 1, "pool \"%.15s\" has no %s address",
				  from, family);
	case -EEXIST:
		return ivb_refuse(error, code, 1, "pool \"%.15s\" has addresses of %s",
				  to, family);
	case -EINVAL:
		return ivb_refuse(error, code, 1,
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

	if (service->listed && ivb_service_pool(director, service) == pools->from &&
	    family_index(service->family) == pools->half)
		rcu_assign_pointer(service->pool, pools->to);
}

/* A pool that services use cannot lose its last address, and no service can use a pool
 * without one, so the two change together. No packet finds its service without an
 * address: the new pool has the addresses before the first service draws from it, and
 * the old one keeps them until a grace period after the last service did.
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
	from = ivb_pool_find(director, from_name);
	to = from ? ivb_pool_share(director, from, to_name, half) : ERR_PTR(-ENOENT);
	if (IS_ERR(to))
		return refuse_hand_over(director, PTR_ERR(to), from_name, to_name,
					family);
	ivb_rules_hand_over(director, from, to, half);
	ivb_services_for_each(director, hand_over_one,
			      &(struct hand_over){ from, to, half });
	to->half[half].users = from->half[half].users;
	from->half[half].users = 0;
	/* Until here, a packet may have found the old pool in a rule or in a wide service,
	 * and have given it to a service whose bucket had been visited already. After
	 * this, no packet finds it there, so those services can follow.
	 */
	synchronize_rcu();
	if (READ_ONCE(director->rule_services))
		ivb_rules_follow(director);
	ivb_pool_hand_over(director, from, to, half);
	return 0;
}

int ivb_services_write(struct director *director, char *text)
{
	unsigned int number = 0;
	int err = 0;
	char *line;

	if (sysfs_streq(text, "flush")) {
		ivb_sessions_flush(director);
		ivb_services_reap(director);
		return 0;
	}
	if (*text == '=')
		return hand_over(director, text);
	err = ivb_services_hook(director);
	if (err)
		return ivb_refuse(director->services_error, err, 0,
				  "the netfilter hooks could not be set");
	while (!err && (line = strsep(&text, "\n"))) {
		number++;
		if (*line)
			err = prepare(director, line, number);
		cond_resched();
	}
	finish(director, !err);
	if (!err)
		ivb_leases_revoke(director);
	return err;
}

/* Shows what made a listed service. */
static void show_maker(struct seq_file *seq, const struct service *service)
{
	char name[NAME_SIZE];

	if (service->mark)
		print_mark(name, service->family, service->mark);
	else
		print_endpoint(name, service->family, service->protocol,
			       &service->vaddr, 0);
	if (service->mark || service->every_port)
		seq_printf(seq, " of %s", name);
	else if (service->by_rule)
		seq_puts(seq, " rule");
}

static void show_one(struct director *director, struct service *service, void *data)
{
	char name[NAME_SIZE];
	struct seq_file *seq = data;

	print_name(name, service->family, service->protocol, &service->vaddr,
		   service->vport);
	seq_printf(seq, "%s %s%s sessions %d", name,
		   service->listed ? ivb_service_pool(director, service)->name : "-",
		   service->listed && service->toa ? " toa" : "",
		   atomic_read(&service->sessions));
	if (service->listed)
		show_maker(seq, service);
	seq_putc(seq, '\n');
}

void ivb_services_show(struct director *director, struct seq_file *seq)
{
	ivb_services_for_each(director, show_one, seq);
}
