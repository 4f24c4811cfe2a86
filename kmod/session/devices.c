// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes of network devices. A lease has the addresses, MTU and index of the device
 * that its packets leave by, and says if that takes frames from XDP, so any such change
 * ends all leases of the namespace. Ports of bonds are not in leases (bond_ports.c).
 *
 * A route that a session keeps (routes.c) may hold a device that is being removed until
 * the session ends, and the removal would wait for that. So the sessions drop such
 * routes. IPVS itself drops what it keeps for a server. Where containers come and go, most
 * devices have no such route: then the sessions, of which there may be a million, are not
 * looked at while RTNL is held.
 */
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>

#include "session/bond_ports.h"
#include "session/devices.h"
#include "session/leases.h"
#include "session/routes.h"

/* A driver may send several segments that a device has merged (LRO) as one frame. So a
 * host that forwards turns that off (net/ipv4/devinet.c: inet_forward_change()), and full
 * NAT forwards without net.ipv4.ip_forward. Like there, it stays off. Called under config,
 * which nothing takes under RTNL.
 */
void ivb_devices_forward(struct net *net)
{
	struct net_device *dev;

	rtnl_lock();
	for_each_netdev(net, dev)
		dev_disable_lro(dev);
	rtnl_unlock();
}

static void forget_routes(struct session *session, const void *dev)
{
	ivb_session_routes_forget(session, dev);
}

static bool ends_leases(unsigned long event)
{
	switch (event) {
	case NETDEV_DOWN:
	case NETDEV_CHANGE: /* also when the carrier is lost */
	case NETDEV_CHANGEMTU:
	case NETDEV_CHANGEADDR:
	case NETDEV_CHANGEUPPER:
	case NETDEV_UNREGISTER:
	COMPAT_CASE_XDP_CHANGE
		return true;
	default:
		return false;
	}
}

/* A port of a bond may have become a backup, or no longer be one. */
static bool changes_bond_ports(unsigned long event)
{
	return event == NETDEV_CHANGELOWERSTATE || event == NETDEV_CHANGEUPPER ||
	       event == NETDEV_UNREGISTER;
}

/* A device that moves to another namespace is also unregistered in its old one. */
static int event(struct notifier_block *block, unsigned long event, void *info)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(info);
	struct director *director;

	if (!ends_leases(event) && !changes_bond_ports(event))
		return NOTIFY_DONE;
	rcu_read_lock();
	director = ivb_director_of(dev_net(dev));
	if (director && !refcount_inc_not_zero(&director->refs))
		director = NULL;
	rcu_read_unlock();
	if (!director)
		return NOTIFY_DONE;
	if (changes_bond_ports(event))
		ivb_bond_ports_update(director);
	if (ends_leases(event))
		ivb_leases_revoke(director);
	/* Sessions that begin meanwhile do not keep such a route: see keep(). */
	if (event == NETDEV_UNREGISTER && ivb_routes_have_device(director, dev))
		ivb_session_for_each(director, forget_routes, dev);
	ivb_director_put(director);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {
	.notifier_call = event,
};

int ivb_devices_module_init(void)
{
	return register_netdevice_notifier(&notifier);
}

void ivb_devices_module_exit(void)
{
	unregister_netdevice_notifier(&notifier);
}
