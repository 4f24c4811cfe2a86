#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A real Kubernetes control plane and kube-proxy for the lab. etcd and kubectl come from
# Debian 12. kube-apiserver and kube-proxy are built from its source package, by the Go of
# Debian 11 as that source needs it, once, into the lab's cache.
#
#   lab/software/kubernetes.sh fetch    download and build all of it, unless it is there
#   lab/software/kubernetes.sh bin      print the folder with the programs
#   lab/software/kubernetes.sh run [OPTION…] -- COMMAND…
#                                       lab/vm/run.sh, with its options, in a network of
#                                       its own that has an etcd and a kube-apiserver. In
#                                       the machine, KUBECONFIG names a file for kubectl
#                                       and kube-proxy, and the API server is 10.0.2.2
#                                       behind a network card (virtio_net).
#
# An interrupted build continues. The folder of the programs appears when it is complete.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

packages=(etcd-server kubernetes-client)
compiler=(golang-1.15-go golang-1.15-src)
lab=$(dirname "$(dirname "$(readlink -f "$0")")")
cache=${IPVS_BPF_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvs-bpf/lab}
cache=$(realpath -m "$cache")
programs=${KUBERNETES_PROGRAMS:-$cache/kubernetes}
# The parts of an interrupted build. The folder is removed at the end.
work=$cache/kubernetes-build
tree=$work/go/src/k8s.io/kubernetes
log=$work/log

die() {
	echo "lab/software/kubernetes.sh: $*" >&2
	exit 1
}

say() {
	echo "lab/software/kubernetes.sh: $*" >&2
}

# shellcheck source=lab/software/suite.sh
source "$lab/software/suite.sh"

# The source, and the packages unpacked below debian/.
download() {
	local folder=$work/.download
	rm -rf "$folder"
	mkdir -p "$folder/debian" "$folder/go/src/k8s.io"
	say "1/5 downloading Go, etcd, kubectl and the source of Kubernetes"
	cd "$folder"
	know bullseye source
	apt-get "${apt[@]}" -qq download "${compiler[@]}"
	know bookworm source
	apt-get "${apt[@]}" -qq download "${packages[@]}"
	apt-get "${apt[@]}" -qq --download-only source kubernetes
	for package in ./*.deb; do dpkg-deb -x "$package" debian; done
	tar -xzf kubernetes_*.orig.tar.gz -C go/src/k8s.io
	mv go/src/k8s.io/kubernetes-* go/src/k8s.io/kubernetes
	rm ./*.deb kubernetes_*
	cd "$work"
	mv "$folder"/* .
	touch downloaded
}

go() {
	# Without modules, all comes from the tree's vendor folder.
	env GOROOT="$work/debian/usr/lib/go-1.15" GOPATH="$work/go" GOCACHE="$work/cache" \
		GO111MODULE=off CGO_ENABLED=0 GOFLAGS='' \
		nice -n 19 "$work/debian/usr/lib/go-1.15/bin/go" "$@" >>"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "the build failed; all of it is in $log"
	}
}

# build PACKAGE FLAGS: a program below cmd/ or vendor/ into bin/.
build() {
	local version
	version=$(<"$work/version")
	local versions=(
		-X "k8s.io/kubernetes/vendor/k8s.io/component-base/version.gitVersion=v$version"
		-X "k8s.io/kubernetes/vendor/k8s.io/component-base/version.gitMajor=${version%%.*}"
		-X "k8s.io/kubernetes/vendor/k8s.io/component-base/version.gitMinor=$(cut -d . -f 2 <<<"$version")"
		-X "k8s.io/kubernetes/vendor/k8s.io/client-go/pkg/version.gitVersion=v$version"
	)
	# Without the clouds of the providers, which are most of the API server's libraries.
	go build -tags providerless -ldflags "-s -w ${versions[*]}" -o "$work/bin/${1##*/}" "k8s.io/kubernetes/$1"
}

# The schemas of all types, which the tarball leaves to the build.
generate() {
	local types
	build vendor/k8s.io/kube-openapi/cmd/openapi-gen
	cd "$tree"
	# -R: most of vendor/k8s.io is links to staging/.
	types=$(grep -Rl --include='*.go' '^// +k8s:openapi-gen=' vendor/k8s.io pkg | xargs -n 1 dirname | sort -u |
		sed 's#^#k8s.io/kubernetes/#' | paste -s -d ,)
	[ -n "$types" ] || die "the source has no types with schemas"
	env GOROOT="$work/debian/usr/lib/go-1.15" GOPATH="$work/go" GO111MODULE=off \
		PATH="$work/debian/usr/lib/go-1.15/bin:$PATH" nice -n 19 \
		"$work/bin/openapi-gen" -O zz_generated.openapi -p k8s.io/kubernetes/pkg/generated/openapi -i "$types" \
		-h hack/boilerplate/boilerplate.generatego.txt -r "$work/violations" --output-base "$work/go/src" \
		>>"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "generating the schemas failed; all of it is in $log"
	}
	cd "$work"
	touch generated
}

