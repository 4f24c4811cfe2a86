#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Lints and formats the Python of the tree with ruff, by the rules of ruff.toml.
#
#   lab/lint/ruff.sh fetch     install it from PyPI into the lab's cache, unless it is there
#   lab/lint/ruff.sh check     lint, and compare the format
#   lab/lint/ruff.sh format    write the format
#
# A host without PyPI can do without: `check` then says that Python was not checked.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=0.17.6
cache=${IPVS_BPF_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvs-bpf/lab}
ruff=$(realpath -m "$cache")/ruff-$version/bin/ruff

fetch() {
	local folder
	mkdir -p "$cache"
	exec 8>"$cache/.ruff.lock"
	flock 8
	[ ! -x "$ruff" ] || return 0
	folder=${ruff%/bin/ruff}
	echo "fetching ruff for the lab" >&2
	python3 -m venv --clear "$folder" &&
		"$folder/bin/pip" --quiet --disable-pip-version-check --retries 1 --timeout 20 \
			install "ruff==$version"
}

case ${1:-} in
fetch)
	fetch || echo "lab/lint/ruff.sh: ruff $version cannot be installed; Python will not be checked" >&2
	exit
	;;
check | format) ;;
*)
	echo "usage: lab/lint/ruff.sh fetch|check|format" >&2
	exit 2
	;;
esac
[ -x "$ruff" ] || {
	echo "lab/lint/ruff.sh: ruff $version is missing (make deps installs it): Python is not checked" >&2
	exit 0
}
mapfile -t scripts < <(grep -lrE '^#!.*python' benches lab packaging tests)
if [ "$1" = format ]; then
	"$ruff" format "${scripts[@]}"
else
	"$ruff" check --quiet "${scripts[@]}"
	"$ruff" format --quiet --check "${scripts[@]}" || {
		echo "lab/lint/ruff.sh: these files are not formatted; run: lab/lint/ruff.sh format" >&2
		exit 1
	}
fi
