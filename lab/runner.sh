#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Cargo runs test binaries with this script. The end-to-end tests and those of the
# receiver run in lab/vm/run.sh. So does the packet benchmark, except for the part that needs no
# IPVS. Everything else runs on this host. TEST_TIMEOUT and BENCH_TIMEOUT are in seconds.
#
# LAB=kubernetes runs the end-to-end tests next to a kube-apiserver (lab/software/kubernetes.sh).
# LAB=native runs the end-to-end tests on this host, as root: they load the module into
# its kernel. Tests that need a kernel without loaded modules still run in a machine.
set -euo pipefail

lab=$(dirname "$0")

die() {
	echo "lab/runner.sh: $*" >&2
	exit 2
}

# Only for users who know what it does to this host.
native() {
	case ${LAB:-vm} in
	vm | kubernetes) return 1 ;;
	native) ;;
	*) die "LAB is '$LAB'; it can be vm, native or kubernetes" ;;
	esac
	[ "$(id -u)" -eq 0 ] || die "LAB=native needs root"
	PATH=$PATH:/usr/sbin:/sbin modprobe -n ip_vs 2>/dev/null ||
		die "LAB=native needs ip_vs, which the kernel of this host does not have"
	echo "lab: LAB=native: the tests load ip_vs_bpf into the kernel of THIS HOST, $(uname -n), not of a virtual machine" >&2
}

case ${1##*/} in
e2e_unloaded-* | toa-*) exec "$lab/vm/run.sh" -- "$@" ;;
e2e-*)
	[ "${LAB:-}" != kubernetes ] ||
		exec "$lab/software/kubernetes.sh" run --timeout "${TEST_TIMEOUT:-4500}" -- "$@"
	# `make soak` writes there.
	stays=()
	[ ! -d target/soak ] || stays=(--writable target/soak)
	native || case ${KERNEL:-} in
	# Their checks need memory, and under emulation the tests take hours.
	debug | kcsan)
		exec "$lab/vm/run.sh" --cables 4 --memory 4096 --timeout "${TEST_TIMEOUT:-86400}" \
			"${stays[@]}" -- "$lab/vm/watched.sh" "$@"
		;;
	*)
		# They wait for timers and packets most of their time.
		export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * ${CPUS:-2}))}
		exec "$lab/vm/run.sh" --cables 4 --timeout "${TEST_TIMEOUT:-4500}" "${stays[@]}" -- "$@"
		;;
	esac
	;;
packets-*)
	case " $* " in
	*" native "*) ;;
	*" drivers "*)
		[ $# -ge 3 ] || die "drivers needs the model of the cards: virtio-net-pci, vmxnet3"
		mkdir -p target/bench
		exec "$lab/vm/run.sh" --icount --generator "$3" --memory 3072 \
			--timeout "${BENCH_TIMEOUT:-7200}" --writable target/bench -- "$@"
		;;
	*" --bench "*)
		mkdir -p target/bench
		exec "$lab/vm/run.sh" --icount --memory 6144 --timeout "${BENCH_TIMEOUT:-7200}" \
			--writable target/bench -- "$@"
		;;
	esac
	;;
esac
exec "$@"
