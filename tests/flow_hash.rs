// SPDX-License-Identifier: GPL-2.0-only
//! The hash of `kmod/ip_vs_bpf_hash.h` must spread similar flows as evenly as random
//! numbers, because a set of the table has room for only four.

use std::process::Command;

/// For each key, two patterns of 50 000 flows in both directions in 200 000 sets:
/// consecutive ports, and random local ports. Prints how many flows find their set full.
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
    // This is out of 100 000. Random numbers give about 40.
    assert!(full.iter().all(|count| *count < 500), "{full:?}");
}
