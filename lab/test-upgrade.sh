#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds version 0.1 from the repository's history into target/upgrade, and runs the tests of
# the upgrade from it (tests/e2e/upgrade.rs).
set -euo pipefail
cd "$(dirname "$0")/.."

# The last commit of 0.1.
commit=0fbee27e3d62
folder=target/upgrade

git cat-file -e "$commit^{commit}" 2>/dev/null || {
	echo "lab/test-upgrade.sh: the repository has no commit $commit; run: git fetch --unshallow" >&2
	exit 1
}
rm -rf "$folder/source"
mkdir -p "$folder/source"
git archive "$commit" | tar -x -C "$folder/source"
make --no-print-directory -C "$folder/source/kmod" KDIR="$(lab/software/kernel.sh kdir)" modules
# Not a member of this workspace.
echo '[workspace]' >>"$folder/source/Cargo.toml"
CARGO_TARGET_DIR=$folder/build cargo build --manifest-path "$folder/source/Cargo.toml"
cp "$folder/source/kmod/ip_vs_bpf.ko" "$folder/build/debug/ipvs-bpf" "$folder"
exec cargo test --test e2e -- --ignored upgrade::
