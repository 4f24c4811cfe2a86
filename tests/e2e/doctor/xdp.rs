// SPDX-License-Identifier: GPL-2.0-only
//! The program at XDP: where it is missing, and where it would be wrong.

use std::fs;

use serde_json::Value;

use super::{found, needed, only};
use crate::balance::pins;
use crate::fast_path::fast;
use crate::lab::Lab;
use crate::xdp::{at_xdp, other_program};

#[test]
fn a_program_at_xdp_that_was_taken_off_an_interface() {
    let lab = Lab::new();
    lab.apply(&at_xdp());
    let index = lab.exec("director", &["cat", "/sys/class/net/eth1/ifindex"]);
    // The link ends with its pin.
    fs::remove_file(pins(&lab).join(format!("xdp-{}", index.trim()))).unwrap();
    let findings = needed(&lab, &at_xdp());
    let cure = only(&findings, "warning", "xdp-not-attached", "eth1");
    assert_eq!(cure, "ipvs-bpf apply -f -");
    lab.apply(&at_xdp());
    assert_eq!(needed(&lab, &at_xdp()).len(), 0);
}

#[test]
fn an_interface_where_xdp_belongs_to_another_program() {
    let lab = Lab::new();
    lab.apply(&fast());
    let other = other_program(&lab, "watcher");
    let what = "the interface eth1 has an XDP program of another tool, \"watcher\"";
    let findings = needed(&lab, &at_xdp());
    let cure = found(&findings, "error", "xdp-unfit", what);
    assert!(cure.starts_with("`bpftool prog show id "), "{cure}");
    let refused = |finding: &Value| finding["check"] == "plan-refused";
    assert!(!findings.iter().any(refused), "twice: {findings:#?}");
    drop(other);
}
