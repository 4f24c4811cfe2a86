#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Writes the initramfs of a virtual machine to standard output: busybox, the modules for
# the host's files, the script that mounts these, a list of files that it copies to
# memory, and the job to run.
#
#   lab/vm/initramfs.sh KERNEL_FOLDER RUN_FOLDER
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

kernel=$1 run=$2
root=$run/initramfs
mkdir -p "$root"/{bin,dev,proc,sys,host,memory,root,modules,lab}
cp "$(command -v busybox)" "$root/bin/busybox"
cp "$run"/job/* "$root/lab/"

# Each module comes after those that it needs. Built-in modules have no files.
touch "$root/modules/order"
case $(<"$run/job/share") in
9p) files=(9pnet_virtio 9p) ;;
*) files=(virtiofs) ;;
esac
for module in virtio_pci virtio_console "${files[@]}" overlay; do
	modprobe -d "$kernel" -S "$(basename "$kernel")" --show-depends "$module" 2>/dev/null |
		sed -n 's/^insmod \(.*\.ko[^ ]*\).*/\1/p'
done | awk '!seen[$0]++' | while read -r file; do
	cp "$file" "$root/modules/"
	basename "$file" >>"$root/modules/order"
done

# Each opening of one of the host's files is several requests to the emulator. Programs
# that start often, with their libraries, locale and Python modules, are copied to memory,
# but of the large CLI only the libraries.
started() {
	local names=(
		bash sh env cat sleep ip tc ss sysctl nsenter modprobe ping curl nft ipvsadm
		ethtool nstat head tail
	) lab
	lab=$(dirname "$(dirname "$(readlink -f "$0")")")
	mapfile -t programs < <(PATH=/usr/sbin:/usr/bin:/sbin:/bin type -P "${names[@]}" || true)
	programs+=(/usr/bin/python3)
	printf '%s\n' "${programs[@]}" /etc/ld.so.cache "$lab"/net/*
	ldd "${programs[@]}" "$lab/../target/debug/ipvs-bpf" 2>/dev/null | grep -oE '/[^ ]+\.so[^ ]*'
	find /usr/lib/locale/C.utf8 /usr/lib/*/gconv/gconv-modules.cache -type f 2>/dev/null || true
	/usr/bin/python3 - <<-'END'
		import ctypes, hashlib, http.server, ipaddress, json, random, select, socketserver
		import struct, subprocess, sys, threading
		for module in list(sys.modules.values()):
		    for name in "__file__", "__cached__":
		        if file := getattr(module, name, None):
		            print(file)
	END
}
started | xargs -d '\n' readlink -e -- | sort -u >"$root/started" || true

# noxattr: the overlay reads the attributes of every file, and none of them matter
# to root.
cat >"$root/init" <<'INIT'
#!/bin/busybox sh
set -e
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do
	insmod "/modules/$module"
done
case $(cat /lab/share) in
9p) mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,noxattr,ro root /host ;;
*) mount -t virtiofs -o ro root /host ;;
esac
mount -t tmpfs -o size=75% memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /root
while read -r file; do
	true >>"/root$file" # the overlay copies what is opened for writing
done </started
mount -t tmpfs -o mode=755 run /root/run
cp -r /lab /root/run/lab
for folder in proc sys dev; do
	mount --move "/$folder" "/root/$folder"
done
exec switch_root /root /bin/bash /run/lab/guest.sh
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc)
rm -rf "$root"
