#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds a debugging kernel from a source archive: `debug` (debug.config of this folder), or
# another one (debug.config, and what NAME.config changes). Puts into the current folder the
# same files that lab/software/kernel.sh unpacks from a packaged kernel.
#
#   lab/software/debug-kernel.sh ARCHIVE RELEASE NAME
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

software=$(dirname "$(readlink -f "$0")")
archive=$1 release=$2 name=$3
tree=usr/src/linux-headers-$release

# BTF gets its types from two files that have what eBPF programs see: debugging
# information for all other files would take a large part of the build time.
run() {
	nice -n 19 make -s -C "$tree" -j"$(nproc)" debug-flags-y= CFLAGS_btf.o=-g CFLAGS_filter.o=-g "$@"
}

mkdir -p "$tree" boot
tar -xJf "$archive" -C "$tree" --strip-components 1
# The last value of an option counts; kconfig would warn of the others.
cat "$software/debug.config" "$software/$name.config" |
	awk -F = '/^CONFIG_/ { value[$1] = $0 } END { for (option in value) print value[option] }' >all.config
make -s -C "$tree" KCONFIG_ALLCONFIG="$PWD/all.config" allnoconfig
rm all.config
[ "$(make -s -C "$tree" kernelrelease)" = "$release" ] || {
	echo "lab/software/debug-kernel.sh: $archive is not the source of $release" >&2
	exit 1
}
# It warns of each set of functions for eBPF whose types are in none of the two files.
run bzImage modules 2> >(sed '/^WARN: resolve_btfids: unresolved symbol/d' >&2)
run INSTALL_MOD_PATH="$PWD" INSTALL_MOD_STRIP=1 modules_install
# Not as vmlinux, which QEMU starts by its PVH note: that path runs C code with KASAN
# checks before KASAN has its shadow memory, and the processor resets.
install -m 644 "$tree/arch/x86/boot/bzImage" "boot/vmlinuz-$release"
# Most of the size is files that no module build needs.
find "$tree" \( -name '*.[oa]' -o -name '*.ko' -o -name 'vmlinux*' -o -name bzImage \) -type f -not -path '*/scripts/*' \
	-not -path '*/tools/*' -delete
