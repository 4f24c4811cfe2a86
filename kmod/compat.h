/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything that differs between kernel versions, and nothing else.
 */
#ifndef IP_VS_BPF_COMPAT_H
#define IP_VS_BPF_COMPAT_H

#include <linux/bpf.h>
#include <linux/file.h>
#include <linux/kernel.h> /* hex2bin(), which moved to hex.h in 6.4 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/version.h>
#include <linux/workqueue.h>
#include <net/ip_vs.h>
#include <net/route.h>
#include <net/tcp.h>
#include <net/udp.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#include <linux/hex.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
#error ip_vs_bpf needs Linux 5.10 or newer
#endif

/* 6.2 moved the statistics of the namespace behind RCU. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define compat_tot_stats(ipvs) (&(ipvs)->tot_stats->s)
#else
#define compat_tot_stats(ipvs) (&(ipvs)->tot_stats)
#endif

/* The per-CPU counters got their own type in 6.2, and in stable updates of some earlier
 * versions.
 */
static inline void compat_add_u64(u64 *counter, u64 n)
{
	*counter += n;
}

#define compat_stats_add(counter, n)                                           \
	_Generic((counter), u64 *: compat_add_u64, default: u64_stats_add)(    \
		counter, n)

/* The flag that a server is configured moved from the flags that userspace sees to
 * flags of the kernel's own, in stable updates of some versions only.
 */
#ifdef IP_VS_DEST_CF_AVAILABLE
#define compat_dest_available(dest) ((dest)->cflags & IP_VS_DEST_CF_AVAILABLE)
#else
#define compat_dest_available(dest) ((dest)->flags & IP_VS_DEST_F_AVAILABLE)
#endif

/* 6.17 renamed the queue of schedule_work(). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define compat_system_wq system_percpu_wq
#else
#define compat_system_wq system_wq
#endif

/* 5.17 renamed PDE_DATA() to pde_data(). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 17, 0)
#define compat_pde_data(inode) pde_data(inode)
#else
#define compat_pde_data(inode) PDE_DATA(inode)
#endif

/* 5.18 separated receive timestamps from delivery times. Earlier kernels have one kind.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 18, 0)
#define compat_clear_tstamp(skb) skb_clear_tstamp(skb)
#else
#define compat_clear_tstamp(skb) ((skb)->tstamp = 0)
#endif

/* 6.5 moved the segmentation of packets (GSO) into its own header. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#include <net/gso.h>
#endif

/* 6.12 routes by the whole differentiated services code point. Before that, routing
 * rules see only the older type of service.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#include <net/inet_dscp.h>
#define compat_flow_tos(iph) .flowi4_dscp = ip4h_dscp(iph)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <net/inet_dscp.h>
#define compat_flow_tos(iph) .flowi4_tos = (iph)->tos & INET_DSCP_MASK
#else
#define compat_flow_tos(iph) .flowi4_tos = (iph)->tos & IPTOS_RT_MASK
#endif

/* 6.13 gave the type of service in a route lookup its own type. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#include <net/inet_dscp.h>
#define compat_route_tos(iph) ip4h_dscp(iph)
#else
#define compat_route_tos(iph) ((iph)->tos)
#endif

/* The socket that would receive such a packet, with a reference. Called under RCU. 6.18
 * removed the hash table from the arguments. The UDP lookups are exported for
 * netfilter's tproxy and socket matches, which every distribution builds. A kernel
 * without both exports no UDP lookup to modules.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define COMPAT_TCP_TABLE(net)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
#define COMPAT_TCP_TABLE(net) (net)->ipv4.tcp_death_row.hashinfo,
#else
#define COMPAT_TCP_TABLE(net) &tcp_hashinfo,
#endif
#define compat_tcp4_lookup(net, saddr, sport, daddr, dport)                    \
	inet_lookup(net, COMPAT_TCP_TABLE(net) NULL, 0, saddr, sport, daddr,   \
		    dport, 0)
#define compat_tcp6_lookup(net, saddr, sport, daddr, dport)                    \
	inet6_lookup(net, COMPAT_TCP_TABLE(net) NULL, 0, saddr, sport, daddr,  \
		     dport, 0)

/* The tables of sockets by local port. A network namespace may have its own TCP table
 * since 6.1, and its own UDP table since 6.2. Both families share the tables.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
#define compat_tcp_hashinfo(net) ((net)->ipv4.tcp_death_row.hashinfo)
#else
#define compat_tcp_hashinfo(net) (&tcp_hashinfo)
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define compat_udp_table(net) ((net)->ipv4.udp_table)
#else
#define compat_udp_table(net) (&udp_table)
#endif

#if IS_ENABLED(CONFIG_NF_TPROXY_IPV4) || IS_ENABLED(CONFIG_NF_SOCKET_IPV4)
#define compat_udp4_lookup(net, saddr, sport, daddr, dport)                    \
	udp4_lib_lookup(net, saddr, sport, daddr, dport, 0)
#else
#define compat_udp4_lookup(net, saddr, sport, daddr, dport) NULL
#endif
#if IS_ENABLED(CONFIG_NF_TPROXY_IPV6) || IS_ENABLED(CONFIG_NF_SOCKET_IPV6)
#define compat_udp6_lookup(net, saddr, sport, daddr, dport)                    \
	udp6_lib_lookup(net, saddr, sport, daddr, dport, 0)
#else
#define compat_udp6_lookup(net, saddr, sport, daddr, dport) NULL
#endif

/* ip_vs_protocol.state_transition() got the length of the IP header as an argument in a
 * stable update, so the version does not tell which of the two a kernel has.
 */
