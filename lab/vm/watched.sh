#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs a command in a machine with a debugging kernel and removes the module. Fails if
# memory that was allocated meanwhile has leaked. Other findings are in the kernel's log,
# which lab/vm/run.sh checks: also data races, if the kernel has KCSAN.
#
#   lab/vm/watched.sh COMMAND [ARGUMENT…]
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

kmemleak=/sys/kernel/debug/kmemleak
if [ -e $kmemleak ]; then
	# The kernel's own scans every ten minutes would use much of an emulated processor.
	echo scan=off >$kmemleak
	echo scan >$kmemleak
	echo clear >$kmemleak
fi

# The functions of the kernel whose races are known are not reported.
kcsan=/sys/kernel/debug/kcsan
if [ -e $kcsan ]; then
	sed '/^#/d; /^$/d; s/ .*//' "$(dirname "$0")/kernel-races" | while read -r name; do
		echo "!$name" >$kcsan
	done
	echo on >$kcsan
fi

status=0
"$@" || status=$?

# The kernel frees namespaces and their contents in the background.
for _ in {1..600}; do
	[ -e /sys/module/ip_vs_bpf ] || break
	rmmod ip_vs_bpf 2>/dev/null || sleep 0.5
done
if [ -e /sys/module/ip_vs_bpf ]; then
	echo "lab/vm/watched.sh: the module cannot be removed: in use by $(</sys/module/ip_vs_bpf/refcnt)" >&2
	exit 1
fi

if [ -e $kcsan ]; then
	echo off >$kcsan
	echo "KCSAN: $(sed -nE '/^(setup_watchpoints|data_races):/p' $kcsan | tr '\n' ' ')"
fi
[ -e $kmemleak ] || exit "$status"
# kmemleak reports only objects older than five seconds that two scans have found without
# a pointer.
for _ in 1 2; do
	sleep 6
	echo scan >$kmemleak
done
leaks=$(<$kmemleak)
if [ -n "$leaks" ]; then
	echo "lab/vm/watched.sh: kmemleak found:" >&2
	echo "$leaks" >&2
	exit 1
fi
exit "$status"
