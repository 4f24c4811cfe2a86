// SPDX-License-Identifier: GPL-2.0-only
#![no_main]

#[path = "../inputs/netlink.rs"]
mod netlink;

libfuzzer_sys::fuzz_target!(|input: &[u8]| netlink::take(input));
