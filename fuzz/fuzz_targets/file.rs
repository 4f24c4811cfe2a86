// SPDX-License-Identifier: GPL-2.0-only
#![no_main]

#[path = "../inputs/file.rs"]
mod file;

libfuzzer_sys::fuzz_target!(|input: &[u8]| file::take(input));
