// SPDX-License-Identifier: GPL-2.0-only
//! Applies the files of `examples/` one after the other.

use std::fs;

use ipvs_bpf::config;

use crate::lab::{Lab, success};

#[test]
fn every_example_is_applied_once_found_done_and_taken_down_again() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    let lab = Lab::new();
    for file in files {
        let path = file.to_str().unwrap();
        let saved = || lab.exec("director", &["ipvsadm", "-Sn"]);
        success(&lab.ipvs_bpf(&["apply", "-f", path]));
        let services = config::read(&file).unwrap().on_any_host().services;
        assert_eq!(
            saved()
                .lines()
                .filter(|line| line.starts_with("-A"))
                .count(),
            services.len(),
            "{path}: {}",
            saved()
        );
        let again = success(&lab.ipvs_bpf(&["apply", "-f", path]));
        assert_eq!(again, "nothing to do\n", "{path}");
        success(&lab.ipvs_bpf(&["down"]));
        assert_eq!(saved(), "", "{path}");
    }
}
