#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs end-to-end tests under one of the lab's debugging kernels, which it builds if needed. A
# report of KASAN, lockdep, UBSAN or debug objects fails them, and so does memory that
# has leaked after the module is removed.
#
#   lab/test-debug.sh [--kcsan] [NAME…]   tests whose names contain one of these; in fail_nth
#                                         each allocation fails once, and
#                                         fail_nth::files::rules is one part of it
#
# With --kcsan it is the kernel that reports data races, and has none of the other checks.
set -euo pipefail
cd "$(dirname "$0")/.."

export KERNEL=debug
if [ "${1:-}" = --kcsan ]; then
	KERNEL=kcsan
	shift
fi
lab/software/kernel.sh fetch
lab/module.sh
IPVS_BPF_MODULE=$PWD/target/kmod/$(lab/software/kernel.sh release)/ip_vs_bpf.ko
export IPVS_BPF_MODULE

# The tests of fail_nth are ignored ones and need their own run.
ignored=() usual=()
for name in "$@"; do
	case $name in
	fail_nth*) ignored+=("$name") ;;
	*) usual+=("$name") ;;
	esac
done
[ $# -gt 0 ] || [ "$KERNEL" != debug ] || ignored=(fail_nth)

failed=0
if [ ${#ignored[@]} -gt 0 ]; then
	# --nocapture shows how many allocations each part has, and how long it took.
	cargo test --test e2e -- --ignored --nocapture "${ignored[@]}" || failed=1
fi
if [ $# -eq 0 ] || [ ${#usual[@]} -gt 0 ]; then
	cargo test --test e2e -- "${usual[@]}" || failed=1
fi
exit "$failed"
