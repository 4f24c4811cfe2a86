#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Kernels for the lab: the distribution's own packages, unpacked into a cache, and
# debugging kernels, built there. Nothing is installed.
#
#   lab/software/kernel.sh fetch [VERSION]     download and unpack or build it, unless it is there
#   lab/software/kernel.sh folder [VERSION]    print where it is unpacked
#   lab/software/kernel.sh release [VERSION]   print its `uname -r`
#   lab/software/kernel.sh kdir [VERSION]      print the tree that modules are built against
#   lab/software/kernel.sh tools [VERSION]     print the folder whose usr/ has the compiler that
#                                              built it; nothing where the system has it
#
# VERSION is the beginning of a release; the default is KERNEL, or 6.1. The distribution's
# other flavours have their name behind it: 6.1-rt (PREEMPT_RT) and 6.1-cloud. `debug` is a 6.1
# with KASAN, lockdep and the like (lab/software/debug.config), `kcsan` one that reports data
# races (lab/software/kcsan.config); two idle processors build one in ten minutes. The suite of
# a kernel comes from the mirrors in the system's own apt sources. apt
# keeps the lists of that suite in the cache and does not change the system's lists. The
# cache is never refreshed: remove a kernel's folder to fetch a newer release. The cache
# is IPVS_BPF_LAB, or ipvs-bpf/lab in the user's cache folder.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

cache=${IPVS_BPF_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvs-bpf/lab}
cache=$(realpath -m "$cache")
software=$(dirname "$(readlink -f "$0")")
lock=''
action=${1:-}
version=${2:-${KERNEL:-6.1}}
base=$version flavour=''
case $version in
*-rt | *-cloud) base=${version%-*} flavour=${version##*-} ;;
esac

die() {
	echo "lab/software/kernel.sh: $*" >&2
	exit 1
}

# Prints the Debian suite that has that version.
suite() {
	case $base in
	5.10 | 5.10[.-]*) echo bullseye ;;
	6.1 | 6.1[.-]* | debug | kcsan) echo bookworm ;;
	6.12 | 6.12[.-]*) echo bookworm-backports ;;
	7 | 7.*) echo trixie-backports ;;
	*) die "no suite is known that has a kernel $version; there are 5.10, 6.1, 6.12, 7, debug and kcsan" ;;
	esac
}

# shellcheck source=lab/software/suite.sh
source "$software/suite.sh"

# Succeeds if the lab builds that version itself, from the source package.
built_here() {
	[ "$version" = debug ] || [ "$version" = kcsan ]
}

