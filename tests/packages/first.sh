#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The first boot after the installation, an enabled unit, mistakes, an upgrade.
set -euo pipefail
cd /lab
# shellcheck source=tests/packages/proves.sh
source proves.sh
versions=$(<versions) old=${versions% *} new=${versions#* }
ip netns exec server1 ./server.py server1 >/run/server1 &
until grep -q ready /run/server1; do sleep 0.2; done

echo "== Linux $(uname -r), systemd as process $(pgrep -o systemd), ipvs-bpf $old"
proves "the tool is of the package's version" [ "$(ipvs-bpf --version)" = "ipvs-bpf $old" ]
proves "DKMS built the module of that version" [ "$(modinfo -F version ip_vs_bpf)" = "$old" ]
proves "modules-load.d loaded it" [ "$(</sys/module/ip_vs_bpf/version)" = "$old" ]
proves "no unit failed" [ -z "$(systemctl --failed --no-legend)" ]
proves "nothing is enabled by the installation" [ "$(systemctl is-enabled ipvs-bpf ipvs-bpf-metrics.timer | uniq)" = disabled ]
proves "the manual is there" test -s /usr/share/man/man8/ipvs-bpf.8.gz -a -s /usr/share/man/man5/ipvs-bpf.toml.5.gz

# Only the order of Debian's frr.service matters: after network-pre.target, before network.target.
mkdir -p /run/announcers
cat >/run/announcers/frr.service <<'UNIT'
[Unit]
After=network-pre.target
Before=network.target
Wants=network.target

[Service]
ExecStart=/bin/true
UNIT
cat >/run/announcers/announcers.target <<'UNIT'
[Unit]
Requires=ipvs-bpf.service frr.service
UNIT
order=$(SYSTEMD_UNIT_PATH=/run/announcers: systemd-analyze verify announcers.target 2>&1 || true)
refuses "the unit and FRR's are no ordering cycle" grep "ordering cycle" <<<"$order"

cat >/run/others.toml <<'TOML'
[[service]]
address = "tcp://10.0.0.1:99"
scheduler = "rr"
TOML
ipvs-bpf apply -f /run/others.toml >/dev/null
refuses "the unit with the installed file fails" systemctl start ipvs-bpf
proves "… says why" journal_says "/etc/ipvs-bpf/lb.toml: it describes nothing"
proves "… and leaves others' services" grep -q '^TCP  0A000001:0063' /proc/net/ip_vs
ipvs-bpf down >/dev/null

cp lb.toml /etc/ipvs-bpf/lb.toml
planned=0
ipvs-bpf plan -f /etc/ipvs-bpf/lb.toml || planned=$?
proves "plan shows what would change" [ "$planned" -eq 2 ]
proves "systemctl enable --now ipvs-bpf" systemctl enable --now ipvs-bpf
proves "the unit is active" systemctl is-active --quiet ipvs-bpf
proves "a request passes full NAT: $(answer)" full_nat
ipvs-bpf doctor || true
systemd-analyze security --no-pager ipvs-bpf | tail -n 1

systemctl stop ipvs-bpf
sed -i 's/"eth1"]/"eth1", "bond0"]/' /etc/ipvs-bpf/lb.toml
refuses "a start without one of the interfaces fails" systemctl start ipvs-bpf
# shellcheck disable=SC2016 # the message has them
proves "… names it" journal_says 'this host has no interface `bond0`'
proves "… and serves by the others" full_nat
ip link add bond0 type dummy
until systemctl is-active --quiet ipvs-bpf; do sleep 0.2; done
proves "… and the unit comes up when it does" grep -q ipvs <<<"$(tc filter show dev bond0 ingress)"
cp lb.toml /etc/ipvs-bpf/lb.toml
proves "a reload takes the programs off it" systemctl reload ipvs-bpf
ip link del bond0

refuses "metrics without node_exporter's folder fail" systemctl start ipvs-bpf-metrics
unit=ipvs-bpf-metrics proves "… and name it" journal_says "$metrics: it cannot be written"
mkdir -p "${metrics%/*}"
proves "systemctl enable --now ipvs-bpf-metrics.timer" systemctl enable --quiet --now ipvs-bpf-metrics.timer
proves "metrics come, again and again" metrics_come
proves "… of what runs" grep -q '^ipvs_bpf_up{part="programs"} 1$' "$metrics"
proves "node_exporter may read them" [ "$(stat -c %a "$metrics")" = 644 ]

ip netns exec client ./talk.py 10.0.0.1 /run/talked /run/enough >/run/talk 2>&1 &
talk=$!
until [ -s /run/talked ]; do sleep 0.2; done
# Answers of the connection that came since.
goes_on() {
	local before
	before=$(</run/talked)
	until [ "$(</run/talked)" -gt $((before + 2)) ]; do
		kill -0 "$talk" 2>/dev/null || { cat /run/talk; return 1; }
		sleep 0.2
	done
}

running=$(ipvs-bpf save)
from_here
sed -i 's/scheduler = .*/scheduler = "wwr"/; s/addresses = .*/addresses = ["10.2.0.300"]/' /etc/ipvs-bpf/lb.toml
refuses "a reload with a broken file fails" systemctl reload ipvs-bpf
journal
proves "the journal has the file and the line" journal_says "/etc/ipvs-bpf/lb.toml:6"
proves "… and the caret" journal_says "^"
proves "the unit stays active" systemctl is-active --quiet ipvs-bpf
proves "what runs stays" [ "$(ipvs-bpf save)" = "$running" ]
proves "the connection goes on" goes_on
cp lb.toml /etc/ipvs-bpf/lb.toml
proves "a reload with the corrected file succeeds" systemctl reload ipvs-bpf

echo "== The packages of version $new"
# Once more as they are: the newer package has another file.
conffile=$(md5sum /etc/ipvs-bpf/lb.toml)
DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
	install ./new/*.deb || broken "an upgrade while a connection lives"
proves "the tool is of the new version" [ "$(ipvs-bpf --version)" = "ipvs-bpf $new" ]
proves "the module that waits is of the new version" [ "$(modinfo -F version ip_vs_bpf)" = "$new" ]
proves "the module that runs is the old one" [ "$(</sys/module/ip_vs_bpf/version)" = "$old" ]
proves "the file is the operator's" [ "$(md5sum /etc/ipvs-bpf/lb.toml)" = "$conffile" ]
proves "… and the package's is next to it" test -e /etc/ipvs-bpf/lb.toml.dpkg-dist
proves "the unit never stopped" systemctl is-active --quiet ipvs-bpf
proves "the connection goes on" goes_on
from_here
proves "a reload by the new version" systemctl reload ipvs-bpf
journal
proves "… names both versions" journal_says "has version $old, ipvs-bpf has $new"
proves "the connection goes on" goes_on
proves "a new one passes full NAT" full_nat
proves "doctor names both versions" doctor_says "has version $old, ipvs-bpf has $new"
touch /run/enough
proves "the connection was never broken" wait "$talk"
cat /run/talk

proves "systemctl stop" systemctl stop ipvs-bpf
proves "nothing is left in the kernel" nothing_runs
proves "systemctl start" systemctl start ipvs-bpf
proves "the module is the new one" [ "$(</sys/module/ip_vs_bpf/version)" = "$new" ]
proves "a request passes full NAT" full_nat
# Programs do not run from /run.
dpkg-deb -x old/ipvs-bpf_"$old"_amd64.deb /tmp/old
/tmp/old/usr/sbin/ipvs-bpf plan -f /etc/ipvs-bpf/lb.toml >/run/plan 2>&1 || true
cat /run/plan
proves "a tool of the older version names both" grep -q "has version $new, ipvs-bpf has $old" /run/plan
proves "systemctl restart" systemctl restart ipvs-bpf
proves "a request passes full NAT" full_nat

echo "== A follower"
proves "systemctl enable --now ipvs-bpf-follow" systemctl enable --quiet --now ipvs-bpf-follow
ipvs-bpf flush --yes
until services >/dev/null; do sleep 0.2; done
proves "a flush is undone" full_nat
sed -i 's/scheduler = .*/scheduler = 1/' /etc/ipvs-bpf/lb.toml
refuses "a reload with a broken file fails" systemctl reload ipvs-bpf-follow
proves "… and ends nothing" systemctl is-active --quiet ipvs-bpf-follow
cp lb.toml /etc/ipvs-bpf/lb.toml
proves "a reload with the corrected file succeeds" systemctl reload ipvs-bpf-follow
unit=ipvs-bpf-follow proves "… and the journal has it" journal_says "follows /etc/ipvs-bpf/lb.toml"
proves "systemctl stop ipvs-bpf-follow" systemctl stop ipvs-bpf-follow
proves "… leaves everything" full_nat
proves "systemctl start ipvs-bpf-follow" systemctl start ipvs-bpf-follow
proves "systemctl stop ipvs-bpf" systemctl stop ipvs-bpf
refuses "… stops it, too" systemctl is-active --quiet ipvs-bpf-follow
proves "… and nothing is left in the kernel" nothing_runs
systemctl disable --quiet ipvs-bpf-follow
proves "systemctl start" systemctl start ipvs-bpf
proves "a request passes full NAT" full_nat
