#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Prometheus' promtool from the distribution's package, unpacked into the lab's cache
# with the other tools of lab/demo/dashboard.sh. Installed packages would start servers.
#
#   lab/software/promtool.sh fetch      download and unpack them, unless they are there
#   lab/software/promtool.sh ARGUMENT…  run it
set -euo pipefail

cache=${IPVS_BPF_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvs-bpf/lab}
programs=$(realpath -m "$cache")/prometheus

fetch() {
	local folder
	mkdir -p "$cache"
	exec 8>"$cache/.promtool.lock"
	flock 8
	[ ! -d "$programs" ] || return 0
	echo "fetching Prometheus for the lab" >&2
	folder=$(mktemp -d)
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf $(printf %q "$folder")" EXIT
	# apt drops its privileges to download.
	chmod 755 "$folder"
	(cd "$folder" && apt-get -qq download prometheus prometheus-node-exporter) \
		2> >(grep -v 'unsandboxed as root' >&2)
	mkdir "$folder/root"
	for package in "$folder"/*.deb; do dpkg-deb -x "$package" "$folder/root"; done
	mv "$folder/root/usr/bin" "$programs"
}

[ "${1:-}" != fetch ] || {
	fetch
	exit
}
[ -x "$programs/promtool" ] || {
	echo "lab/software/promtool.sh: $programs/promtool is missing; run: make deps" >&2
	exit 1
}
exec "$programs/promtool" "$@"
