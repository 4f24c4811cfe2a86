#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The demonstration that `make demo` runs in a virtual machine: a client, a
# director and two real servers in network namespaces, with real HTTP requests
# through full NAT and their visible effects. IPVS_BPF is the CLI to use.
set -euo pipefail

lab=$(dirname "$(dirname "$(readlink -f "$0")")")
cli=${IPVS_BPF:-$lab/../target/release/ipvs-bpf}

say() {
	printf '\n\033[1m== %s\033[0m\n' "$*"
}

# Prints a command as a person would type it, and runs it on the director.
director() {
	printf '\033[2m# %s\033[0m\n' "$*"
	if [ "$1" = ipvs-bpf ]; then
		(cd "$lab/.." && "$cli" --netns director "${@:2}")
	else
		ip netns exec director "$@"
	fi
}

request() {
	ip netns exec client curl -sS --max-time 20 "http://10.0.0.1/"
}

clean() {
	kill "${servers[@]}" || true
	"$lab/net/topology.sh" down ""
}

say "Client, director and two real servers, on Linux $(uname -r)"
servers=()
"$lab/net/topology.sh" up ""
trap clean EXIT
for name in server1 server2; do
	ip netns exec "$name" "$lab/net/server.py" "$name" >"/run/$name" &
	servers+=($!)
done
until grep -q ready /run/server1 && grep -q ready /run/server2; do sleep 0.2; done
cat <<'END'
client 10.1.0.2 ── director (VIP 10.0.0.1, local IP 10.2.0.100) ── server1 10.2.0.2
                                                                └─ server2 10.2.0.3
The servers have no route to the client: they answer local IPs only.
END

say "A rule that asks for the state makes conntrack look at every packet"
ip netns exec director nft -f - <<'END'
table ip demo {
	chain prerouting {
		type filter hook prerouting priority 0
		ct state new counter
	}
}
END
ip netns exec client ping -q -c 1 10.1.0.1 >/dev/null
director cat /proc/net/nf_conntrack
echo "(a ping to the director itself: conntrack is on)"

say "The plan"
director ipvs-bpf plan -f examples/lb.toml || [ $? -eq 2 ]

say "Apply, and once more"
director ipvs-bpf apply -f examples/lb.toml
director ipvs-bpf apply -f examples/lb.toml

say "Eight requests from the client"
for _ in 1 2 3 4 5 6 7 8; do request; done | tee /run/answers
echo "By server:"
cut -d ' ' -f 1 /run/answers | sort | uniq -c
echo "Peers that the servers saw (the client is 10.1.0.2):"
cut -d ' ' -f 2 /run/answers | sort | uniq -c

say "What runs"
director ipvs-bpf show
director ipvs-bpf show --sessions

say "What conntrack knows of it"
director grep -c 'tcp' /proc/net/nf_conntrack || true

say "Down"
director ipvs-bpf down
if ! [ -e /sys/module/ip_vs_bpf ]; then
	echo "the module is gone"
fi
