#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The distribution's servers, unpacked into the lab's cache. Installed packages would
# start them.
#
#   lab/software/stock.sh fetch                           download and unpack them, unless they are there
#   lab/software/stock.sh nginx|haproxy|sshd ARGUMENT…    run one
set -euo pipefail

# Includes the libraries that few hosts have.
packages=(nginx haproxy openssh-server
	liblua5.3-0 libopentracing1 libopentracing-c-wrapper0 libpcre2-8-0 libwrap0)

cache=${IPVS_BPF_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvs-bpf/lab}
root=$(realpath -m "$cache")/stock

fetch() {
	local folder
	mkdir -p "$cache"
	exec 8>"$cache/.stock.lock"
	flock 8
	[ ! -d "$root" ] || return 0
	echo "fetching ${packages[*]:0:3} for the lab" >&2
	folder=$(mktemp -d)
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf $(printf %q "$folder")" EXIT
	# apt drops its privileges to download.
	chmod 755 "$folder"
	(cd "$folder" && apt-get -qq download "${packages[@]}") \
		2> >(grep -v 'unsandboxed as root' >&2)
	mkdir "$folder/root"
	for package in "$folder"/*.deb; do dpkg-deb -x "$package" "$folder/root"; done
	mv "$folder/root/usr" "$root"
}

# sshd needs its own user and folder, which no other process sees.
sshd() {
	# shellcheck disable=SC2016 # for the inner shell
	exec unshare --mount --propagation private bash -ec '
		mount -t tmpfs -o mode=755 none /run
		mkdir /run/sshd
		{ cat /etc/passwd; echo "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin"; } >/run/passwd
		mount --bind /run/passwd /etc/passwd
		exec "$0" "$@"' "$root/sbin/sshd" "$@"
}

name=${1:-}
case $name in
fetch)
	fetch
	exit
	;;
nginx | haproxy | sshd) ;;
*)
	echo "usage: lab/software/stock.sh fetch | nginx|haproxy|sshd ARGUMENT…" >&2
	exit 2
	;;
esac
[ -x "$root/sbin/$name" ] || {
	echo "lab/software/stock.sh: $root/sbin/$name is missing; run: make deps" >&2
	exit 1
}
shift
LD_LIBRARY_PATH=$(echo "$root"/lib/*-linux-gnu)
export LD_LIBRARY_PATH
[ "$name" != sshd ] || sshd "$@"
exec "$root/sbin/$name" "$@"
