# SPDX-License-Identifier: GPL-2.0-only
# All tasks start here. `make` alone lists the targets.

# The lab's kernel, as the beginning of a release.
export KERNEL ?= 6.1
# The kernels on which the module is tested; rt has PREEMPT_RT.
KERNELS ?= 5.10 6.1 6.12 7 6.1-rt 7-rt 6.1-cloud
# These kernels check their memory, or overwrite freed memory, which shows a use after free.
POISONED = $(KERNEL):slub_debug=FZPU $(KERNEL):init_on_free=1
# The module that `cargo test` and the demo load. $(shell) of GNU Make 4.3 and before does not
# see exported variables.
export IPVS_BPF_MODULE = $(CURDIR)/target/kmod/$(shell KERNEL=$(KERNEL) lab/software/kernel.sh release 2>/dev/null)/ip_vs_bpf.ko

# The version, also of the module and the packages.
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# These folders differ between distributions.
UNIT_DIR ?= /usr/lib/systemd/system
ZSH_DIR ?= /usr/share/zsh/vendor-completions
DOC_DIR ?= /usr/share/doc/ipvs-bpf

FUZZ_TARGETS ?= file ipvsadm keepalived netlink
FUZZ_SECONDS ?= 600
# Stable compilers can fuzz too, without sanitizers.
FUZZ = RUSTC_BOOTSTRAP=1 nice cargo fuzz

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1	\2/p' Makefile | expand -t 24

deps: ## install what is needed (Debian packages) and fetch the lab's kernel
	@lab/deps.sh

build: cli module ## build everything into target/

cli:
	cargo build --release

module: ## the kernel module alone: target/kmod/RELEASE/ip_vs_bpf.ko (KDIR=)
	lab/module.sh

demo: deps build ## real HTTP requests through full NAT, in a virtual machine
	lab/vm/run.sh -- lab/demo/demo.sh

test: deps lint module ## everything that proves it, end-to-end tests in the VM included
	# The former uses the processors, the latter waits for machines.
	cargo test --quiet --no-run & compiler=$$!; \
		lab/selftest.sh || { kill $$compiler; exit 1; }; wait $$compiler
	cargo test --no-fail-fast

