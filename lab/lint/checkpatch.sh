#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Checks the style of the module and the eBPF program with the kernel's checkpatch.pl.
#
#   lab/lint/checkpatch.sh fetch    get it from Debian's kernel source into the lab's cache,
#                                   unless it is there
#   lab/lint/checkpatch.sh check    run it; a warning is a failure
#
# A mirror without the source can do without: `check` then says that the style was not checked.
set -euo pipefail
cd "$(dirname "$0")/../.."

package=linux-source-6.1
cache=${IPVS_BPF_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvs-bpf/lab}
cache=$(realpath -m "$cache")
folder=$cache/checkpatch

# For suite.sh.
die() {
	echo "lab/lint/checkpatch.sh: $*" >&2
	exit 1
}

# shellcheck source=lab/software/suite.sh
source lab/software/suite.sh

# Unpacks it into the current folder.
unpack() {
	apt-get "${apt[@]}" -qq download "$package" &&
		dpkg-deb --fsys-tarfile ./*.deb | tar -xO "./usr/src/$package.tar.xz" |
		tar -xJ --strip-components 2 --wildcards '*/scripts/checkpatch.pl' '*/scripts/spelling.txt' \
			'*/scripts/const_structs.checkpatch' &&
		rm ./*.deb
}

fetch() {
	mkdir -p "$cache"
	exec 8>"$cache/.checkpatch.lock"
	flock 8
	[ ! -d "$folder" ] || return 0
	echo "fetching checkpatch for the lab" >&2
	know bookworm
	rm -rf "$folder.part"
	mkdir "$folder.part"
	(cd "$folder.part" && unpack) && mv -T "$folder.part" "$folder"
}

# Runs it on files, without the warnings of these types.
check() {
	perl "$folder/checkpatch.pl" --no-tree --terse --show-types --no-summary --max-line-length=100 \
		--typedefsfile <(echo nf_hookfn) --ignore "$1" -f "${@:2}"
}

case ${1:-} in
fetch)
	(fetch) || echo "lab/lint/checkpatch.sh: $package cannot be fetched; the style of C will not be checked" >&2
	;;
check)
	[ -d "$folder" ] || {
		echo "lab/lint/checkpatch.sh: checkpatch is missing (make deps fetches it): C is not checked" >&2
		exit 0
	}
	mapfile -t files < <(find kmod bpf -name '*.[ch]' ! -path kmod/compat.h)
	status=0
	# The name of an IPVS application is not const. The program reads what the module writes, and
	# has no READ_ONCE().
	check STATIC_CONST_CHAR_ARRAY,VOLATILE,PREFER_DEFINED_ATTRIBUTE_MACRO "${files[@]}" || status=1
	# A module of several kernels needs these, and checkpatch does not know _Generic().
	check LINUX_VERSION_CODE,CONSTANT_COMPARISON,COMPLEX_MACRO,INDENTED_LABEL,SPACING kmod/compat.h || status=1
	exit "$status"
	;;
*)
	echo "usage: lab/lint/checkpatch.sh fetch|check" >&2
	exit 2
	;;
esac
