#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Makes the packages of this version, in target/packages/old, and those of the next
# one, in target/packages/new: the same sources, but for another file of the
# operator's.
set -euo pipefail
cd "$(dirname "$0")/../.."

old=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
new=${old%.*}.$((${old##*.} + 1))
source=target/packages/source

# pack FOLDER NAME: what `make deb rpm` makes in the folder.
pack() {
	make --no-print-directory -C "$1" deb rpm
	rm -rf "target/packages/$2"
	mkdir "target/packages/$2"
	cp "$1"/target/deb/*.deb "$1"/target/rpm/RPMS/*/*.rpm "target/packages/$2"
}

mkdir -p "$source/target"
pack . old

find "$source" -mindepth 1 -maxdepth 1 ! -name target -exec rm -r {} +
git ls-files -z --cached --others --exclude-standard | xargs -0 cp -P --parents -t "$source"
sed -i "s/^version = \"$old\"/version = \"$new\"/" "$source/Cargo.toml"
sed -i "/^name = \"ipvs-bpf\"/{n;s/\"$old\"/\"$new\"/}" "$source/Cargo.lock"
echo "# Of version $new." >>"$source/packaging/lb.toml"
# What it is built from, apart from itself, is built already.
cp -a -u target/release "$source/target/"
pack "$source" new
