#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Boots a disk of lab/software/debian.sh as a real host, with its own kernel, initrd and
# systemd, runs a program in it at the end of the boot, and shuts it down.
# Needs root.
#
#   lab/vm/machine.sh [OPTIONS] DISK FOLDER PROGRAM
#
#   --kernel RELEASE     one of those that the disk has; the newest
#   --kernel-args "…"    more arguments for the kernel
#   --timeout SECONDS    the machine is ended after that (3600)
#
# The machine has CPUS processors, or 2, and FOLDER as /lab; PROGRAM is a path in
# it. Changes to disk and folder stay. The output is streamed, and the exit status is
# passed on; 124: the time was up; 125: the machine failed. The console is in
# FOLDER/console. lab/vm/accel.sh chooses KVM or emulation. A machine that stops making
# progress under KVM starts again once, under emulation.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

vm=$(dirname "$(readlink -f "$0")")

die() {
	echo "lab/vm/machine.sh: $*" >&2
	exit 125
}

call=("$@")
release='' arguments='' limit=3600
while [ $# -gt 3 ]; do
	case $1 in
	--kernel) release=$2 ;;
	--kernel-args) arguments=$2 ;;
	--timeout) limit=$2 ;;
	*) die "unknown option $1" ;;
	esac
	shift 2
done
[ $# -eq 3 ] || die "usage: lab/vm/machine.sh [OPTIONS] DISK FOLDER PROGRAM"
disk=$1 folder=$2 program=$3

# Configure the machine, and copy its kernel.
root=$(mktemp -d)
trap 'umount "$root" 2>/dev/null || true; rmdir "$root"' EXIT
mount -o loop "$disk" "$root"
cat >"$root/etc/systemd/system/lab.mount" <<END
[Mount]
What=lab
Where=/lab
Type=9p
Options=trans=virtio,version=9p2000.L,msize=512000
END
cat >"$root/etc/systemd/system/lab.service" <<END
[Unit]
Wants=network-online.target
After=network-online.target
RequiresMountsFor=/lab
SuccessAction=poweroff
FailureAction=poweroff
[Service]
Type=exec
# The boot is over, even if something failed.
ExecStart=/bin/bash -c 'systemctl is-system-running --wait >/dev/null; exec /lab/$program >/dev/virtio-ports/lab 2>&1 </dev/null'
ExecStopPost=/bin/sh -c 'echo \$EXIT_STATUS >/lab/status'
END
# lab/vm/accel.sh watches this port if the machine runs under KVM.
cat >"$root/etc/systemd/system/beat.service" <<END
[Unit]
DefaultDependencies=no
ConditionKernelCommandLine=lab.beat
[Service]
ExecStart=/bin/sh -c 'while echo; do sleep 1; done >/dev/virtio-ports/beat'
END
mkdir -p "$root/lab" "$root/etc/systemd/system/"{multi-user,sysinit}.target.wants
ln -sf ../lab.service "$root/etc/systemd/system/multi-user.target.wants/"
ln -sf ../beat.service "$root/etc/systemd/system/sysinit.target.wants/"
[ -n "$release" ] || release=$(basename "$(find "$root"/boot/vmlinuz-* | sort -V | tail -n 1)" | cut -d - -f 2-)
cp "$root/boot/vmlinuz-$release" "$folder/vmlinuz"
cp "$root/boot/initrd.img-$release" "$folder/initrd"
umount "$root"

accel=$("$vm/accel.sh" choose "$release" "$folder/vmlinuz")
case $accel in
kvm) beat=(-chardev "file,id=beat,path=$folder/beat" -device "virtserialport,chardev=beat,name=beat") ;;
*) accel=tcg,thread=multi beat=() ;;
esac
# QEMU makes its output descriptors non-blocking, and ours are shared.
rm -f "$folder/status" "$folder/out" "$folder/beat"
mkfifo "$folder/out"
cat "$folder/out" &
reader=$!
ended=0 watched=0 watch=''
setpriv --pdeathsig KILL timeout --kill-after 5 "$limit" \
	setpriv --pdeathsig KILL qemu-system-x86_64 -accel "$accel" -cpu max,la57=off -smp "${CPUS:-2}" -m 2048 \
	-nodefaults -display none -no-reboot -kernel "$folder/vmlinuz" -initrd "$folder/initrd" \
	-append "root=LABEL=root console=ttyS0 panic=-1 oops=panic mitigations=off ${beat[*]:+lab.beat} $arguments" \
	-serial "file:$folder/console" -drive "file=$disk,format=raw,if=virtio,cache=unsafe" \
	-fsdev "local,id=lab,path=$folder,security_model=none" -device virtio-9p-pci,fsdev=lab,mount_tag=lab \
	-device virtio-serial-pci -chardev file,id=out,path=/dev/fd/3 -device virtserialport,chardev=out,name=lab \
	"${beat[@]}" </dev/null 2>"$folder/qemu" 3>"$folder/out" &
qemu=$!
if [ ${#beat[@]} -gt 0 ] && [ -z "${LAB_ACCEL:-}" ]; then
	"$vm/accel.sh" watch "$qemu" "$folder/beat" >/dev/null &
	watch=$!
fi
wait "$qemu" || ended=$?
[ -z "$watch" ] || wait "$watch" || watched=$?
wait "$reader"
if [ "$watched" -eq 3 ]; then
	rmdir "$root"
	LAB_ACCEL=tcg exec "$0" "${call[@]}"
fi
if [ -s "$folder/status" ]; then
	exit "$(<"$folder/status")"
fi
cat "$folder/qemu" >&2
tail -n 40 "$folder/console" >&2
[ "$ended" -ne 124 ] || {
	echo "lab/vm/machine.sh: ended after $limit s, which was the limit" >&2
	exit 124
}
die "the machine ended before the program did"
