#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs a command in a virtual machine under a distribution's kernel, on the
# host's file system.
#
#   lab/vm/run.sh [OPTIONS] -- COMMAND [ARGUMENT…]
#
#   --kernel VERSION     a kernel that lab/software/kernel.sh has fetched (6.1)
#   --cpus N             processors (CPUS, or 2)
#   --memory MIB         memory (2048)
#   --timeout SECONDS    the machine is ended after that (900)
#   --writable FOLDER    what is written below it stays; may be repeated
#   --cables N           N pairs of cards, the two of a pair joined by a cable:
#                        52:54:00:ca:NN:01 and 52:54:00:ca:NN:02, from 01 on
#   --card MODEL         the model of these cards (CARD, or virtio-net-pci); properties may
#                        follow: virtio-net-pci,mrg_rxbuf=off
#   --generator MODEL    two cards of that model (virtio-net-pci, vmxnet3), whose wires end
#                        at lab/vm/generator.py: 52:54:00:9e:00:01 and 52:54:00:9e:00:02
#   --icount             one processor, whose clock counts its instructions
#   --qemu-opts "…"      more options for QEMU, split at spaces
#   --kernel-args "…"    more arguments for the kernel (KERNEL_ARGS)
#   --allow-warnings     a warning in the kernel's log is not a failure
#
# The command runs as root in the caller's folder and with its environment. It
# sees the host's files; what it writes goes to memory and is discarded afterwards.
#
# lab/vm/accel.sh chooses KVM or emulation. A machine that stops making progress under KVM
# starts again once, under emulation, and repeats output that it had printed. An emulated
# machine that never begins also starts again.
#
# Seconds that are written to the guest's port 6 (/dev/vport*p6) suspend the machine for as long;
# its clock goes on.
#
# The command has no standard input. Its output streams to standard output and error, its
# exit status is passed on, and processes that it leaves behind are ended.
# 124: the time was up. 125: the machine failed, or the kernel's log has a
# warning; then the log is printed. 2: wrong usage.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

lab=$(dirname "$(dirname "$(readlink -f "$0")")")
call=("$@")
version=${KERNEL:-6.1} cpus=${CPUS:-2} memory=2048 limit=900 cables=0 warnings=fail
card=${CARD:-virtio-net-pci} model=''
qemu_opts="" kernel_args=${KERNEL_ARGS:-} writable=() icount=() cpu="max,la57=off"

# Patterns in the kernel's log that are faults of the module, the programs or the lab.
trouble='\bWARNING:|\bBUG[: ]|\bOops\b|general protection|refcount_t:|suspicious RCU|UBSAN:|Call Trace:|unregister_netdevice: waiting|blocked for more than|leaked reference'

die() {
	echo "lab/vm/run.sh: $*" >&2
	exit 125
}

usage() {
	[ $# -eq 0 ] || echo "lab/vm/run.sh: $*" >&2
	sed -n '/^#   /s/^#   //p' "$0" >&2
	exit 2
}

number() {
	case $2 in
	'' | *[!0-9]* | 0*) usage "$1 takes a number, not '$2'" ;;
	esac
}

while [ $# -gt 0 ]; do
	option=$1
	shift
	case $option in
	--)
		break
		;;
	--allow-warnings)
		warnings=allow
		continue
		;;
	--icount)
		cpus=1 icount=(-icount "shift=0,sleep=off")
		continue
		;;
	--kernel | --cpus | --memory | --timeout | --cables | --card | --generator | --writable | --qemu-opts | --kernel-args)
		[ $# -gt 0 ] || usage "$option takes a value"
		;;
	*) usage "unknown option '$option'; the command follows --" ;;
	esac
	case $option in
	--kernel) version=$1 ;;
	--cpus) number "$option" "$1" && cpus=$1 ;;
	--memory) number "$option" "$1" && memory=$1 ;;
	--timeout) number "$option" "$1" && limit=$1 ;;
	--cables) number "$option" "$1" && cables=$1 ;;
	--card) card=$1 ;;
	--generator) model=$1 ;;
	--writable)
		[ -d "$1" ] || usage "--writable: no folder '$1'"
		writable+=("$(readlink -f "$1")")
		;;
	--qemu-opts) qemu_opts=$1 ;;
	--kernel-args) kernel_args=$1 ;;
	esac
	shift
