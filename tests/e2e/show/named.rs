// SPDX-License-Identifier: GPL-2.0-only
//! Showing a named service costs the same with any number of other services.

use crate::calls::Calls;
use crate::full_nat::FILE;
use crate::lab::{Lab, stderr};

#[test]
fn the_kernel_is_asked_for_a_named_service_alone() {
    let lab = Lab::alone();
    lab.apply(FILE);
    let listings = Calls::of("ip_vs_genl_dump_services");
    let web = "tcp://10.0.0.1:80";
    let run = |arguments: &[&str]| {
        let before = listings.number();
        let output = lab.ipvs_bpf(arguments);
        (listings.number() - before, output)
    };
    for arguments in [
        &["show", web][..],
        &["show", web, "udp://10.0.0.1:7"],
        &["show", web, "--stats"],
        &["show", web, "--json"],
        &["show", web, "--server", "10.2.0.2:8080"],
        &["show", web, "--connections"],
        &["show", web, "--sessions"],
        &["weight", web, "10.2.0.2:8080", "2"],
        &["zero", web],
        &["drain", web, "10.2.0.2:8080", "--timeout", "0s"],
    ] {
        let (listed, output) = run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert_eq!(listed, 0, "{arguments:?}");
    }
    assert_ne!(run(&["show"]).0, 0, "all are listed");

    // If the service does not exist, the kernel answers a request for its servers with an
    // empty list and success.
    let (listed, output) = run(&["show", "tcp://10.0.0.1:81"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("there is no service tcp://10.0.0.1:81"),
        "{said}"
    );
    assert!(said.contains("did you mean `tcp://10.0.0.1:80`"), "{said}");
    assert_ne!(listed, 0, "to say what is near");
}
