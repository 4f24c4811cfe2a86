# SPDX-License-Identifier: GPL-2.0-only
# The front door. `make` alone lists the targets.

# The lab's kernel: the beginning of a release.
export KERNEL ?= 6.1
# The kernels that it is tested on.
KERNELS ?= 5.10 6.1 6.12 7
# What `cargo test` and the demo load.
export IPVS_BPF_MODULE = $(CURDIR)/target/kmod/$(shell lab/kernel release 2>/dev/null)/ip_vs_bpf.ko

FUZZ_TARGETS ?= file ipvsadm netlink
FUZZ_SECONDS ?= 600
# Stable compilers fuzz too, without sanitizers.
FUZZ = RUSTC_BOOTSTRAP=1 nice cargo fuzz

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1	\2/p' Makefile | expand -t 20

deps: ## install what is needed (Debian packages) and fetch the lab's kernel
	@lab/deps

build: cli module ## build everything into target/

cli:
	cargo build --release

module: ## the kernel module alone: target/kmod/RELEASE/ip_vs_bpf.ko (KDIR=)
	lab/module

demo: deps build ## real HTTP requests through full NAT, in a virtual machine
	lab/vm -- lab/demo

test: deps lint module ## everything that proves it, end-to-end tests in the VM included
	lab/selftest
	cargo test --no-fail-fast

test-long: export TEST_TIMEOUT = 7200
test-long: deps module ## what takes long: 100 000 connections and more, and all without the fast path
	cargo test --test e2e -- --ignored
	FAST_PATH=off cargo test --test e2e

test-kernels: deps ## the end-to-end tests under each of KERNELS; a table at the end
	lab/test-kernels $(KERNELS)

bench-control: deps cli ## the speed of the control plane beside ipvsadm's: target/bench/control.json
	mkdir -p target/bench
	lab/vm --timeout 7200 --icount --writable target/bench -- \
		benches/control target/release/ipvs-bpf target/bench/control.json $(BENCH_SERVICES)

lint: deps ## formatting, clippy, shellcheck, man pages, the module with W=1
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo run --quiet -- man --dir target/man && diff -r -x '*.5' man target/man # else: make man
	mandoc -T lint -W warning man/*
	shellcheck .ci/run $$(grep -lE '^#!.*bash' lab/*)
	lab/module --strict

fuzz: ## run each fuzz target for ten minutes (FUZZ_SECONDS=, FUZZ_TARGETS=; docs/fuzzing.md)
	for target in $(FUZZ_TARGETS); do \
		$(FUZZ) run --sanitizer none $$target fuzz/corpus/$$target -- -max_len=4096 -max_total_time=$(FUZZ_SECONDS) \
			$$(ls fuzz/dictionaries/$$target.dict 2>/dev/null | sed 's/^/-dict=/') || exit; \
	done

fuzz-corpus: ## keep of the inputs found by fuzzing the few that together reach everything
	for target in $(FUZZ_TARGETS); do $(FUZZ) cmin --sanitizer none $$target -- -use_counters=0 -max_len=1536 || exit; done

man: ## write the man pages into man/
	cargo run --quiet -- man --dir man

install: build ## install the CLI, its man pages and completions below DESTDIR
	install -Dm755 target/release/ipvs-bpf $(DESTDIR)/usr/sbin/ipvs-bpf
	install -Dm644 -t $(DESTDIR)/usr/share/man/man8 man/*.8
	install -d $(addprefix $(DESTDIR)/usr/share/,bash-completion/completions \
		zsh/vendor-completions fish/vendor_completions.d)
	cd $(DESTDIR)/usr/share && for shell in bash=bash-completion/completions/ipvs-bpf \
		zsh=zsh/vendor-completions/_ipvs-bpf fish=fish/vendor_completions.d/ipvs-bpf.fish; do \
		$(CURDIR)/target/release/ipvs-bpf completions $${shell%=*} >$${shell#*=} || exit 1; done
	install -Dm644 -t $(DESTDIR)/usr/share/man/man5 man/*.5

bench: deps module ## instructions per packet, in a virtual machine that counts them
	mkdir -p target/bench
	cargo bench --bench packets
	cargo bench --bench plot

clean: ## remove target/
	cargo clean

.PHONY: help deps build cli module demo test test-long test-kernels bench bench-control lint fuzz fuzz-corpus man install clean
.DEFAULT_GOAL := help
# The order of what a target needs is part of it.
.NOTPARALLEL:
