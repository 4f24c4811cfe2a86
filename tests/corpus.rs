// SPDX-License-Identifier: GPL-2.0-only
//! What the fuzz targets have found so far (`fuzz/corpus/TARGET/`), without
//! the fuzzer: each input is fed to the function that the target calls.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../fuzz/inputs/file.rs"]
mod file;
#[path = "../fuzz/inputs/ipvsadm.rs"]
mod ipvsadm;
#[path = "../fuzz/inputs/netlink.rs"]
mod netlink;

fn feed(target: &str, take: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let inputs: Vec<PathBuf> = fs::read_dir(root.join(target))
        .unwrap()
        .map(|input| input.unwrap().path())
        .collect();
    assert!(inputs.len() > 100, "inputs went missing: {}", inputs.len());
    for input in inputs {
        let bytes = fs::read(&input).unwrap();
        // A panic is told with the input that leads to it.
        println!("{}", input.display());
        take(&bytes);
    }
}

#[test]
fn every_input_of_the_file_reader_is_a_state_or_mistakes() {
    feed("file", file::take);
}

#[test]
fn every_input_of_the_ipvsadm_reader_is_a_file_or_mistakes() {
    feed("ipvsadm", ipvsadm::take);
}

#[test]
fn every_input_of_the_netlink_parser_is_a_value_or_an_error() {
    feed("netlink", netlink::take);
}
