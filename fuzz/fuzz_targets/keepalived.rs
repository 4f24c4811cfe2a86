// SPDX-License-Identifier: GPL-2.0-only
#![no_main]

#[path = "../inputs/keepalived.rs"]
mod keepalived;

libfuzzer_sys::fuzz_target!(|input: &[u8]| keepalived::take(input));
