#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds kmod/ for one kernel, outside its sources.
#
#   lab/module.sh             into target/kmod/RELEASE/ip_vs_bpf.ko
#   lab/module.sh --strict    from scratch, with W=1 and sparse, in target/lint; a warning is a
#                             failure
#
# KDIR is the kernel's tree of headers; without it, the lab's kernel KERNEL, with
# the compiler that built that.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=''
if [ -z "${KDIR:-}" ]; then
	KDIR=$(lab/software/kernel.sh kdir)
	tools=$(lab/software/kernel.sh tools)
fi
kdir=$(realpath -m "$KDIR")
# Not include/config/kernel.release: Debian's headers have the version there.
release=$(sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' "$kdir/include/generated/utsrelease.h" 2>/dev/null) || {
	echo "lab/module.sh: $kdir has no headers of a kernel" >&2
	exit 1
}

# Runs a command with the programs and libraries of another system in /usr.
with() {
	local root=(--map-root-user)
	[ "$(id -u)" -ne 0 ] || root=()
	# shellcheck disable=SC2016 # for the inner shell
	unshare "${root[@]}" --mount bash -euc 'mount --bind "$0" /usr && exec "$@"' "$1/usr" "${@:2}"
}

build() {
	mkdir -p "$1"
	# Remove links to sources that were deleted or moved.
	find "$1" -xtype l -delete
	cp -rsft "$1" "$PWD"/kmod/*
	${tools:+with "$tools"} make --no-print-directory -C "$1" KDIR="$kdir" modules "${@:2}"
}

case ${1:-} in
'') build "target/kmod/$release" ;;
--strict)
	folder=target/lint/$release
	rm -rf "$folder"
	# sparse does not follow a lock that a function takes only if it succeeds; lockdep does.
	# The other system has no sparse.
	sparse=(C=2 "CF=-D__CHECK_ENDIAN__ -Wno-context")
	[ -z "$tools" ] || sparse=()
	build "$folder" W=1 KCFLAGS=-Werror "${sparse[@]}" 2>&1 | tee "target/lint.log"
	! grep -i 'warning' target/lint.log >/dev/null
	;;
*)
	echo "usage: lab/module.sh [--strict]" >&2
	exit 2
	;;
esac
