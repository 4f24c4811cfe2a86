#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The packages of rpm, by rpm itself, with the systemd and dkms of this host, whose
# package manager has those, so --nodeps is needed.
set -euo pipefail
cd /lab
# shellcheck source=tests/packages/proves.sh
source proves.sh
versions=$(<versions) old=${versions% *} new=${versions#* }
ip netns exec server1 ./server.py server1 >/run/server1 &
until grep -q ready /run/server1; do sleep 0.2; done

proves "rpm installs both packages" rpm -i --nodeps old/*.rpm
proves "DKMS built the module of that version" [ "$(modinfo -F version ip_vs_bpf)" = "$old" ]
proves "nothing is enabled by the installation" [ "$(systemctl is-enabled ipvs-bpf)" = disabled ]
cp lb.toml /etc/ipvs-bpf/lb.toml
proves "systemctl enable --now ipvs-bpf" systemctl enable --quiet --now ipvs-bpf
proves "a request passes full NAT" full_nat
proves "rpm upgrades them" rpm -U --nodeps new/*.rpm
proves "the unit never stopped" systemctl is-active --quiet ipvs-bpf
proves "the module that runs is the old one" [ "$(</sys/module/ip_vs_bpf/version)" = "$old" ]
proves "the module that waits is of the new version" [ "$(modinfo -F version ip_vs_bpf)" = "$new" ]
proves "the file is the operator's" cmp lb.toml /etc/ipvs-bpf/lb.toml
proves "a request passes full NAT" full_nat
proves "rpm installs them once more" rpm -U --nodeps --force new/*.rpm
proves "the module is still there" [ "$(modinfo -F version ip_vs_bpf)" = "$new" ]
proves "rpm removes them" rpm -e ipvs-bpf ipvs-bpf-dkms
proves "nothing is left in the kernel" nothing_runs
proves "no kernel has the module" [ -z "$(find /lib/modules -name 'ip_vs_bpf*')" ]
proves "systemd knows no such unit" [ -z "$(systemctl list-unit-files --no-legend 'ipvs-bpf*')" ]