typedef void (*compat_transition4)(struct ip_vs_conn *, int,
				   const struct sk_buff *,
				   struct ip_vs_proto_data *);
typedef void (*compat_transition5)(struct ip_vs_conn *, int,
				   const struct sk_buff *,
				   struct ip_vs_proto_data *, unsigned int);

static inline void compat_call4(compat_transition4 f, struct ip_vs_conn *cp,
				int direction, const struct sk_buff *skb,
				struct ip_vs_proto_data *pd, unsigned int len)
{
	f(cp, direction, skb, pd);
}

static inline void compat_call5(compat_transition5 f, struct ip_vs_conn *cp,
				int direction, const struct sk_buff *skb,
				struct ip_vs_proto_data *pd, unsigned int len)
{
	f(cp, direction, skb, pd, len);
}

#define compat_state_transition(pp, cp, direction, skb, pd, len)               \
	_Generic((pp)->state_transition,                                       \
		 compat_transition4: compat_call4,                             \
		 compat_transition5: compat_call5)(                            \
		(pp)->state_transition, cp, direction, skb, pd, len)

/* The map that userspace hands over by a file descriptor, with a reference. Modules
 * have bpf_map_get() since 5.18. Before, they had bpf_prog_get_type(), and a program
 * holds its maps: there the descriptor is that of a socket filter that uses exactly
 * this map. A descriptor of anything else is refused with -EOPNOTSUPP.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 18, 0)
#define COMPAT_MAP_DESCRIPTOR "an eBPF map that may be written"
static inline struct bpf_map *compat_map_get(u32 fd)
{
	struct file *file = fget(fd);
	struct bpf_map *map;

	if (!file)
		return ERR_PTR(-EBADF);
	map = bpf_map_get(fd);
	/* Another thread may have changed the descriptor meanwhile. */
	if (!IS_ERR(map) &&
	    (file->private_data != map || !(file->f_mode & FMODE_WRITE))) {
		bpf_map_put(map);
		map = ERR_PTR(-EPERM);
	}
	fput(file);
	return map;
}
#else
#define COMPAT_MAP_DESCRIPTOR                                                  \
	"a socket filter that uses one eBPF map, which this kernel needs in its place"
static inline struct bpf_map *compat_map_get(u32 fd)
{
	struct bpf_map *map = ERR_PTR(-EOPNOTSUPP);
	struct bpf_prog *prog;

	prog = bpf_prog_get_type(fd, BPF_PROG_TYPE_SOCKET_FILTER);
	if (IS_ERR(prog))
		return PTR_ERR(prog) == -EINVAL ? map : ERR_CAST(prog);
	mutex_lock(&prog->aux->used_maps_mutex);
	if (prog->aux->used_map_cnt == 1) {
		map = prog->aux->used_maps[0];
		bpf_map_inc(map);
	}
	mutex_unlock(&prog->aux->used_maps_mutex);
	bpf_prog_put(prog);
	return map;
}
#endif

/* True if a map's values have none of the fields that the kernel manages (spin locks,
 * timers, pointers), which writing a value whole would destroy.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define compat_map_is_plain(map) IS_ERR_OR_NULL((map)->record)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 19, 0)
#define compat_map_is_plain(map)                                               \
	((map)->spin_lock_off < 0 && (map)->timer_off < 0 &&                   \
	 IS_ERR_OR_NULL((map)->kptr_off_tab))
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 15, 0)
#define compat_map_is_plain(map)                                               \
	((map)->spin_lock_off < 0 && (map)->timer_off < 0)
#else
#define compat_map_is_plain(map) ((map)->spin_lock_off < 0)
#endif

/* 6.3 lets a device tell what XDP can do with it at present, and notifies of changes.
 * Before, a device surely takes frames if it has a program of its own in the driver; a
 * veth needs one at its peer, and there is no way to see that.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#include <net/xdp.h>
#define COMPAT_NOTIFIES_OF_XDP 1
#define COMPAT_CASE_XDP_CHANGE case NETDEV_XDP_FEAT_CHANGE:
#define compat_takes_xdp(dev, is_veth)                                         \
	(READ_ONCE((dev)->xdp_features) & NETDEV_XDP_ACT_NDO_XMIT)
#else
#define COMPAT_NOTIFIES_OF_XDP 0
#define COMPAT_CASE_XDP_CHANGE
#define compat_takes_xdp(dev, is_veth)                                         \
	(!(is_veth) && (READ_ONCE((dev)->xdp_state[XDP_MODE_DRV].link) ||      \
			READ_ONCE((dev)->xdp_state[XDP_MODE_DRV].prog)))
#endif

/* bpf_map_get() and bpf_map_put() moved into a symbol namespace, whose name
 * became a string in 6.13.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define COMPAT_IMPORT_BPF() MODULE_IMPORT_NS("BPF_INTERNAL")
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define COMPAT_IMPORT_BPF() MODULE_IMPORT_NS(BPF_INTERNAL)
#else
#define COMPAT_IMPORT_BPF()
#endif

#endif
