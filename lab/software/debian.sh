#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A Debian 12 as a disk, made by debootstrap: systemd, its kernel with headers,
# dkms, and in apt's cache the newer kernel of backports. Prints its file in the
# lab's cache, whose name has the hash of this script. Needs root.
#
#   lab/software/debian.sh fetch     make it, unless it is there
#   lab/software/debian.sh disk      print its file
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

suite=bookworm
base=(systemd-sysv dbus udev kmod iproute2 procps python3 curl ca-certificates)
# The first kernel, and what builds modules for it; rpm for other distributions' packages.
more=(linux-image-amd64 linux-headers-amd64 initramfs-tools dkms rpm)
later=(linux-image-amd64 linux-headers-amd64)

cache=${IPVS_BPF_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvs-bpf/lab}
disk=$(realpath -m "$cache")/disks/$suite-$(sha256sum <"$0" | cut -c -12).ext4

die() {
	echo "lab/software/debian.sh: $*" >&2
	exit 1
}

# The mirror that the system's apt uses for what has that label.
mirror() {
	# A format of apt's own, not of the shell.
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
		sed -n "s/^Debian $1 //p" | head -n 1
}

in_root() {
	DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" "$@"
}

make_disk() {
	local main security
	main=$(mirror Debian) security=$(mirror Debian-Security)
	[[ $main && $security ]] || die "apt names no mirror of Debian; run: apt-get update"
	truncate -s 8G "$disk.new"
	mkfs.ext4 -q -L root "$disk.new"
	root=$(mktemp -d)
	mount -o loop "$disk.new" "$root"
	trap 'umount -R "$root"; rmdir "$root"' EXIT
	debootstrap --variant=minbase --include="$(IFS=, && echo "${base[*]}")" "$suite" "$root" "$main"
	cat >"$root/etc/apt/sources.list" <<-END
		deb $main $suite main
		deb $security $suite-security main
		deb $main $suite-backports main
	END
	echo 'LABEL=root / ext4 defaults 0 1' >"$root/etc/fstab"
	echo lab >"$root/etc/hostname"
	mount --bind /proc "$root/proc"
	in_root apt-get -qq update
	in_root apt-get -qq install -y --no-install-recommends "${more[@]}"
	in_root apt-get clean
	in_root apt-get -qq install -y --no-install-recommends --download-only -t "$suite-backports" "${later[@]}"
}

case ${1:-} in
fetch)
	[ ! -e "$disk" ] || exit 0
	[ "$(id -u)" -eq 0 ] || die "this needs root: it mounts a disk and runs debootstrap"
	mkdir -p "$(dirname "$disk")"
	exec 8>"$(dirname "$disk")/.lock"
	flock 8
	[ ! -e "$disk" ] || exit 0
	echo "making a Debian $suite for the lab" >&2
	# Those of older recipes, and what an interrupted one left.
	rm -f "$(dirname "$disk")"/*.ext4 "$(dirname "$disk")"/*.log "$disk.new"
	(make_disk) >"$disk.log" 2>&1 </dev/null || {
		tail -n 30 "$disk.log" >&2
		die "this failed; all of it is in $disk.log"
	}
	mv "$disk.new" "$disk"
	;;
disk) echo "$disk" ;;
*) die "usage: lab/software/debian.sh fetch|disk" ;;
esac