# Succeeds if a release is one of that version.
fits() {
	[ "$1" != "$version" ] || return 0
	case $version/$1 in
	debug/*-debug | kcsan/*-kcsan) return 0 ;;
	*-debug | *-kcsan) return 1 ;;
	esac
	case $1 in
	*-rt-amd64) [ "$flavour" = rt ] || return 1 ;;
	*-cloud-amd64) [ "$flavour" = cloud ] || return 1 ;;
	*) [ -z "$flavour" ] || return 1 ;;
	esac
	[[ $1 = "$base"[.-]* ]]
}

# Prints the newest release of that version in the cache. For `debug`, that is
# 6.1.N-debug, and for `kcsan` 6.1.N-kcsan.
newest() {
	local kernel
	for kernel in "$cache/kernels/"*; do
		! fits "$(basename "$kernel")" || basename "$kernel"
	done | sort -V | tail -n 1
}

# Prints the names of the matching packages that a package depends on.
depends() {
	{ LC_ALL=C apt-cache "${apt[@]}" depends "$1" 2>/dev/null || true; } | sed -nE "s/^ *Depends: ($2)\$/\1/p"
}

# QEMU starts an uncompressed kernel by its PVH note. Under emulation this saves two
# seconds. Without the note, QEMU starts the vmlinuz.
decompress() {
	local image=$1 kernel=$2 start
	start=$(LC_ALL=C grep -aboP -m 1 '\xfd7zXZ\x00' "$image" | head -n 1 | cut -d : -f 1) || return 0
	xz -dc --single-stream < <(tail -c "+$((start + 1))" "$image") >"$kernel" 2>/dev/null ||
		rm -f "$kernel"
}

unpack() {
	local release=$1 home=$cache/kernels/$1 headers=linux-headers-$1 packages package common
	mapfile -t packages < <(
		depends "$headers" 'linux-(headers|kbuild)-[^ ]*'
		# 7.x splits its image.
		depends "linux-image-$release" "linux-(base|binary|modules)-${release//+/\\+}"
	)
	[ ${#packages[@]} -gt 0 ] || die "apt knows no package $headers"
	apt-get "${apt[@]}" -qq download "linux-image-$release" "$headers" "${packages[@]}"
	for package in ./*.deb; do
		dpkg-deb -x "$package" .
		rm "$package"
	done
	if [ ! -e "lib/modules/$release" ]; then
		mkdir -p lib/modules boot
		mv "usr/lib/modules/$release" lib/modules/
	fi
	[ ! -e "lib/modules/$release/vmlinuz" ] || mv "lib/modules/$release/vmlinuz" "boot/vmlinuz-$release"
	# The headers name their common part by its place in /usr, and the modules
	# name the headers so.
	sed -i -E "s#([ =])/usr/src/#\1$home/usr/src/#" "usr/src/$headers/Makefile"
	! grep -q '[ =]/usr/' "usr/src/$headers/Makefile" || die "$headers needs more of /usr than is known here"
	ln -sfn "$home/usr/src/$headers" "lib/modules/$release/build"
	common=$(echo usr/src/linux-headers-*-common*)
	ln -sfn "$home/$common" "lib/modules/$release/source"
	depmod -b . "$release"
	decompress "boot/vmlinuz-$release" "boot/vmlinux-$release"
}

# Creates a folder of the cache by a command that fills it, completely or not at all.
make_folder() {
	local folder
	# Remove what an interrupted run left.
	rm -rf "$cache/kernels/.unpacking$lock."*
	folder=$(mktemp -d "$cache/kernels/.unpacking$lock.XXXXXX")
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf $(printf %q "$folder")" EXIT
	chmod 755 "$folder"
	(cd "$folder" && "${@:2}")
	mkdir -p "$(dirname "$1")"
	mv -T "$folder" "$1"
	trap - EXIT
}

fetch_kernel() {
	local image release suite package=linux-image-${flavour:+$flavour-}amd64
	suite=$(suite)
	know "$suite"
	image=$(depends "$package" 'linux-image-[0-9][^ ]*')
	[ -n "$image" ] || die "the mirror gives no package $package of $suite"
	release=${image#linux-image-}
	fits "$release" || die "the kernel of $suite is $release, not $version"
	echo "fetching the kernel $release for the lab" >&2
	make_folder "$cache/kernels/$release" unpack "$release"
}

build() {
	local release=$1
	apt-get "${apt[@]}" -qq download linux-source-6.1
	dpkg-deb --fsys-tarfile linux-source-6.1_*.deb | tar -x --wildcards '*.tar.xz'
	rm linux-source-6.1_*.deb
	"$software/debug-kernel.sh" usr/src/linux-source-6.1.tar.xz "$release" "$version"
	rm usr/src/linux-source-6.1.tar.xz
	rm -f "lib/modules/$release/source"
	ln -sfn "$cache/kernels/$release/usr/src/linux-headers-$release" "lib/modules/$release/build"
}

build_kernel() {
	local source release
	know bookworm
	source=$(LC_ALL=C apt-cache "${apt[@]}" show linux-source-6.1 | sed -n 's/^Version: //p' | sort -V | tail -n 1)
	[ -n "$source" ] || die "the mirror gives no package linux-source-6.1 of bookworm"
	release=${source%%-*}-$version
	echo "building the kernel $release for the lab, which takes long" >&2
	make_folder "$cache/kernels/$release" build "$release"
}

# Prints the compiler that a kernel's headers name, which is the one that built it.
compiler() {
	sed -nE 's/^CC = .*(gcc-[0-9]+)$/\1/p' "$cache/kernels/$1/usr/src/linux-headers-$1/.kernelvariables"
}

# Prints the folder with the Debian release that a kernel was built for, unpacked as far
# as building a module needs. Prints nothing if the system has that compiler.
tools() {
	local suite
	! built_here || return 0
	suite=$(suite)
	command -v "$(compiler "$1")" >/dev/null || echo "$cache/tools/${suite%-backports}"
}

unpack_tools() {
	local package folder
	# Use today's layout, whatever that release has.
	mkdir -p usr archives/partial
	for folder in bin sbin lib lib64; do
		mkdir "usr/$folder"
		ln -s "usr/$folder" .
	done
	apt-get "${apt[@]}" -qq --download-only --no-install-recommends -y -o "Dir::Cache::Archives=$PWD/archives" \
		install "$1" make dwarves '?essential' >/dev/null
	for package in archives/*.deb; do
		dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink
	done
	rm -r archives
	# The package for awk is chosen at its configuration.
	ln -s mawk usr/bin/awk
}

fetch_tools() {
	local compiler=$1 folder=$2
	echo "fetching $compiler of Debian $(basename "$folder") for the lab" >&2
	know "$(basename "$folder")"
	make_folder "$folder" unpack_tools "$compiler"
}

fetch() {
	local release tools
	mkdir -p "$cache/kernels"
	# A long build does not block a fetch.
	! built_here || lock=-$version
	exec 8>"$cache/kernels/.lock$lock"
	flock 8
	for tool in apt-cache apt-get dpkg-deb depmod xz; do
		command -v "$tool" >/dev/null || die "$tool is missing; kernels come from Debian's packages"
	done
	case $version/$(newest) in
	debug/ | kcsan/) build_kernel ;;
	*/) fetch_kernel ;;
	esac
	release=$(newest)
	tools=$(tools "$release")
	[ -z "$tools" ] || [ -d "$tools" ] || fetch_tools "$(compiler "$release")" "$tools"
}

case $action in
fetch) fetch ;;
folder | release | kdir | tools)
	release=$(newest)
	[ -n "$release" ] || die "no kernel $version in $cache; run: make deps KERNEL=$version"
	case $action in
	folder) echo "$cache/kernels/$release" ;;
	release) echo "$release" ;;
	kdir) echo "$cache/kernels/$release/usr/src/linux-headers-$release" ;;
	tools) tools "$release" ;;
	esac
	;;
*) die "usage: lab/software/kernel.sh fetch|folder|release|kdir|tools [VERSION]" ;;
esac
