// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes of network devices. A lease has addresses, MTU and index of the one that its
 * packets leave by, so any such change ends all leases of the namespace.
 *
 * A route that a session keeps (routes.c) may hold a device that goes, for as long as the
 * session lives, and its removal would wait for that. So the sessions let go of such
 * routes; what IPVS keeps for a server, it drops itself.
 */
#include <linux/netdevice.h>
#include <linux/sched.h>

#include "leases.h"
#include "routes.h"
#include "session_table.h"

static void let_go(struct session *session, const void *dev)
{
	session_routes_forget(session, dev);
}

static bool ends_leases(unsigned long event)
{
	switch (event) {
	case NETDEV_DOWN:
	case NETDEV_CHANGE: /* also: the carrier is lost */
	case NETDEV_CHANGEMTU:
	case NETDEV_CHANGEADDR:
	case NETDEV_CHANGEUPPER:
	case NETDEV_UNREGISTER:
		return true;
	default:
		return false;
	}
}

/* Also a device that moves to another namespace is unregistered in its old one. */
static int event(struct notifier_block *block, unsigned long event, void *info)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(info);
	struct director *director;

	if (!ends_leases(event))
		return NOTIFY_DONE;
	rcu_read_lock();
	director = director_of(dev_net(dev));
	if (director && !refcount_inc_not_zero(&director->refs))
		director = NULL;
	rcu_read_unlock();
	if (!director)
		return NOTIFY_DONE;
	leases_revoke(director);
	/* Sessions that begin meanwhile keep no such route: see keep(). */
	if (event == NETDEV_UNREGISTER)
		session_for_each(director, let_go, dev);
	director_put(director);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {
	.notifier_call = event,
};

int devices_module_init(void)
{
	return register_netdevice_notifier(&notifier);
}

void devices_module_exit(void)
{
	unregister_netdevice_notifier(&notifier);
}
