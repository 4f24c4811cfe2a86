// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers an application with IPVS for each protocol and port that a full-NAT service
 * uses. IPVS then calls ivb_session_init_conn() for every new masqueraded connection to
 * that port, and ivb_session_done_conn() at its end.
 *
 * unregister_ip_vs_app() (net/netfilter/ipvs/ip_vs_app.c) finds by name and frees every
 * incarnation of the name, even while connections point at one. So each protocol and
 * port is an application with its own name. It is unregistered only when no service
 * needs it: a service stays until its last session has ended, so no connection is bound
 * any more. The name is passed in an application of ours: IPVS frees its own copy, and
 * continues to compare names.
 *
 * At that moment, a packet of a native service on the same port may be between finding
 * the incarnation and taking a reference through the application. The incarnation is
 * freed after a grace period, but the application at once. So the incarnation is first
 * changed to fit no port that IPVS looks for in its hash bucket, and unregistered only
 * a grace period later.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "control/port_apps.h"
#include "packet/application.h"
#include "table/director.h"

static char app_name[] = "ip_vs_bpf";

static const struct ip_vs_app template = {
	.name = app_name,
	.type = IP_VS_APP_TYPE_FTP, /* not used by IPVS, there is no other type */
	.module = THIS_MODULE,
	.init_conn = ivb_session_init_conn,
	.done_conn = ivb_session_done_conn,
};

/* The list of IPVS that has the port: tcp_app_hashkey(), and the same for UDP and SCTP. */
static u16 list_of(__be16 port)
{
	return ((__force u16)port >> TCP_APP_TAB_BITS ^ (__force u16)port) &
	       TCP_APP_TAB_MASK;
}

/* Returns NULL if there is none. Then neighbours is the number of those in its list. */
static struct port_app *find(struct director *director, u8 protocol, __be16 port,
			     u32 *neighbours)
{
	struct port_app *app;

	*neighbours = 0;
	list_for_each_entry(app, &director->port_apps, list) {
		if (app->protocol != protocol)
			continue;
		if (app->port == port)
			return app;
		*neighbours += list_of(app->port) == list_of(port);
	}
	return NULL;
}

static void unregister_app(struct director *director, struct port_app *app)
{
	struct ip_vs_app named = { .name = app->name };

	unregister_ip_vs_app(net_ipvs(director->net), &named);
}

static int register_app(struct director *director, struct port_app *app)
{
	struct netns_ipvs *ipvs = net_ipvs(director->net);
	struct ip_vs_app *registered, named = template;
	int err;

	if (!ipvs)
		return -ENOENT;
	named.name = app->name;
	named.protocol = app->protocol;
	registered = register_ip_vs_app(ipvs, &named);
	if (IS_ERR(registered))
		return PTR_ERR(registered);
	err = register_ip_vs_app_inc(ipvs, registered, app->protocol,
				     ntohs(app->port));
	if (err) {
		unregister_app(director, app);
		return err;
	}
	app->inc = list_first_entry(&registered->incs_list, struct ip_vs_app, a_list);
	app->app = registered;
	return 0;
}

/* Returns the port's application for one more service that needs it, and registers it
 * if necessary. Returns -EEXIST if another application has the port, -ENOSPC if its list
 * in IPVS has most applications of ours or more.
 */
struct port_app *ivb_port_app_get(struct director *director, u8 protocol, __be16 port,
				  u32 most)
{
	u32 neighbours;
	struct port_app *app = find(director, protocol, port, &neighbours);
	int err;

	if (app) {
		app->services++;
		return app;
	}
	if (neighbours >= most)
		return ERR_PTR(-ENOSPC);
	app = kzalloc(sizeof(*app), GFP_KERNEL_ACCOUNT);
	if (!app)
		return ERR_PTR(-ENOMEM);
	app->protocol = protocol;
	app->port = port;
	app->services = 1;
	snprintf(app->name, sizeof(app->name), "ip_vs_bpf_%u_%u", protocol,
		 ntohs(port));
	err = register_app(director, app);
	if (err) {
		kfree(app);
		return ERR_PTR(err);
	}
	list_add(&app->list, &director->port_apps);
	return app;
}

/* Called when new packets no longer find the caller's service. The application is
 * unregistered by the next ivb_port_apps_purge().
 */
void ivb_port_app_put(struct director *director, struct port_app *app)
{
	if (--app->services)
		return;
	/* For any port, the lowest bit selects the bucket (tcp_app_hashkey(),
	 * udp_app_hashkey()), so no port of this bucket is equal now.
	 */
	WRITE_ONCE(app->inc->port, app->port ^ (__force __be16)1);
	list_move(&app->list, &director->dying_port_apps);
}

/* Unregisters what ivb_port_app_put() left. Waits for a grace period. */
void ivb_port_apps_purge(struct director *director)
{
	struct port_app *app, *next;

	if (list_empty(&director->dying_port_apps))
		return;
	synchronize_rcu();
	list_for_each_entry_safe(app, next, &director->dying_port_apps, list) {
		list_del(&app->list);
		unregister_app(director, app);
		kfree(app);
		cond_resched();
	}
}

/* Called when the namespace ends. IPVS will free what is still registered, after we
 * have freed the names.
 */
void ivb_port_apps_leave(struct director *director)
{
	struct port_app *app;

	list_for_each_entry(app, &director->port_apps, list) {
		app->inc->name = app_name;
		app->app->name = app_name;
	}
}
