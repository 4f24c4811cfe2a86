#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The busy director of the pictures: these functions lay out its network and start its
# servers. Scripts source this file and set the variables `lab` and `cli`.

director() {
	nsenter --net=/run/netns/director "$@"
}

# shellcheck disable=SC2154 # the calling script sets both
start_director() {
	local name
	"$lab/net/topology.sh" up ""
	director ip address add 10.2.0.101/24 dev eth1
	for name in server1 server2; do
		ip netns exec "$name" "$lab/net/server.py" "$name" >"/run/$name" &
	done
	director "$cli" apply -f "$lab/demo/lb.toml"
}

# Clients send requests for that many seconds.
visit() {
	nsenter --net=/run/netns/client "$lab/demo/visitors.py" "$1"
}
