# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the steps have in common, for `source`.

broken() {
	echo "BROKEN: $*" >&2
	# What a machine knows about it.
	if [ -d /lab ]; then
		systemctl --no-pager --full status ipvs-bpf systemd-modules-load
		systemctl --no-pager --failed
		journalctl --no-pager --boot | tail -n 30
		ipvs-bpf show
	fi >&2 2>&1 || true
	exit 1
}

# proves SENTENCE COMMAND…: the command must succeed.
proves() {
	local sentence=$1
	shift
	"$@" || broken "$sentence"
	echo "ok  $sentence"
}

# refuses SENTENCE COMMAND…: the command must fail.
refuses() {
	local sentence=$1
	shift
	! "$@" || broken "$sentence"
	echo "ok  $sentence"
}

# What the unit said in this boot, whole lines, after a cursor if there is one.
journal() {
	journalctl --no-pager --boot --unit "${unit:-ipvs-bpf}" --output cat ${cursor:+--after-cursor "$cursor"}
}
from_here() {
	cursor=$(journalctl --no-pager --show-cursor --lines 0 | sed -n 's/^-- cursor: //p')
}
journal_says() { [[ $(journal) == *"$1"* ]]; }
doctor_says() { [[ $(ipvs-bpf doctor -f /etc/ipvs-bpf/lb.toml || true) == *"$1"* ]]; }

answer() { ip netns exec client curl -sS --max-time 60 http://10.0.0.1/; }
# The server has no route to the client, and it saw the local IP.
full_nat() { [[ $(answer) == 'server1 10.2.0.100 '* ]]; }

# Neither module, programs nor maps are in the kernel.
no_data_plane() {
	[ ! -e /sys/module/ip_vs_bpf ] && [ ! -e /sys/fs/bpf/ipvs-bpf ] &&
		[ -z "$(tc filter show dev eth0 ingress)$(tc filter show dev eth1 egress)" ]
}
# The virtual services of IPVS, as /proc has them.
services() { grep -o '^TCP  [^ ]*' /proc/net/ip_vs; }
nothing_runs() { no_data_plane && [ -z "$(services)" ]; }

metrics=/var/lib/prometheus/node-exporter/ipvs-bpf.prom
metrics_come() {
	rm -f "$metrics"
	until [ -s "$metrics" ]; do sleep 1; done
}
