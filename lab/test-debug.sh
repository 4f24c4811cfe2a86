#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs end-to-end tests under one of the lab's debugging kernels, which it builds if needed. A
# report of KASAN, lockdep, UBSAN or debug objects fails them, and so does memory that
# has leaked after the module is removed.
#
#   lab/test-debug.sh [--kcsan] [NAME…]   tests whose names contain one of these; fail_nth is
#                                         the one in which each allocation fails once
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

failed=0
case "$KERNEL $* " in
"debug  " | "debug "*"fail_nth "*) cargo test --test e2e -- --ignored fail_nth || failed=1 ;;
esac
# fail_nth is an ignored test and needs its own run.
[ "$*" = fail_nth ] || cargo test --test e2e -- "$@" || failed=1
exit "$failed"
