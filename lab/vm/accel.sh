#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Chooses how QEMU runs a machine, and watches the machine that it runs.
#
#   lab/vm/accel.sh choose RELEASE IMAGE    print kvm or tcg
#   lab/vm/accel.sh watch PID FILE          wait until the process PID of a machine under
#                                           KVM ends; end it when its FILE stops growing
#   lab/vm/accel.sh begin PID FILE          wait until the FILE of an emulated machine grows;
#                                           end its process PID when that takes too long
#
# KVM counts as working if the kernel of that release reaches its init under it within a
# time that emulation would beat. An open /dev/kvm does not prove it: under nested KVM, a
# guest may hang forever. The answer is kept until the host reboots. LAB_ACCEL=kvm or
# LAB_ACCEL=tcg overrides it.
#
# watch exits with 3 when it ended the process, and then no kernel counts as working
# until the host boots again. begin exits with 3 when it ended the process: emulated
# processors hang in rare cases when the kernel changes its own code early in its boot.
set -euo pipefail

usage() {
	sed -n '/^#   /s/^#   //p' "$0" >&2
	exit 2
}

cache=${IPVS_BPF_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvs-bpf/lab}/accel
boot=$(</proc/sys/kernel/random/boot_id)

# Prints the kept answer for a release, if it is from this boot.
kept() {
	local told='' answer=''
	for file in "$cache/every" "$cache/$1"; do
		! read -r told answer 2>/dev/null <"$file" || [ "$told" != "$boot" ] || {
			echo "$answer"
			return
		}
	done
	return 1
}

keep() {
	mkdir -p "$cache"
	echo "$boot $2" >"$cache/$1.$$"
	mv "$cache/$1.$$" "$cache/$1"
}

# Succeeds if an image reaches its init under KVM in ten seconds; emulation takes two or
# three. It has the same processors as in lab/vm/run.sh.
reaches_init() {
	local folder ended=0
	folder=$(mktemp -d)
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf $(printf %q "$folder")" EXIT
	mkdir -p "$folder"/root/{bin,dev}
	cp "$(command -v busybox)" "$folder/root/bin/"
	cat >"$folder/root/init" <<-'INIT'
		#!/bin/busybox sh
		/bin/busybox mount -t devtmpfs dev /dev
		echo "lab: init" >/dev/ttyS0
		/bin/busybox poweroff -f
	INIT
	chmod +x "$folder/root/init"
	(cd "$folder/root" && find . | cpio --quiet -o -H newc) >"$folder/initrd"
	# The subshell hides the shell's own message about a QEMU that aborts.
	(
		ulimit -c 0
		timeout --kill-after 2 10 qemu-system-x86_64 -accel kvm -cpu max,la57=off -smp 2 \
			-m 512 -nodefaults -display none -no-reboot -kernel "$1" -initrd "$folder/initrd" \
			-append "console=ttyS0 quiet panic=-1" -serial "file:${folder//,/,,}/console" || exit
	) >/dev/null 2>&1 </dev/null || ended=$?
	[ "$ended" -eq 0 ] && grep -q "lab: init" "$folder/console"
}

# Prints the answer, and one line about it if it is new and KVM could be tried.
choose() {
	local answer
	case ${LAB_ACCEL:-} in
	kvm | tcg) answer=$LAB_ACCEL ;;
	'')
		answer=$(kept "$1") || {
			answer=tcg
			! reaches_init "$2" || answer=kvm
			keep "$1" "$answer"
			case $answer in
			kvm) echo "lab: KVM runs Linux $1, so virtual machines use it (LAB_ACCEL=tcg: emulation)" >&2 ;;
			*) echo "lab: KVM does not run Linux $1 here, so virtual machines are emulated (LAB_ACCEL=kvm overrules that)" >&2 ;;
			esac
		}
		;;
	*)
		echo "lab: LAB_ACCEL is '$LAB_ACCEL'; it can be kvm or tcg" >&2
		exit 2
		;;
	esac
	echo "$answer"
}

# The guest appends to the file every second. Half a minute without that means no
# progress. It is counted in checks of the file, so that suspending the host has no effect.
watch() {
	local size last=-1 still=0 limit=${LAB_PATIENCE:-30}
	while kill -0 "$1" 2>/dev/null; do
		size=$(stat -c %s "$2" 2>/dev/null || echo 0)
		if [ "$size" != "$last" ]; then
			last=$size still=0
		elif [ $((still += 1)) -ge $((2 * limit)) ]; then
			keep every tcg
			kill "$1" 2>/dev/null || true
			echo "lab: the machine stopped making progress under KVM; it starts again by emulation" >&2
			exit 3
		fi
		sleep 0.5
	done
}

# A boot takes some seconds of processor time, and longer on a busy host: so the limit
# counts the processor time, in seconds.
begin() {
	local used limit=${LAB_PATIENCE:-300}
	while kill -0 "$1" 2>/dev/null; do
		[ ! -s "$2" ] || return 0
		used=$(ps -o cputimes= -p "$1" --ppid "$1" | sort -n | tail -n 1)
		if [ "${used:-0}" -ge "$limit" ]; then
			kill "$1" 2>/dev/null || true
			echo "lab: the machine did not come up within $limit s of processor time; it starts again" >&2
			exit 3
		fi
		sleep 0.5
	done
}

case ${1:-} in
choose | watch | begin) [ $# -eq 3 ] || usage ;;
*) usage ;;
esac
"$@"
