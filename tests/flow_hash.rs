// SPDX-License-Identifier: GPL-2.0-only
//! The hash of `kmod/ip_vs_bpf_hash.h` must spread flows as evenly as random numbers, because
//! a set of the table has room for only four: flows that resemble each other, and flows that
//! somebody chose who does not know the key.

use std::process::Command;

const BEGIN: &str = r#"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ip_vs_bpf_hash.h"

enum { SETS = 200000, KEYS = 16 };
static unsigned char used[SETS];

static void new_key(struct ipvs_bpf_control *control)
{
	control->seed = (__u64)rand() << 40 ^ (__u64)rand() << 20 ^ rand();
	memset(used, 0, sizeof(used));
}
"#;

/// For each key, two patterns of 50 000 flows in both directions: consecutive ports, and
/// random local ports. Prints how many flows find their set full.
const SIMILAR: &str = r#"
enum { FLOWS = 50000 };

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
	int pattern, flow;

	for (pattern = 0; pattern < 2 * KEYS; pattern++) {
		int full = 0, random = pattern % 2;

		new_key(&control);
		for (flow = 0; flow < FLOWS; flow++) {
			unsigned port = 1024 + (random ? rand() % 64512 : flow);
			unsigned local_ip = 0x0a020064 + (random ? rand() % 23 : 0);

			full += is_full(&control, 0x0a010002, 1024 + flow, 0x0a000001, 7);
			full += is_full(&control, 0x0a020002, 80, local_ip, port);
		}
		printf("%d\n", full);
	}
}
"#;

/// The same for IPv6: consecutive ports, and consecutive addresses of clients.
const SIMILAR6: &str = r#"
enum { FLOWS = 50000 };

static int is_full(const struct ipvs_bpf_control *control, unsigned client, unsigned sport,
		   unsigned vip, unsigned dport)
{
	union {
		struct ipvs_bpf_tuple6 tuple;
		__u64 words[IPVS_BPF_WORDS6];
	} flow = { .tuple = {
			   .saddr = { htonl(0x20010db8), 0, 0, htonl(client) },
			   .daddr = { htonl(0xfd000000), 0, 0, htonl(vip) },
			   .sport = htons(sport),
			   .dport = htons(dport),
			   .protocol = 6,
		   } };

	return used[ipvs_bpf_set(control, flow.words, IPVS_BPF_WORDS6)]++ >= IPVS_BPF_SLOTS;
}

int main(void)
{
	struct ipvs_bpf_control control = { .sets = SETS };
	int pattern, flow;

	for (pattern = 0; pattern < 2 * KEYS; pattern++) {
		int full = 0, clients = pattern % 2;

		new_key(&control);
		for (flow = 0; flow < FLOWS; flow++) {
			full += is_full(&control, 2 + (clients ? flow : 0),
					clients ? 5000 : 1024 + flow, 1, 80);
			full += is_full(&control, 0x10002, 80, clients ? flow : 0x64,
					clients ? 80 : 1024 + flow);
		}
		printf("%d\n", full);
	}
}
"#;

/// For each key, eight ports with eight combinations of differences. They cancel each other,
/// whatever the key, in a hash that combines each word by XOR and multiplies by a number that
/// everybody knows. Prints how many flows find their set full.
const CHOSEN: &str = r#"
static void differ(__u64 *words)
{
	words[0] ^= 1ULL << 63;
	words[1] ^= 1ULL << 63 | 1ULL << 31;
}

int main(void)
{
	struct ipvs_bpf_control control = { .sets = SETS };
	int key, flow, word;

	for (key = 0; key < KEYS; key++) {
		int full = 0;

		new_key(&control);
		for (flow = 0; flow < 64; flow++) {
			union {
				struct ipvs_bpf_tuple6 tuple;
				__u64 words[IPVS_BPF_WORDS6];
			} chosen = { .tuple = { .sport = htons(5000 + flow / 8),
						.dport = htons(80), .protocol = 6 } };

			for (word = 0; word < 3; word++)
				if (flow >> word & 1)
					differ(&chosen.words[word]);
			full += used[ipvs_bpf_set(&control, chosen.words, IPVS_BPF_WORDS6)]++ >=
				IPVS_BPF_SLOTS;
		}
		printf("%d\n", full);
	}
}
"#;

/// Compiles the program and returns the numbers that it prints.
fn run(name: &str, program: &str) -> Vec<u32> {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let [source, binary] = ["c", "bin"].map(|end| format!("{folder}/flow_hash_{name}.{end}"));
    std::fs::write(&source, BEGIN.to_owned() + program).unwrap();
    let compiled = Command::new("cc")
        .args([
            "-O1",
            "-Wall",
            "-Werror",
            "-Wno-unknown-pragmas",
            "-I",
            "kmod",
        ])
        .args(["-o", &binary, &source])
        .status()
        .unwrap();
    assert!(compiled.success());
    let output = Command::new(&binary).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.parse().unwrap())
        .collect()
}

#[test]
fn flows_that_resemble_each_other_spread_over_the_sets() {
    for (name, program) in [("similar", SIMILAR), ("similar6", SIMILAR6)] {
        let full = run(name, program);
        assert_eq!(full.len(), 32);
        // This is out of 100 000. Random numbers give about 40.
        assert!(full.iter().all(|count| *count < 500), "{name}: {full:?}");
    }
}

#[test]
fn flows_chosen_without_the_key_spread_over_the_sets() {
    assert_eq!(run("chosen", CHOSEN), [0; 16]);
}
