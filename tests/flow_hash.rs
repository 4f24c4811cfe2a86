// SPDX-License-Identifier: GPL-2.0-only
//! The hash of `kmod/ip_vs_bpf_hash.h` spreads flows that resemble each other as chance
//! would, since a set of the table has room for four.

use std::process::Command;

/// For each key, two patterns of 50 000 flows each way in 200 000 sets: ports in turn, and
/// local ports at random. Prints how many find their set full.
const PROGRAM: &str = r#"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ip_vs_bpf_hash.h"

enum { FLOWS = 50000, SETS = 200000 };
static unsigned char used[SETS];

static int is_full(const struct ipvs_bpf_control *control, unsigned saddr, unsigned sport,
		   unsigned daddr, unsigned dport)
{
	union {
		struct ipvs_bpf_tuple4 tuple;
		__u64 words[IPVS_BPF_WORDS4];
	} flow = { .tuple = { htonl(saddr), htonl(daddr), htons(sport), htons(dport), 17 } };

	return used[ipvs_bpf_set(control, flow.words, IPVS_BPF_WORDS4)]++ >= IPVS_BPF_SLOTS;
}

int main(void)
{
	struct ipvs_bpf_control control = { .sets = SETS };
	int key, random, flow;

	for (key = 0; key < 16; key++) {
		control.seed = (__u64)rand() << 40 ^ (__u64)rand() << 20 ^ rand();
		for (random = 0; random < 2; random++) {
			int full = 0;

			memset(used, 0, sizeof(used));
			for (flow = 0; flow < FLOWS; flow++) {
				unsigned port = 1024 + (random ? rand() % 64512 : flow);
				unsigned local_ip = 0x0a020064 + (random ? rand() % 23 : 0);

				full += is_full(&control, 0x0a010002, 1024 + flow,
						0x0a000001, 7);
				full += is_full(&control, 0x0a020002, 80, local_ip, port);
			}
			printf("%d\n", full);
		}
	}
}
"#;

#[test]
fn flows_that_resemble_each_other_spread_over_the_sets() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let [source, program] = ["flow_hash.c", "flow_hash"].map(|name| format!("{folder}/{name}"));
    std::fs::write(&source, PROGRAM).unwrap();
    let compiled = Command::new("cc")
        .args([
            "-O1",
            "-Wall",
            "-Werror",
            "-Wno-unknown-pragmas",
            "-I",
            "kmod",
        ])
        .args(["-o", &program, &source])
        .status()
        .unwrap();
    assert!(compiled.success());
    let output = Command::new(&program).output().unwrap();
    let full: Vec<u32> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(full.len(), 32);
    // Of 100 000; chance alone makes some 40.
    assert!(full.iter().all(|count| *count < 500), "{full:?}");
}