done
[ $# -gt 0 ] || usage "no command"

for tool in qemu-system-x86_64 busybox cpio modprobe setpriv flock timeout python3; do
	command -v "$tool" >/dev/null || die "$tool is missing; run: make deps"
done
kernel=$("$lab/software/kernel.sh" folder "$version") || exit 125
release=$(basename "$kernel")
image=$kernel/boot/vmlinux-$release
[ -e "$image" ] || image=$kernel/boot/vmlinuz-$release

# The machine's own files, in the cache. A run holds a lock on its folder. The next run
# removes the folders of killed runs.
runs=$(dirname "$(dirname "$kernel")")/runs
mkdir -p "$runs"
exec 8>"$runs/.lock"
flock 8
for run in "$runs"/*/; do
	[ ! -d "$run" ] || ! flock --nonblock "$run" true || rm -rf "$run"
done
run=$(mktemp -d "$runs/XXXXXX")
exec 9<"$run"
flock 9
exec 8>&-

qemu='' relay='' generator='' watch='' suspend='' daemons=()
# shellcheck disable=SC2317 # called by the traps
cleanup() {
	trap '' INT TERM HUP
	[ -z "$relay" ] || kill "$relay" 2>/dev/null || true
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
	[ -z "$watch" ] || kill "$watch" 2>/dev/null || true
	[ -z "$suspend" ] || kill "$suspend" 2>/dev/null || true
	[ -z "$generator" ] || kill "$generator" 2>/dev/null || true
	[ ${#daemons[@]} -eq 0 ] || kill "${daemons[@]}" 2>/dev/null || true
	wait
	rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# The files that the guest finds in /run/lab.
mkdir "$run/job"
cp "$lab/vm/guest.sh" /proc/sys/kernel/random/uuid "$run/job/"
mv "$run/job/uuid" "$run/job/token"
env -0 >"$run/job/environment"
printf '%s\0' "$@" >"$run/job/command"
[ ${#writable[@]} -eq 0 ] || printf '%s\0' "${writable[@]}" >"$run/job/writable"
touch "$run/job/writable"
pwd >"$run/job/folder"
echo "$kernel" >"$run/job/kernel"
echo "$limit" >"$run/job/limit"
echo "$cpus" >"$run/job/cpus"
share=9p
# The cloud flavour has no 9p.
[[ $release != *-cloud-* ]] || share=virtiofs
echo "$share" >"$run/job/share"
"$lab/vm/initramfs.sh" "$kernel" "$run" >"$run/initrd"

# A hub of QEMU with two ports is a cable.
cards=()
for ((cable = 1; cable <= cables; cable++)); do
	for end in 1 2; do
		mac=$(printf '52:54:00:ca:%02x:%02x' "$cable" "$end")
		cards+=(
			-netdev "hubport,id=cable$cable.$end,hubid=$cable"
			-device "$card,netdev=cable$cable.$end,mac=$mac,romfile="
		)
	done
done

if [ -n "$model" ]; then
	mkfifo "$run/ready"
	setpriv --pdeathsig KILL "$lab/vm/generator.py" "$run" >"$run/ready" 9>&- &
	generator=$!
	read -r <"$run/ready" || die "lab/vm/generator.py failed"
	cards+=(
		-chardev "socket,id=generator,path=${run//,/,,}/control"
		-device "virtserialport,chardev=generator,nr=5"
	)
	for wire in 1 2; do
		cards+=(
			-netdev "stream,id=wire$wire,server=off,addr.type=unix,addr.path=${run//,/,,}/wire$wire"
			-device "$model,netdev=wire$wire,mac=52:54:00:9e:00:0$wire,romfile="
		)
	done
fi

# With -icount the clock counts instructions, which needs emulation on one thread.
read -ra options <<<"$qemu_opts"
options+=("${icount[@]}")
case " ${options[*]} " in
*" -accel "*) accel=() ;;
*" -icount "*) accel=(-accel "tcg,thread=single") ;;
*)
	case $("$lab/vm/accel.sh" choose "$release" "$image") in
	kvm) accel=(-accel kvm) ;;
	tcg) accel=(-accel "tcg,thread=multi") ;;
	*) exit 2 ;;
	esac
	;;
esac
# Emulation and its count of instructions run each round of a repeated instruction:
# without ERMS memory is written by words, not by bytes.
case "${accel[*]} ${icount[*]}" in
*tcg* | *icount*) cpu+=",-erms,-fsrm" ;;
esac
# Under KVM, the guest reports that it makes progress; under emulation, that it has begun.
beat=() watched=()
case ${accel[*]} in
"-accel kvm")
	if [ -z "${LAB_ACCEL:-}" ]; then
		beat=(-chardev "file,id=beat,path=${run//,/,,}/beat" -device "virtserialport,chardev=beat,nr=4")
		watched=(watch "$run/beat")
	fi
	;;
"-accel tcg,thread=multi") [ -n "${LAB_AGAIN:-}" ] || watched=(begin "$run/console") ;;
esac

# In QEMU's options a comma is doubled.
share_by_9p() {
	shares+=(
		-fsdev "local,id=$1,path=${2//,/,,},security_model=none,$3multidevs=remap"
		-device "virtio-9p-pci,fsdev=$1,mount_tag=$1"
	)
}

# A daemon serves the folder, from a mount namespace of its own, in which a folder can be made
# read-only. It came with QEMU before 8.0.
share_by_virtiofs() {
	local source=$2 socket=$run/$1.socket daemon
	daemon=$(PATH=/usr/libexec:/usr/lib/qemu type -P virtiofsd) ||
		die "virtiofsd is missing, which a kernel without 9p needs"
	if [ -n "$3" ]; then
		source=$run/$1.folder
		mkdir "$source"
	fi
	# shellcheck disable=SC2016 # for the inner shell
	setpriv --pdeathsig KILL unshare --mount --propagation private bash -euc '
		[ "$2" = "$1" ] || { mount --rbind "$1" "$2" && mount -o remount,bind,ro "$2"; }
		exec "$4" --socket-path="$3" -o source="$2" -o cache=always
		' "$0" "$2" "$source" "$socket" "$daemon" >"$run/$1.log" 2>&1 9>&- &
	daemons+=($!)
	for _ in {1..100}; do
		[ ! -S "$socket" ] || break
		sleep 0.1
	done
	[ -S "$socket" ] || die "no virtiofsd: $(<"$run/$1.log")"
	shares+=(
		-chardev "socket,id=$1,path=${socket//,/,,}"
		-device "vhost-user-fs-pci,chardev=$1,tag=$1"
	)
}

shares=()
if [ "$share" = virtiofs ]; then
	[ "$(id -u)" -eq 0 ] || die "virtiofsd, which a kernel without 9p needs, needs root"
	shares+=(-object "memory-backend-memfd,id=memory,size=${memory}M,share=on" -numa "node,memdev=memory")
fi
# share_folder TAG FOLDER readonly=on,|''
share_folder() {
	case $share in
	9p) share_by_9p "$@" ;;
	*) share_by_virtiofs "$@" ;;
	esac
}

share_folder root / readonly=on,
for i in "${!writable[@]}"; do
	share_folder "writable$i" "${writable[$i]}" ''
done

# QEMU always writes to our pipes: it makes its descriptors non-blocking, and our output
# is shared with the caller.
mkfifo "$run/out" "$run/err" "$run/log" "$run/suspend"
"$lab/vm/relay.py" "$(<"$run/job/token")" "$run/out" "$run/err" "$run/log" "$run/report" &
relay=$!
# Opened for both, so that nobody waits for the other end.
exec 3>"$run/out" 4>"$run/err" 5>"$run/log" 6<>"$run/suspend"

# Longer timeouts distinguish soft lockups and stalls from a busy host.
append="console=ttyS0 quiet panic=-1 oops=panic mitigations=off log_buf_len=8M"
append+=" watchdog_thresh=60 softlockup_panic=1 rcupdate.rcu_cpu_stall_timeout=60"
# QEMU reuses translated code only at the same address: without randomization a program
# starts in half the time.
append+=" norandmaps"
# Under emulation, the debugging kernel with KASAN interprets ACPI so slowly that ACPI's time
# limits expire, and devices have no interrupts. The BIOS also routes them, and lists the
# processors, which the kernel needs CONFIG_X86_MPPARSE to read.
[[ $release != *-debug ]] || append+=" noapic pci=noacpi"
# tests/e2e/fail_nth/packets.rs makes allocations from these slabs fail.
[[ $release != *-debug ]] || append+=" slub_debug=A,session4,session6,kmalloc-64,kmalloc-96,kmalloc-256"
# A clock of instructions runs ahead while the machine waits for the host.
[ ${#icount[@]} -eq 0 ] || append+=" sysctl.kernel.hung_task_timeout_secs=0"
append+=" $kernel_args"
setpriv --pdeathsig KILL timeout --kill-after 5 "$limit" \
	setpriv --pdeathsig KILL qemu-system-x86_64 \
	"${accel[@]}" -cpu "$cpu" -smp "$cpus" -m "$memory" \
	-nodefaults -display none -no-reboot \
	-kernel "$image" -initrd "$run/initrd" -append "$append" \
	-serial "file:${run//,/,,}/console" "${shares[@]}" \
	-device virtio-serial-pci \
	-chardev file,id=out,path=/dev/fd/3 -device virtserialport,chardev=out,nr=1 \
	-chardev file,id=err,path=/dev/fd/4 -device virtserialport,chardev=err,nr=2 \
	-chardev file,id=log,path=/dev/fd/5 -device virtserialport,chardev=log,nr=3 \
	-chardev file,id=suspend,path=/dev/fd/6 -device virtserialport,chardev=suspend,nr=6 \
	"${cards[@]}" "${beat[@]}" "${options[@]}" </dev/null >"$run/qemu" 2>&1 &
qemu=$!
exec 3>&- 4>&- 5>&-
# shellcheck disable=SC2016 # for the inner shell
setpriv --pdeathsig KILL bash -c '
	while read -r seconds; do
		pkill -STOP -P "$0"
		sleep "$seconds"
		pkill -CONT -P "$0"
	done' "$qemu" <&6 9>&- &
suspend=$!
exec 6>&-
if [ ${#watched[@]} -gt 0 ]; then
	"$lab/vm/accel.sh" "${watched[0]}" "$qemu" "${watched[1]}" >/dev/null 9>&- &
	watch=$!
fi

relayed=0
wait "$relay" || relayed=$?
relay=''
case $relayed in
0) ;;
1)
	ended=0
	wait "$qemu" || ended=$?
	qemu=''
	if [ -n "$watch" ]; then
		stopped=0
		wait "$watch" || stopped=$?
		watch=''
		if [ "$stopped" -eq 3 ]; then
			cleanup
			trap - INT TERM HUP
			[ "${watched[0]}" = begin ] || export LAB_ACCEL=tcg
			LAB_AGAIN=yes exec "$0" "${call[@]}"
		fi
	fi
	case $ended in
	124 | 137)
		grep -A 300 '^The time is nearly up' "$run/console" >&2 || tail -n 20 "$run/console" >&2
		echo "lab/vm/run.sh: ended after $limit s, which was the limit; --timeout sets another" >&2
		exit 124
		;;
	esac
	cat "$run/qemu" "$run/console" >&2 2>/dev/null || true
	die "the machine ended before the command did"
	;;
2) exit 125 ;;
3) exit 141 ;;
*) die "lab/vm/relay.py failed" ;;
esac

status=$(head -n 1 "$run/report")
# Where a namespace's sysctl tables get no memory, the kernel prints its stack and goes on
# (fs/proc/proc_sysctl.c). tests/e2e/fail_nth causes that, and it is not a fault.
sed -i -zE 's/Call Trace:(\n[^\n]*(<TASK>|dump_stack)[^\n]*)+(\n[^\n]*__register_sysctl_table\+)/Stack:\3/g' "$run/report"
if [ "$warnings" = fail ] && grep -qE "$trouble" "$run/report"; then
	# Not head, which would end grep by SIGPIPE.
	grep -E -B 2 -A 40 "$trouble" "$run/report" | sed -n 1,200p >&2
	die "the kernel's log has a warning (the command's exit status was $status)"
fi
exit "$status"