# Those that need a kernel with IPVS.
IN_VM = e2e e2e_unloaded toa
check: ## the fast loop: formatting, clippy, the tests that need no VM
	cargo fmt --all --check
	cargo clippy --all-targets -- -D warnings
	cargo test --lib $(addprefix --test ,$(filter-out $(IN_VM),$(patsubst tests/%/main,%,$(basename $(wildcard tests/*/main.rs))) $(notdir $(basename $(wildcard tests/*.rs)))))

test-machine: deps module ## the tests that check leaves out: those in the VM
	cargo test --no-fail-fast $(addprefix --test ,$(IN_VM))

test-long: export TEST_TIMEOUT = 7200
test-long: deps module ## what takes long: 100 000 connections and more, and the others without the fast path
	cargo test --test e2e -- --ignored --skip fail_nth --skip kubernetes --skip drivers:: --skip upgrade:: --skip soak::
	FAST_PATH=off cargo test --test e2e

MINUTES ?= 10
soak: export TEST_TIMEOUT = $(shell expr 1800 + 120 \* $(MINUTES))
# Caches of sessions that share their slabs with others cannot be counted.
soak: export KERNEL_ARGS += slab_nomerge
soak: deps module ## mixed traffic, changes and failover for MINUTES=; report and picture in target/soak/
	mkdir -p target/soak
	MINUTES=$(MINUTES) cargo test --test e2e -- --ignored --nocapture soak::

test-kernels: deps ## the end-to-end tests under each of KERNELS, and poisoned; a table at the end
	lab/test-kernels.sh $(KERNELS) $(POISONED)

test-poisoned: deps ## the end-to-end tests with slub_debug=FZPU and with init_on_free=1
	lab/test-kernels.sh $(POISONED)

test-debug: deps ## end-to-end tests under a kernel that watches itself, hours by emulation (NAMES=)
	lab/deps.sh debug
	lab/test-debug.sh $(NAMES)

test-races: deps ## the same under a kernel that reports data races, which is faster (NAMES=)
	lab/deps.sh debug
	lab/test-debug.sh --kcsan $(NAMES)

test-packages: deps ## the packages on a Debian with systemd: installed, upgraded, removed (needs root)
	lab/deps.sh packages
	lab/software/debian.sh fetch
	mkdir -p target
	tests/packages/build.sh >target/packages.log 2>&1 || { tail -n 40 target/packages.log; exit 1; }
	tests/packages/run.sh

test-upgrade: deps module ## version 0.1, built from the history, is replaced without harm
	lab/test-upgrade.sh

test-kubernetes: deps module ## kube-proxy and an API server, built on the first run, drive full NAT in the VM
	lab/deps.sh kubernetes
	lab/software/kubernetes.sh fetch
	LAB=kubernetes cargo test --test e2e -- --ignored kubernetes

test-drivers: DRIVERS ?= 6.1/virtio-net-pci 6.12/virtio-net-pci 6.12/vmxnet3
test-drivers: ## the data plane at XDP, in the drivers of emulated cards (DRIVERS="6.1/virtio-net-pci": kernel and card)
	failed=; for pair in $(DRIVERS); do \
		KERNEL=$${pair%%/*} $(MAKE) test-driver CARD=$${pair#*/} || failed="$$failed $$pair"; \
	done; [ -z "$$failed" ] || { echo "failed:$$failed" >&2; exit 1; }

test-driver: export TEST_TIMEOUT = 7200
# They count packets and bytes of whole transfers, one after the other.
test-driver: export RUST_TEST_THREADS = 1
test-driver: deps module
	cargo test --test e2e -- --ignored drivers::

bench-control: deps cli ## the speed of the control plane next to ipvsadm's: target/bench/control.json
	mkdir -p target/bench
	lab/vm/run.sh --timeout 7200 --icount --writable target/bench -- \
		benches/control.py target/release/ipvs-bpf target/bench/control.json $(BENCH_SERVICES)

lint: deps ## formatting, clippy, shellcheck, ruff, man pages, the module with W=1, sparse, checkpatch and who calls whom in it, words, links
	cargo fmt --all --check
	cargo clippy --all-targets -- -D warnings
	cargo run --quiet -- man --dir target/man && diff -r -x '*.5' man target/man # else: make man
	mandoc -T lint -W warning man/*
	shellcheck -x .ci/run $$(grep -rlE '^#!.*bash' lab tests/packages)
	lab/lint/ruff.sh check
	lab/module.sh --strict
	lab/lint/checkpatch.sh check
	lab/lint/rooms.sh target/lint/$$(lab/software/kernel.sh release)
	lab/lint/words.sh
	cargo test --quiet --test documents names::

fuzz: fuzz-unpack ## run each fuzz target for ten minutes (FUZZ_SECONDS=, FUZZ_TARGETS=; docs/dev/fuzzing.md)
	for target in $(FUZZ_TARGETS); do \
		$(FUZZ) run --sanitizer none $$target fuzz/corpus/$$target $$(ls -d fuzz/regressions/$$target 2>/dev/null) -- \
			-max_len=4096 -max_total_time=$(FUZZ_SECONDS) \
			$$(ls fuzz/dictionaries/$$target.dict 2>/dev/null | sed 's/^/-dict=/') || exit; \
	done

fuzz-unpack:
	for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/corpus/$$target && tar -C fuzz/corpus/$$target -xzf fuzz/corpus/$$target.tar.gz || exit; \
	done

fuzz-corpus: fuzz-unpack ## keep of the inputs found by fuzzing the few that together reach everything
	for target in $(FUZZ_TARGETS); do \
		$(FUZZ) cmin --sanitizer none $$target -- -use_counters=0 -max_len=1536 || exit; \
		ls fuzz/corpus/$$target | tar -C fuzz/corpus/$$target --mtime=@0 --owner=0 --group=0 --numeric-owner \
			--mode=644 -cf - -T - | gzip -9n >fuzz/corpus/$$target.tar.gz || exit; \
	done

MUTATIONS ?= 10000000
MUTATIONS_VM ?= 30000
SEED ?= 1
fuzz-packets: export TEST_TIMEOUT = 14400
fuzz-packets: deps module ## mutated packets through program and module (MUTATIONS=, MUTATIONS_VM=, SEED=; docs/dev/packet-fixtures.md)
	MUTATIONS=$(MUTATIONS) SEED=$(SEED) cargo test --test bpf no_mutated_packet -- --nocapture
	MUTATIONS_VM=$(MUTATIONS_VM) SEED=$(SEED) cargo test --test e2e -- --nocapture no_mutated_packet no_lie

COUNT ?= 20000
fuzz-proc: export TEST_TIMEOUT = 14400
fuzz-proc: deps module ## mutated writes to the module's proc files (COUNT=, SEED=; docs/dev/fuzzing.md)
	COUNT=$(COUNT) SEED=$(SEED) cargo test --test e2e -- --nocapture proc_fuzz::

man: ## write the man pages into man/
	cargo run --quiet -- man --dir man

.PHONY: picture watch-picture dashboard
picture: ## draw the pictures of docs/ from their .dot files (needs graphviz)
	lab/demo/draw.sh docs/*/*.dot

watch-picture: deps build ## draw docs/guides/watch.svg, the screen of `show --watch` at a busy director
	mkdir -p target/watch
	lab/vm/run.sh --writable target/watch -- lab/demo/watch.sh target/watch/screen
	lab/demo/frame.py 'ipvs-bpf show --watch' <target/watch/screen >docs/guides/watch.svg

dashboard: deps build ## draw docs/reference/dashboard.svg from a run of twenty minutes (needs python3-matplotlib)
	mkdir -p target/dashboard
	lab/vm/run.sh --icount --memory 3072 --timeout 7200 --writable target/dashboard -- \
		lab/demo/dashboard.sh target/dashboard/panels.json
	packaging/grafana/draw.py target/dashboard/panels.json docs/reference/dashboard.svg

install: cli ## install everything but a built module below DESTDIR (packages: UNIT_DIR=, ZSH_DIR=)
	install -Dm755 -t $(DESTDIR)/usr/sbin target/release/ipvs-bpf
	install -Dm644 -t $(DESTDIR)/usr/share/man/man8 man/*.8
	install -Dm644 -t $(DESTDIR)/usr/share/man/man5 man/*.5
	for shell in bash:/usr/share/bash-completion/completions/ipvs-bpf zsh:$(ZSH_DIR)/_ipvs-bpf \
		fish:/usr/share/fish/vendor_completions.d/ipvs-bpf.fish; do \
		target/release/ipvs-bpf completions $${shell%:*} | \
			install -Dm644 /dev/stdin $(DESTDIR)$${shell#*:} || exit 1; done
	test -e $(DESTDIR)/etc/ipvs-bpf/lb.toml || install -Dm644 -t $(DESTDIR)/etc/ipvs-bpf packaging/lb.toml
	install -Dm644 -t $(DESTDIR)$(UNIT_DIR) packaging/*.service packaging/*.timer
	install -Dm644 packaging/modules-load.conf $(DESTDIR)/usr/lib/modules-load.d/ipvs-bpf.conf
	install -Dm644 -t $(DESTDIR)$(DOC_DIR) README.md
	for file in $$(find docs -name '*.md' -o -name '*.svg'); do \
		install -Dm644 $$file $(DESTDIR)$(DOC_DIR)/$$file || exit 1; done
	install -Dm644 -t $(DESTDIR)$(DOC_DIR)/examples examples/*.toml packaging/grafana/*.json
	for file in Kbuild Makefile dkms.conf $$(cd kmod && find . -name '*.[ch]' ! -name '*.mod.c' -printf '%P\n'); do \
		install -Dm644 kmod/$$file $(DESTDIR)/usr/src/ipvs-bpf-$(VERSION)/$$file || exit 1; done
	sed -i s/@VERSION@/$(VERSION)/ $(DESTDIR)/usr/src/ipvs-bpf-$(VERSION)/dkms.conf

deb: ## packages of tool and module for Debian and its derivatives: target/deb/*.deb
	lab/deps.sh packages
	rm -rf target/deb
	$(MAKE) install DESTDIR=$(CURDIR)/target/deb/source/install UNIT_DIR=/lib/systemd/system
	cp -r packaging/debian target/deb/source
	printf 'ipvs-bpf (%s) unstable; urgency=medium\n\n  * See the repository.\n\n -- %s  %s\n' $(VERSION) \
		"$$(sed -n 's/^Maintainer: //p' packaging/debian/control)" "$$(date -Rr Cargo.toml)" \
		>target/deb/source/debian/changelog
	cd target/deb/source && DEB_BUILD_OPTIONS=noautodbgsym dpkg-buildpackage --no-sign --build=binary

rpm: ## the same for RHEL and its derivatives: target/rpm/RPMS/*/*.rpm
	lab/deps.sh packages
	rm -rf target/rpm
	$(MAKE) install DESTDIR=$(CURDIR)/target/rpm/install ZSH_DIR=/usr/share/zsh/site-functions
	# Skip rpm's post-processing: its scripts need another shell than Debian's sh.
	rpmbuild --quiet -bb --define '__os_install_post %{nil}' --define '_topdir $(CURDIR)/target/rpm' --define '_sourcedir $(CURDIR)/target/rpm' \
		--define 'ipvs_bpf_version $(VERSION)' packaging/ipvs-bpf.spec

bench: deps module ## instructions per packet, in a virtual machine that counts them
	cargo bench --bench packets
	$(MAKE) benchmark-svg

benchmark-svg: ## the picture and the table of docs/concepts/benchmark.md, from what `make bench` measured
	cargo bench --bench figures

bench-native: deps ## the fast path next to masquerade by conntrack: real time, on this host (needs root)
	cargo bench --bench packets -- native

bench-server: deps module ## a connection at a server that is told its client, with the receiver and without
	cargo bench --bench packets -- server

bench-drivers: DRIVERS ?= 6.1/virtio-net-pci 6.12/vmxnet3 7/vmxnet3
bench-drivers: deps ## the fast path at XDP next to other ways, between emulated cards (DRIVERS="6.1/virtio-net-pci": kernel and card)
	lab/software/xdp-forward.sh fetch
	for pair in $(DRIVERS); do \
		KERNEL=$${pair%/*} $(MAKE) bench-driver CARD=$${pair#*/} || exit; \
	done

bench-driver: deps module
	cargo bench --bench packets -- drivers $(CARD)

clean: ## remove target/
	cargo clean

.PHONY: help deps build cli module demo check test test-machine test-long soak test-kernels test-poisoned test-debug test-races test-packages test-kubernetes test-drivers test-driver bench bench-control bench-drivers bench-driver bench-native bench-server benchmark-svg lint fuzz fuzz-unpack fuzz-corpus fuzz-packets fuzz-proc man install deb rpm clean
.DEFAULT_GOAL := help
# The order of a target's prerequisites matters.
.NOTPARALLEL:
