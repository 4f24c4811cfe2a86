#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The packages on a Debian host, from the installation to the removal: by its own
# package manager, DKMS and systemd, under its own kernels. Needs root, and what
# tests/packages/build.sh makes. Prints one line per promise; stops at the first that is
# broken.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
# shellcheck source=tests/packages/proves.sh
source tests/packages/proves.sh

work=$(mktemp -d)
disk=$work/disk root=$work/root share=$work/lab
trap 'umount -qR "$root" || true; rm -rf "$work"' EXIT
mkdir "$root" "$share"
fresh() { cp --sparse=always "$(lab/software/debian.sh disk)" "$disk"; }
fresh
cp -r tests/packages/. lab/net/server.py target/packages/{old,new} "$share"
version_of() { dpkg-deb -f "$share/$1"/ipvs-bpf_*.deb Version; }
old=$(version_of old) new=$(version_of new)
echo "$old $new" >"$share/versions"

# offline COMMAND…: runs it in the host's files, no machine being on.
offline() {
	mount -o loop "$disk" "$root"
	mount -t proc proc "$root/proc"
	mkdir -p "$root/lab"
	mount --bind "$share" "$root/lab"
	local status=0
	DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" "$@" </dev/null || status=$?
	umount -R "$root"
	return $status
}
# boot [OPTIONS] STEP: boots it, and runs that step.
boot() { lab/vm/machine.sh "${@:1:$#-1}" "$disk" "$share" "${@: -1}"; }
built() { offline dkms status ipvs-bpf | grep -x "ipvs-bpf/$1, $2, x86_64: installed" >/dev/null; }
kernels() { offline ls /lib/modules | sort -V; }

first=$(kernels)

echo "== ipvs-bpf $old at a server, the tool alone"
proves "apt installs it without what it recommends" offline apt-get -qq install -y --no-install-recommends /lab/old/ipvs-bpf_"$old"_amd64.deb
refuses "nothing is enabled by the installation" offline systemctl --quiet is-enabled ipvs-bpf-toa
offline cp /lab/toa.toml /etc/ipvs-bpf/
offline systemctl --quiet enable ipvs-bpf-toa
boot --kernel "$first" receiver.sh
fresh

echo "== ipvs-bpf $old, by apt and dkms"
offline cp /lab/lab-network.service /etc/systemd/system/
offline systemctl --quiet enable lab-network
proves "apt installs both packages" offline apt-get -qq install -y /lab/old/ipvs-bpf_"$old"_amd64.deb /lab/old/ipvs-bpf-dkms_"$old"_all.deb
proves "DKMS built the module for $first" built "$old" "$first"
boot --kernel "$first" first.sh

echo "== A newer kernel, without its headers"
image=$(offline sh -c 'ls /var/cache/apt/archives/linux-image-[0-9]*' | sort -V | tail -n 1)
proves "apt installs it" offline apt-get -qq install -y --no-install-recommends "$image"
second=$(kernels | tail -n 1)
proves "it is a newer one: $second" [ "$second" != "$first" ]
refuses "DKMS built nothing for it" built "$new" "$second"
boot --kernel "$second" without-headers.sh

echo "== Its headers"
proves "apt installs them" offline apt-get -qq install -y --no-install-recommends -t bookworm-backports linux-headers-amd64
proves "DKMS built the module for $second" built "$new" "$second"
proves "… and that for $first is there" built "$new" "$first"
boot --kernel "$second" --kernel-args lockdown=integrity locked.sh
boot --kernel "$second" removal.sh
offline systemctl --quiet is-enabled ipvs-bpf && broken "the unit is still enabled"
proves "nothing is left for $first either" [ -z "$(offline find "/lib/modules/$first/updates" -name 'ip_vs_bpf*')" ]

echo "== The other package format, on the same host"
boot --kernel "$second" rpm.sh
echo "== All of it is proved"
