// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ports of bonds where frames come in at XDP.
 *
 * The program of a bond runs in the drivers of its ports, where a frame comes in at the
 * port. A lease has the bond, where the packet came in for routing. So the program has a
 * list of ports with their bonds (struct ipvs_bpf_control).
 *
 * A bond drops unicast frames that come in at a backup port (bond_handle_frame(),
 * drivers/net/bonding/bond_main.c): a switch that floods sends a frame to all ports, and
 * the host would have it twice. The program runs at backup ports too, so they are not in
 * the list. The bond notifies when a port becomes one (devices.c).
 *
 * Locking. ports_lock serializes writers. The program reads at any time: each port is one
 * word, and a list that is being written may lack a port, whose packets then pass to tc.
 */
#include <net/bonding.h>

#include "session/bond_ports.h"
#include "table/maps.h"

/* The bond that takes unicast frames from a device, or NULL. Called under RCU. */
static const struct net_device *bond_of(struct net_device *dev)
{
	const struct net_device *bond = netdev_master_upper_dev_get_rcu(dev);
	struct slave *port;

	if (!bond || !netif_is_bond_master(bond))
		return NULL;
	/* NULL while the device is about to leave the bond. */
	port = rcu_dereference(dev->rx_handler_data);
	return port && bond_is_active_slave(port) ? bond : NULL;
}

static void find_ports(struct net *net, u64 *ports)
{
	const struct net_device *bond;
	struct net_device *dev;
	int count = 0;

	for_each_netdev_rcu(net, dev) {
		bond = bond_of(dev);
		if (!bond)
			continue;
		ports[count++] = (u64)bond->ifindex << 32 | dev->ifindex;
		if (count == IPVS_BPF_PORTS)
			return;
	}
}

/* Tells the program the ports of the present. Called when a port may have come, gone or
 * become a backup, and when there are new maps.
 */
void ivb_bond_ports_update(struct director *director)
{
	u64 ports[IPVS_BPF_PORTS] = {};
	struct maps *maps;
	int at;

	rcu_read_lock();
	spin_lock_bh(&director->ports_lock);
	maps = rcu_dereference(director->maps);
	if (maps)
		find_ports(director->net, ports);
	for (at = 0; maps && at < IPVS_BPF_PORTS; at++)
		WRITE_ONCE(maps->control_value->ports[at], ports[at]);
	spin_unlock_bh(&director->ports_lock);
	rcu_read_unlock();
}
