#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server that is told its clients: the tool alone, and its unit, which was enabled before
# this boot.
set -euo pipefail
cd /lab
# shellcheck source=tests/packages/proves.sh
source proves.sh
unit=ipvs-bpf-toa
versions=$(<versions) old=${versions% *}

# Connections from a trusted address that named no client.
absent() { ipvs-bpf show --toa --json | python3 -c 'import json, sys; print((json.load(sys.stdin)["totals"] or {}).get("absent"))'; }
runs() { [ "$(absent)" != None ]; }

echo "== Linux $(uname -r), systemd as process $(pgrep -o systemd), ipvs-bpf $old"
proves "the tool is of the package's version" [ "$(ipvs-bpf --version)" = "ipvs-bpf $old" ]
refuses "there is no module" modinfo ip_vs_bpf
proves "no unit failed" [ -z "$(systemctl --failed --no-legend)" ]
journal
proves "the unit started at boot" systemctl is-active --quiet ipvs-bpf-toa
proves "the receiver runs" runs
proves "doctor finds nothing" ipvs-bpf doctor -f /etc/ipvs-bpf/toa.toml

./server.py server >/run/server &
until grep -q ready /run/server; do sleep 0.2; done
ip netns add client
ip link add client type veth peer name eth0 netns client
ip address add 10.2.0.2/24 dev client
ip link set client up
ip -n client address add 10.2.0.100/24 dev eth0
ip -n client link set eth0 up
answer=$(ip netns exec client curl -sS --max-time 60 http://10.2.0.2:8080/)
proves "a server answers: $answer" [ "${answer% *}" = "server 10.2.0.100" ]
proves "the receiver saw the connection" [ "$(absent)" = 1 ]

proves "systemctl reload" systemctl reload ipvs-bpf-toa
proves "… goes on counting" [ "$(absent)" = 1 ]
echo 'toa = { trust = ["10.2.0.1000"] }' >/etc/ipvs-bpf/toa.toml
from_here
refuses "a reload of a mistake fails" systemctl reload ipvs-bpf-toa
journal
proves "… the journal names it" journal_says "10.2.0.1000"
proves "… and the receiver runs" runs
proves "systemctl stop" systemctl stop ipvs-bpf-toa
refuses "… and it does not" runs
cp toa.toml /etc/ipvs-bpf/
proves "systemctl start" systemctl start ipvs-bpf-toa
proves "the receiver runs" runs
proves "IPVS was not loaded, nor the module" [ -z "$(lsmod | grep ip_vs)" ]
proves "apt removes the package" apt-get -qq remove -y ipvs-bpf
proves "… and the receiver" [ ! -e /sys/fs/bpf/ipvs-bpf ]
proves "apt installs it again" apt-get -qq install -y --no-install-recommends ./old/ipvs-bpf_"$old"_amd64.deb
proves "… without starting anything" [ ! -e /sys/fs/bpf/ipvs-bpf ]
proves "the file, applied by hand" ipvs-bpf apply -f toa.toml
proves "apt removes the package" apt-get -qq remove -y ipvs-bpf
proves "… and the receiver" [ ! -e /sys/fs/bpf/ipvs-bpf ]
