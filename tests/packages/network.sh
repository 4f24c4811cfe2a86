#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The network of the machine, whose root namespace is the director:
#
#   client 10.1.0.2 ── eth0 director eth1 ── server1 10.2.0.2
#
# VIP 10.0.0.1, local IP 10.2.0.100. The server has no route to the client.
set -euo pipefail

sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.{all,default}.disable_ipv6=1
ip link set lo up
ip address add 10.0.0.1/32 dev lo
while read -r namespace interface subnet; do
	ip netns add "$namespace"
	ip link add "$interface" type veth peer name eth0 netns "$namespace"
	ip address add "10.$subnet.0.1/24" dev "$interface"
	ip link set "$interface" up
	ip -n "$namespace" address add "10.$subnet.0.2/24" dev eth0
	ip -n "$namespace" link set eth0 up
	ip -n "$namespace" link set lo up
done <<LIST
client eth0 1
server1 eth1 2
LIST
ip address add 10.2.0.100/24 dev eth1
ip -n client route add default via 10.1.0.1
