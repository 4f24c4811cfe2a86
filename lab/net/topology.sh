#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Lays out a network of namespaces:
#
#   client ── eth0 director eth1 ── switch ── server1, server2
#
#   lab/net/topology.sh up PREFIX      namespaces PREFIXclient, PREFIXdirector, …
#   lab/net/topology.sh far PREFIX     adds a host behind client and one behind server2:
#
#   farclient ── client …       10.3.0.2, whose router is client
#   … server2 ── farserver      10.4.0.2, whose router is server2
#
#   lab/net/topology.sh pair PREFIX    adds a second director next to the first, director2,
#                                      eth0 10.1.0.4 and eth1 10.2.0.4. Neither has the
#                                      addresses that move: no VIP, no local IP.
#
#   lab/net/topology.sh down PREFIX
#
# client     10.1.0.2 and 10.1.0.3, default route to the director
# director   eth0 10.1.0.1, eth1 10.2.0.1 and the local IP 10.2.0.100,
#            VIPs 10.0.0.1 and 10.0.0.9
# server1    10.2.0.2     both without a route to the client: an answer comes
# server2    10.2.0.3     back only if its peer was a local IP
#
# Each 10.N.0.H is also fd00:N::H, which looks the same
# (fd00:2::100); the VIPs are fd00::1 and fd00::9.
set -euo pipefail

action=$1 prefix=$2
client=${prefix}client director=${prefix}director switch=${prefix}switch
servers=("${prefix}server1" "${prefix}server2")

# Runs lines of `ip -batch` in a namespace.
batch() {
	ip -n "$1" -batch -
}

settings() {
	nsenter --net="/run/netns/$1" sysctl -qw "${@:2}"
}

# Addresses are valid at once: no other host has them. In the lab's machine new namespaces
# have these settings (lab/vm/guest.sh).
create() {
	local namespace
	printf 'netns add %s\n' "$@" | ip -batch -
	[ "$(</proc/sys/net/core/devconf_inherit_init_net) $(</proc/sys/net/ipv6/conf/all/accept_dad)" != "1 0" ] || return 0
	for namespace; do
		settings "$namespace" net.ipv6.conf.{all,default}.accept_dad=0 \
			net.ipv6.conf.default.router_solicitations=0
	done
}

forward() {
	settings "$1" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

up() {
	local i
	create "$client" "$director" "$switch" "${servers[@]}"
	batch "$switch" <<-END
		link add switch type bridge forward_delay 0 mcast_snooping 0
		link set switch up
		link add director type veth peer name eth1 netns $director
		link set director master switch up
		link add server1 type veth peer name eth0 netns ${servers[0]}
		link set server1 master switch up
		link add server2 type veth peer name eth0 netns ${servers[1]}
		link set server2 master switch up
	END
	for i in 0 1; do
		batch "${servers[$i]}" <<-END
			link set lo up
			link set eth0 up
			addr add 10.2.0.$((i + 2))/24 dev eth0
			addr add fd00:2::$((i + 2))/64 dev eth0 nodad
		END
	done
	batch "$client" <<-END
		link add eth0 type veth peer name eth0 netns $director
		link set lo up
		link set eth0 up
		addr add 10.1.0.2/24 dev eth0
		addr add 10.1.0.3/24 dev eth0
		addr add fd00:1::3/64 dev eth0 nodad
		addr add fd00:1::2/64 dev eth0 nodad
	END
	batch "$director" <<-END
		link set lo up
		link set eth0 up
		link set eth1 up
		addr add 10.1.0.1/24 dev eth0
		addr add 10.2.0.1/24 dev eth1
		addr add 10.2.0.100/24 dev eth1
		addr add 10.0.0.1/32 dev lo
		addr add 10.0.0.9/32 dev lo
		addr add fd00:1::1/64 dev eth0 nodad
		addr add fd00:2::100/64 dev eth1 nodad
		addr add fd00:2::1/64 dev eth1 nodad
		addr add fd00::1/128 dev lo nodad
		addr add fd00::9/128 dev lo nodad
	END
	batch "$client" <<-END
		route add default via 10.1.0.1
		route add default via fd00:1::1
	END
	forward "$director"
}

# Prints both routers, and the hosts behind them.
far() {
	local host near subnet router gateway
	while read -r host near subnet router gateway; do
		create "$prefix$host"
		batch "$prefix$near" <<-END
			link add far type veth peer name eth0 netns $prefix$host
			link set far up
			addr add 10.$subnet.0.1/24 dev far
			addr add fd00:$subnet::1/64 dev far nodad
		END
		batch "$prefix$host" <<-END
			link set lo up
			link set eth0 up
			addr add 10.$subnet.0.2/24 dev eth0
			addr add fd00:$subnet::2/64 dev eth0 nodad
			route add default via 10.$subnet.0.1
			route add default via fd00:$subnet::1
		END
		batch "$director" <<-END
			route add 10.$subnet.0.0/24 via 10.$router
			route add fd00:$subnet::/64 via fd00:$gateway
		END
		forward "$prefix$near"
	done <<-END
		farclient client 3 1.0.2 1::2
		farserver server2 4 2.0.3 2::3
	END
}

# The client's end of the network becomes a bridge.
pair() {
	local other=${prefix}director2
	create "$other"
	batch "$client" <<-END
		link add lan type bridge forward_delay 0 mcast_snooping 0
		addr flush dev eth0
		link set eth0 master lan
		link add director2 type veth peer name eth0 netns $other
		link set director2 master lan up
		addr add 10.1.0.2/24 dev lan
		addr add fd00:1::2/64 dev lan nodad
		link set lan up
		route add default via 10.1.0.1
		route replace default via fd00:1::1 dev lan
	END
	batch "$switch" <<-END
		link add director2 type veth peer name eth1 netns $other
		link set director2 master switch up
	END
	batch "$other" <<-END
		link set lo up
		link set eth0 up
		link set eth1 up
		addr add 10.1.0.4/24 dev eth0
		addr add 10.2.0.4/24 dev eth1
		addr add fd00:1::4/64 dev eth0 nodad
		addr add fd00:2::4/64 dev eth1 nodad
	END
	batch "$director" <<-END
		addr del 10.2.0.100/24 dev eth1
		addr del fd00:2::100/64 dev eth1
		addr flush dev lo
	END
	forward "$other"
}

down() {
	local namespaces=("$client" "$director" "$switch" "${servers[@]}") host
	for host in "$prefix"far{client,server} "${prefix}director2"; do
		[ ! -e "/run/netns/$host" ] || namespaces+=("$host")
	done
	printf 'netns del %s\n' "${namespaces[@]}" | ip -batch -
}

case $action in
up | far | pair | down) "$action" ;;
*)
	echo "usage: lab/net/topology.sh up|far|pair|down PREFIX" >&2
	exit 2
	;;
esac
