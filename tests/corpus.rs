// SPDX-License-Identifier: GPL-2.0-only
//! Runs the inputs that the fuzz targets have found so far, without the fuzzer. Each input
//! is passed to the function that the target calls. `fuzz/corpus/TARGET.tar.gz` has those
//! that together reach all code, `fuzz/regressions/TARGET/` those that failed once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../fuzz/inputs/file.rs"]
mod file;
#[path = "../fuzz/inputs/ipvsadm.rs"]
mod ipvsadm;
#[path = "../fuzz/inputs/keepalived.rs"]
mod keepalived;
#[path = "../fuzz/inputs/netlink.rs"]
mod netlink;

fn feed(target: &str, take: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let unpacked = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-xzf")
        .arg(root.join("corpus").join(format!("{target}.tar.gz")))
        .arg("-C")
        .arg(unpacked.path());
    assert!(tar.status().unwrap().success(), "{tar:?}");
    let mut inputs = files(unpacked.path());
    assert!(inputs.len() > 100, "inputs went missing: {}", inputs.len());
    let regressions = root.join("regressions").join(target);
    if regressions.exists() {
        inputs.extend(files(&regressions));
    }
    for input in inputs {
        let bytes = fs::read(&input).unwrap();
        // If the function panics, this shows the input.
        println!("{}", input.display());
        take(&bytes);
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
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
fn every_input_of_the_keepalived_reader_is_a_file_or_mistakes() {
    feed("keepalived", keepalived::take);
}

#[test]
fn every_input_of_the_netlink_parser_is_a_value_or_an_error() {
    feed("netlink", netlink::take);
}
