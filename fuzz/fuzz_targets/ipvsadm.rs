// SPDX-License-Identifier: GPL-2.0-only
#![no_main]

#[path = "../inputs/ipvsadm.rs"]
mod ipvsadm;

libfuzzer_sys::fuzz_target!(|input: &[u8]| ipvsadm::take(input));
