#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# xdp-forward of xdp-tools, from the first Debian whose version knows flowtables, unpacked
# into the lab's cache with the libraries that it needs.
#
#   lab/software/xdp-forward.sh fetch        download and unpack it, unless it is there
#   lab/software/xdp-forward.sh ARGUMENT…    run it
set -euo pipefail

die() {
	echo "lab/software/xdp-forward.sh: $*" >&2
	exit 1
}

suite=trixie
cache=${IPVS_BPF_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvs-bpf/lab}
root=$(realpath -m "$cache")/xdp-tools
# shellcheck source=lab/software/suite.sh
. "$(dirname "$0")/suite.sh"

fetch() {
	local folder package
	mkdir -p "$cache"
	exec 8>"$cache/.xdp-tools.lock"
	flock 8
	[ ! -d "$root" ] || return 0
	echo "fetching xdp-tools for the lab" >&2
	know "$suite"
	# In the cache, so that it can be moved whole to its place.
	rm -rf "$root.new"
	folder=$root.new
	mkdir -p "$folder/archives/partial"
	apt-get "${apt[@]}" -qq --download-only --no-install-recommends -y \
		-o "Dir::Cache::Archives=$folder/archives" install xdp-tools >/dev/null
	for package in "$folder"/archives/*.deb; do dpkg-deb -x "$package" "$folder"; done
	rm -r "$folder/archives"
	mv "$folder" "$root"
}

case ${1:-} in
fetch) fetch ;;
'')
	echo "usage: lab/software/xdp-forward.sh fetch | ARGUMENT…" >&2
	exit 2
	;;
*)
	[ -x "$root/usr/sbin/xdp-forward" ] || die "$root is missing; run: make bench-drivers"
	libraries=$(echo "$root"/usr/lib/*-linux-gnu)
	# The program that joins several programs of one interface.
	export LIBXDP_OBJECT_PATH=$libraries/bpf
	exec "$libraries"/ld-linux-*.so.* --library-path "$libraries" "$root/usr/sbin/xdp-forward" "$@"
	;;
esac
