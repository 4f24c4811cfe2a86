#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A boot with an enabled unit and a newer kernel, and the removal of the packages.
set -euo pipefail
cd /lab
# shellcheck source=tests/packages/proves.sh
source proves.sh
versions=$(<versions) new=${versions#* }
ip netns exec server1 ./server.py server1 >/run/server1 &
until grep -q ready /run/server1; do sleep 0.2; done

echo "== Linux $(uname -r), ipvs-bpf $new"
proves "the unit is active after the boot" systemctl is-active --quiet ipvs-bpf
proves "the module is that of this kernel" [ "$(</sys/module/ip_vs_bpf/version)" = "$new" ]
proves "a request passes full NAT" full_nat
proves "metrics come" metrics_come

echo "== Removal"
files=$(dpkg -L ipvs-bpf ipvs-bpf-dkms)
module=$(modinfo -n ip_vs_bpf)
if [[ $module == *.xz ]]; then xz -dc "$module"; else cat "$module"; fi >/run/ip_vs_bpf.ko
proves "apt removes both packages" apt-get -qq remove -y ipvs-bpf ipvs-bpf-dkms
proves "nothing is left in the kernel" nothing_runs
proves "DKMS knows nothing of it" [ -z "$(dkms status ipvs-bpf)" ]
proves "no kernel has the module" [ -z "$(find /lib/modules -name 'ip_vs_bpf*')" ]
proves "the operator's file is still there" cmp lb.toml /etc/ipvs-bpf/lb.toml
proves "node_exporter has no metrics of it any more" [ ! -e "$metrics" ]

proves "apt installs the tool alone" apt-get -qq install -y --no-install-recommends ./new/ipvs-bpf_"$new"_amd64.deb
cat lb.toml - >/run/by-hand.toml <<'TOML'
[[service]]
address = "tcp://10.0.0.1:99"
scheduler = "rr"
TOML
proves "full NAT and a native service are applied by hand" \
	ipvs-bpf --module /run/ip_vs_bpf.ko apply -f /run/by-hand.toml
proves "a request passes full NAT" full_nat
proves "apt purges both packages" apt-get -qq purge -y ipvs-bpf ipvs-bpf-dkms
proves "full NAT is not left in the kernel" no_data_plane
proves "… and the native service is" [ "$(services)" = "TCP  0A000001:0063" ]
left() {
	local file
	for file in $files /var/lib/dkms/ipvs-bpf /etc/ipvs-bpf; do
		# Folders that others have, too, stay.
		if [ -e "$file" ] && [[ $file == *ipvs-bpf* ]]; then echo "$file"; fi
	done
	find /etc/systemd /run/systemd /var/lib/systemd/deb-systemd-helper-* /usr/src -name '*ipvs-bpf*' 2>/dev/null
}
left=$(left)
proves "no file is left${left:+: $left}" [ -z "$left" ]
proves "systemd knows no such unit" [ -z "$(systemctl list-unit-files --no-legend 'ipvs-bpf*')" ]
