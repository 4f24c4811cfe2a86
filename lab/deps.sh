#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Installs what building and testing need, by the system's package manager, and fetches
# the lab's kernel, promtool, stock servers, ruff and checkpatch. Does nothing, silently, if
# everything is installed.
#
#   lab/deps.sh             what `make test` needs
#   lab/deps.sh debug       what `make test-debug` also needs
#   lab/deps.sh kubernetes  what `make test-kubernetes` also needs
#   lab/deps.sh packages    what `make deb`, `make rpm` and `make test-packages` also need
set -euo pipefail

packages=(
	# the programs, the module, the CLI
	make gcc libc6-dev clang libbpf-dev libelf-dev bc dwarves kmod
	# the virtual machine
	qemu-system-x86 busybox-static cpio util-linux bsdutils xz-utils python3-minimal
	# the tests and the demo: clients, servers, and other projects' tools
	iproute2 iputils-ping procps curl iperf3 python3 ipvsadm nftables conntrack tcpdump
	ethtool strace socat netcat-openbsd openssh-client bpftool tmux bash zsh fish python3-prometheus-client keepalived
	# make lint
	shellcheck mandoc python3-venv sparse
)

case ${1:-} in
debug) packages=(flex bison libssl-dev) ;;
kubernetes) packages=(iptables ipset) ;;
packages) packages=(debhelper dh-dkms dpkg-dev rpm debootstrap e2fsprogs) ;;
esac

missing=()
if command -v dpkg-query >/dev/null; then
	for package in "${packages[@]}"; do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
		[ "$state" = installed ] || missing+=("$package")
	done
else
	missing=("${packages[@]}")
fi

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)

# Runs apt-get, quietly, when no other apt holds its locks.
apt() {
	local errors holder said=''
	until errors=$("${as_root[@]}" env LC_ALL=C DEBIAN_FRONTEND=noninteractive \
		apt-get -qq "$@" 2>&1 >/dev/null </dev/null); do
		holder=$(grep -m 1 'Could not get lock' <<<"$errors") || {
			echo "$errors" >&2
			return 1
		}
		[ -n "$said" ] || echo "make deps: waiting for another apt to end: ${holder#E: }" >&2
		said=yes
		sleep 1
	done
}

if [ ${#missing[@]} -gt 0 ]; then
	if ! command -v apt-get >/dev/null; then
		echo "make deps: this is not Debian; install what its packages of these names contain:" >&2
	elif [ ${#as_root[@]} -gt 0 ] && ! command -v sudo >/dev/null; then
		echo "make deps: not root, and there is no sudo; have these packages installed:" >&2
	else
		echo "installing: ${missing[*]}" >&2
		apt update
		apt install -y --no-install-recommends "${missing[@]}"
		missing=()
	fi
	if [ ${#missing[@]} -gt 0 ]; then
		printf '  %s\n' "${missing[@]}" >&2
		exit 1
	fi
fi

[ $# -eq 0 ] || exit 0

command -v cargo >/dev/null || {
	echo "make deps: cargo is missing; install Rust 1.88 or newer (https://rustup.rs)" >&2
	exit 1
}

# Old or missing package lists are the only cause that can be fixed here.
kernel=$(dirname "$0")/software/kernel.sh
promtool=$(dirname "$0")/software/promtool.sh
stock=$(dirname "$0")/software/stock.sh
ruff=$(dirname "$0")/lint/ruff.sh
"$ruff" fetch
{ "$kernel" fetch && "$promtool" fetch && "$stock" fetch; } || {
	echo "trying again with new package lists" >&2
	apt update
	"$kernel" fetch
	"$promtool" fetch
	"$stock" fetch
}
"$(dirname "$0")/lint/checkpatch.sh" fetch