fetch() {
	[ ! -d "$programs" ] || return 0
	for tool in apt-get dpkg-deb tar nice; do
		command -v "$tool" >/dev/null || die "$tool is missing; Kubernetes comes from Debian's packages"
	done
	mkdir -p "$cache"
	exec 8>"$cache/.kubernetes.lock"
	flock --nonblock 8 || {
		say "waiting for another run that builds Kubernetes"
		flock 8
	}
	[ ! -d "$programs" ] || return 0
	mkdir -p "$work/bin"
	cd "$work"
	[ -e downloaded ] || download
	say "building Kubernetes, which takes long; the log is $log"
	# Debian's version of 1.20.2 is 1.20.5+really1.20.2-1.
	sed -n '1s/.*really\([0-9.]*\)-.*/\1/p' <(zcat debian/usr/share/doc/kubernetes-client/changelog.Debian.gz) >version
	[ -s version ] || die "the changelog of kubernetes-client does not begin with its version"
	say "2/5 building kube-proxy"
	build cmd/kube-proxy
	say "3/5 generating the schemas of the API"
	[ -e generated ] || generate
	say "4/5 building kube-apiserver"
	build cmd/kube-apiserver
	say "5/5 starting them once"
	rm -f bin/openapi-gen
	cp debian/usr/bin/etcd debian/usr/bin/kubectl bin/
	bin/kube-proxy --version >>"$log"
	(isolated "$work/bin" serve kubectl get services) >>"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "the API server does not start; all of it is in $log"
	}
	mv -T bin "$programs"
	# Go's own files are read-only.
	chmod -R u+w "$work"
	rm -rf "$work"
}

# serve COMMAND…: runs it next to an etcd and an API server, on the loopback interface.
serve() {
	local token status=0
	ip link set lo up
	folder=$(mktemp -d) servers=()
	trap 'kill -KILL "${servers[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$folder"' EXIT
	chmod 755 "$folder"
	token=$(</proc/sys/kernel/random/uuid)
	echo "$token,admin,admin,system:masters" >"$folder/tokens"
	ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f "$folder/accounts"
	kubeconfig 127.0.0.1 >"$folder/kubeconfig"
	kubeconfig 10.0.2.2 >"$folder/kubeconfig-of-the-machine"
	setpriv --pdeathsig KILL "$programs/etcd" --data-dir "$folder/etcd" --log-level error \
		--listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
		--listen-peer-urls http://127.0.0.1:2380 >"$folder/etcd.log" 2>&1 &
	servers+=($!)
	# No controllers run here, so accounts would never get their tokens.
	setpriv --pdeathsig KILL "$programs/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
		--bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port=6443 \
		--cert-dir="$folder/certificates" --token-auth-file="$folder/tokens" --authorization-mode=AlwaysAllow \
		--service-account-issuer=https://kubernetes.default.svc \
		--service-account-signing-key-file="$folder/accounts" --service-account-key-file="$folder/accounts" \
		--service-cluster-ip-range=10.96.0.0/16 --disable-admission-plugins=ServiceAccount \
		--endpoint-reconciler-type=none >"$folder/apiserver.log" 2>&1 &
	servers+=($!)
	until curl -fsk -o "$folder/ready" -H "Authorization: Bearer $token" https://127.0.0.1:6443/readyz 2>/dev/null; do
		for server in "${servers[@]}"; do
			kill -0 "$server" 2>/dev/null || {
				tail -n 20 "$folder/etcd.log" "$folder/apiserver.log" >&2
				die "etcd or kube-apiserver ended before it was ready"
			}
		done
		sleep 0.5
	done
	KUBECONFIG=$folder/kubeconfig PATH=$programs:$PATH "$@" || status=$?
	[ "$status" -eq 0 ] || grep -E '^[EF][0-9]{4} ' "$folder/apiserver.log" | tail -n 20 >&2 || true
	exit "$status"
}

# Prints a file for clients of the API server at that address.
kubeconfig() {
	cat <<-END
		apiVersion: v1
		kind: Config
		current-context: lab
		contexts: [{name: lab, context: {cluster: lab, user: admin}}]
		clusters: [{name: lab, cluster: {server: "https://$1:6443", insecure-skip-tls-verify: true}}]
		users: [{name: admin, user: {token: $token}}]
	END
}

# isolated PROGRAMS COMMAND…: runs this script in a network of its own.
isolated() {
	local root=(--map-root-user)
	[ "$(id -u)" -ne 0 ] || root=()
	KUBERNETES_PROGRAMS=$1 exec unshare "${root[@]}" --net "$lab/software/kubernetes.sh" "${@:2}"
}

# The machine in that network.
machine() {
	KUBECONFIG=$KUBECONFIG-of-the-machine exec "$lab/vm/run.sh" \
		--qemu-opts "-netdev user,id=kubernetes -device virtio-net-pci,netdev=kubernetes,romfile=" "$@"
}

case ${1:-} in
fetch) fetch ;;
bin | run)
	[ -d "$programs" ] || die "$programs is missing; run: lab/software/kubernetes.sh fetch"
	[ "$1" = run ] || {
		echo "$programs"
		exit
	}
	isolated "$programs" serve "$lab/software/kubernetes.sh" machine "${@:2}"
	;;
# In the network of its own.
serve | machine) "$@" ;;
*) die "usage: lab/software/kubernetes.sh fetch | bin | run [OPTION…] -- COMMAND…" ;;
esac
