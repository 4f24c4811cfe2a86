// SPDX-License-Identifier: GPL-2.0-only
/*
 * The devices that take frames from a program at XDP.
 *
 * A device that cannot send such a frame drops it, which only a tracepoint shows
 * (xdp_do_redirect(), net/core/filter.c). Some devices have the function for it but drop
 * all frames until they have a program of their own, because only then they have queues
 * for them: virtio, and several drivers of Intel. A veth takes frames if its peer polls,
 * which it does for a program or for GRO. So a lease says if its way out takes frames.
 * Packets of other leases pass to the program at tc.
 *
 * Leases end when a device goes down, moves to another namespace or changes what it
 * takes (devices.c; kernels before 6.3 do not notify of the last, so fold.c looks once a
 * second). Before the CLI takes a program from a device, it switches all of this off.
 */
#include <linux/etherdevice.h>
#include <linux/hash.h>
#include <linux/if_arp.h>
#include <linux/string.h>
#include <net/rtnetlink.h>

#include "session/leases.h"
#include "session/xdp.h"

static bool is_veth(const struct net_device *dev)
{
	return dev->rtnl_link_ops && !strcmp(dev->rtnl_link_ops->kind, "veth");
}

/* A bond takes frames, but chooses its member by what it knows of packets alone. */
static bool takes_frames(const struct net_device *dev)
{
	return dev->netdev_ops->ndo_xdp_xmit && !netif_is_bond_master(dev) &&
	       compat_takes_xdp(dev, is_veth(dev));
}

/* A device that runs a program can send back what it received (XDP_TX). A veth sends it
 * as any other frame.
 */
static bool sends_back(const struct net_device *dev)
{
	return is_veth(dev) ? takes_frames(dev) : !netif_is_bond_master(dev);
}

/* Notes in a lease what the program at XDP needs. Called under RCU. */
void ivb_xdp_way(const struct director *director, const struct net_device *in,
		 const struct net_device *out, struct ipvs_bpf_lease *lease)
{
	if (!READ_ONCE(director->xdp) || in->type != ARPHRD_ETHER ||
	    in->addr_len != ETH_ALEN)
		return;
	ether_addr_copy(lease->to, in->dev_addr);
	lease->xdp = in == out ? sends_back(in) : takes_frames(out);
}

static bool runs_program(const struct net_device *dev)
{
	const struct bpf_xdp_entity *driver = &dev->xdp_state[XDP_MODE_DRV];

	return READ_ONCE(driver->link) || READ_ONCE(driver->prog);
}

/* True if packets of that direction leave at XDP by their lease: the way out takes frames,
 * and the input interface runs a program. Called under RCU.
 */
bool ivb_xdp_leaves(const struct session *session, u8 direction)
{
	const struct net_device *in;

	if (!has_lease(session, direction))
		return false;
	in = dev_get_by_index_rcu(session_director(session)->net,
				  READ_ONCE(session->leases->lease[direction].xdp_in));
	return in && runs_program(in);
}

/* True if other devices take frames than at the last call. Called by one work item. */
bool ivb_xdp_devices_changed(struct director *director)
{
	const struct net_device *dev;
	u32 digest = 0;
	bool changed;

	if (COMPAT_NOTIFIES_OF_XDP || !READ_ONCE(director->xdp))
		return false;
	rcu_read_lock();
	for_each_netdev_rcu(director->net, dev) {
		if (takes_frames(dev))
			digest += hash_32(dev->ifindex, 32);
	}
	rcu_read_unlock();
	changed = digest != director->xdp_devices;
	director->xdp_devices = digest;
	return changed;
}
