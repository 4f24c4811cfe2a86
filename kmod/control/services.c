// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers full-NAT services with IPVS, and ends them. While there are services or
 * rules, the hooks are set and the module cannot be unloaded.
 */
#include <linux/module.h>

#include "control/port_apps.h"
#include "control/services.h"
#include "packet/hooks.h"
#include "session/devices.h"
#include "table/director.h"

/* After this, IPVS calls us for new connections to the service's port. Called under
 * config. Returns -EEXIST if another application has the port, -EPROTONOSUPPORT if IPVS
 * does not know the protocol, -ENOSPC if its list in IPVS has most applications of ours
 * or more.
 */
int ivb_service_register(struct director *director, struct service *service, u32 most)
{
	struct port_app *app;

	spin_lock_bh(&director->services_lock);
	list_del_init(&service->arrival);
	spin_unlock_bh(&director->services_lock);
	if (service->app)
		return 0;
	app = ivb_port_app_get(director, service->protocol, service->vport, most);
	if (IS_ERR(app))
		return PTR_ERR(app);
	/* Pairs with service_is_registered(). */
	smp_store_release(&service->app, app);
	return 0;
}

/* Deletes a service that has not been listed for a grace period or more and has no
 * connection.
 */
static void delete_if_unused(struct director *director, struct service *service,
			     void *unused)
{
	if (service->listed || atomic_read(&service->bound))
		return;
	ivb_service_delete(director, service);
	list_del(&service->arrival);
	ivb_service_leaves_rules(director, service);
	if (service->app)
		ivb_port_app_put(director, service->app);
	kfree_rcu(service, rcu);
}

/* After this, packets and IPVS call us. Called under config. */
int ivb_services_hook(struct director *director)
{
	int err;

	if (director->hooked)
		return 0;
	if (!try_module_get(THIS_MODULE))
		return -ENOENT;
	err = ivb_hooks_register(director->net);
	if (err) {
		module_put(THIS_MODULE);
		return err;
	}
	director->hooked = true;
	ivb_devices_forward(director->net);
	return 0;
}

static void unhook(struct director *director)
{
	if (!director->hooked)
		return;
	ivb_hooks_unregister(director->net);
	director->hooked = false;
	module_put(THIS_MODULE);
}

/* Frees the services that are neither listed nor used by a connection. Called under
 * config. Every such service was unlisted by a transaction that waited for a grace
 * period before it released config. So the count cannot rise again unless a rule lists
 * the service again, which services_lock excludes.
 */
void ivb_services_reap(struct director *director)
{
	ivb_services_for_each(director, delete_if_unused, NULL);
	ivb_port_apps_purge(director);
	/* There is nothing to do for packets. */
	if (hash_empty(director->services) && !rcu_access_pointer(director->rules))
		unhook(director);
}

static void unlist(struct director *director, struct service *service, void *unused)
{
	WRITE_ONCE(service->listed, false);
}

/* Called when the namespace ends. Services without sessions are deleted, so that the
 * applications of their ports can be unregistered here. The others keep theirs for
 * ivb_session_done_conn(). IPVS itself frees those after it has flushed its
 * connections, and we free the services with the director.
 */
void ivb_services_exit(struct director *director)
{
	unhook(director);
	ivb_services_for_each(director, unlist, NULL);
	synchronize_rcu();
	ivb_services_reap(director);
	ivb_port_apps_leave(director);
}
