#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Fetches each kernel, builds the module for it, and runs the end-to-end tests
# under it. A table at the end shows how many tests passed and which did not. Any
# failure fails the run.
#
#   lab/test-kernels.sh VERSION[:ARGUMENT]…
#
# The argument is added to the kernel's command line. The output of the tests is in
# target/kernels/RELEASE.log or RELEASE:ARGUMENT.log.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

[ $# -gt 0 ] || {
	echo "usage: lab/test-kernels.sh VERSION[:ARGUMENT]…" >&2
	exit 2
}

mkdir -p target/kernels
table=$(printf '%-36s %8s %8s %8s' kernel passed failed ignored)
failed=0
row() { table+=$'\n'$(printf '%-36s %8s %8s %8s' "$@"); }

# Sums up one field of cargo's lines "test result: …".
sum() {
	sed -nE "s/^test result:.* ([0-9]+) $1;.*/\1/p" "$2" | awk '{ n += $1 } END { print n + 0 }'
}

for run in "$@"; do
	argument=${run#"${run%%:*}"}
	export KERNEL=${run%%:*} KERNEL_ARGS=${argument#:}
	if ! { lab/software/kernel.sh fetch && lab/module.sh; }; then
		row "$run" '-' 'no module' '-'
		failed=1
		continue
	fi
	release=$(lab/software/kernel.sh release)
	log=target/kernels/$release$argument.log
	IPVS_BPF_MODULE=$PWD/target/kmod/$release/ip_vs_bpf.ko \
		cargo test --no-fail-fast --test e2e --test e2e_unloaded --test toa 2>&1 | tee "$log" || failed=1
	if grep -q '^test result:' "$log"; then
		row "$release$argument" "$(sum passed "$log")" "$(sum failed "$log")" "$(sum ignored "$log")"
	else
		row "$release$argument" '-' 'no end' '-'
	fi
	table+=$(echo && sed -nE 's/^test (.*) \.\.\. FAILED$/  \1/p' "$log")
done
echo
echo "$table"
exit "$failed"
