// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network device that goes. A route that a session keeps (routes.c) may hold it,
 * for as long as the session lives, and its removal would wait for that. So the
 * sessions let go of such routes; what IPVS keeps for a server, it drops itself.
 */
#include <linux/netdevice.h>
#include <linux/sched.h>

#include "routes.h"
#include "session_table.h"

static void let_go(struct session *session, const void *dev)
{
	session_routes_forget(session, dev);
}

/* Also a device that moves to another namespace is unregistered in its old one. */
static int event(struct notifier_block *block, unsigned long event, void *info)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(info);
	struct director *director;

	if (event != NETDEV_UNREGISTER)
		return NOTIFY_DONE;
	rcu_read_lock();
	director = director_of(dev_net(dev));
	if (director && !refcount_inc_not_zero(&director->refs))
		director = NULL;
	rcu_read_unlock();
	if (!director)
		return NOTIFY_DONE;
	/* Sessions that begin meanwhile keep no such route: see keep(). */
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
