// SPDX-License-Identifier: GPL-2.0-only
//! The secret by which local ports are chosen.

use std::os::unix::fs::PermissionsExt;

use crate::full_nat::FILE;
use crate::lab::{Lab, success};
use crate::rules::write;
use crate::talk::Talk;

const PROC: &str = "/proc/net/ip_vs_bpf/port_secret";

fn file(secret: &str) -> String {
    let key = format!("[director]\nport_secret = \"{secret}\"");
    FILE.replace("[director]", &key)
}

/// The local port of a client whose own port is not one of the pool.
fn local_port_of(lab: &Lab, port: u16) -> u16 {
    let to = ("10.0.0.1", 7);
    Talk::from(lab, "client", "udp", ("10.1.0.2", port), to)
        .ask()
        .port
}

#[test]
fn the_local_port_follows_from_the_secret() {
    let lab = Lab::new();
    let ports = ["0a", "0b", "0a"].map(|byte| {
        lab.apply(&file(&byte.repeat(16)));
        let port = local_port_of(&lab, 700);
        success(&lab.ipvs_bpf(&["down"]));
        port
    });
    assert_eq!(ports[0], ports[2]);
    assert_ne!(ports[0], ports[1]);
}

/// Three of 64 512 ports are the same by chance once in four thousand million runs.
#[test]
fn a_secret_that_is_not_given_is_random() {
    let ports = [(); 3].map(|()| {
        let lab = Lab::new();
        lab.apply(FILE);
        let first = local_port_of(&lab, 700);
        write(&lab, "director", "port_secret", "random\n");
        [first, local_port_of(&lab, 701)]
    });
    for (number, what) in [(0, "the first secret"), (1, "another one")] {
        let ports = ports.map(|ports| ports[number]);
        assert!(
            ports.iter().any(|port| *port != ports[0]),
            "{what}: {ports:?}"
        );
    }
}

#[test]
fn the_secret_is_saved_and_changed_and_shown_to_nobody_else() {
    let lab = Lab::new();
    let secret = "0123456789abcdef".repeat(2);
    lab.apply(FILE);
    let read = || lab.exec("director", &["cat", PROC]);
    assert_eq!(read(), "random\n");
    let plan = lab.with_file(&["plan"], &file(&secret));
    let plan = String::from_utf8(plan.stdout).unwrap();
    assert!(
        plan.contains("port secret random → that of the file"),
        "{plan}"
    );
    assert!(!plan.contains(&secret));
    lab.apply(&file(&secret));
    assert_eq!(read(), secret.clone() + "\n");
    assert!(success(&lab.ipvs_bpf(&["save"])).contains(&secret));
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved.toml");
    success(&lab.ipvs_bpf(&["save", "-o", saved.to_str().unwrap()]));
    assert_eq!(
        saved.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    let nobody = ["setpriv", "--reuid=65534", "--clear-groups", "cat", PROC];
    let denied = lab.command("director", &nobody).output().unwrap();
    assert!(!denied.status.success());
    // A wrong word changes nothing.
    let wrong = ["sh", "-c", &format!("echo {} >{PROC}", &secret[1..])];
    assert!(
        !lab.command("director", &wrong)
            .output()
            .unwrap()
            .status
            .success()
    );
    assert!(read().contains("expected \"random\" or 32 hexadecimal digits"));
    assert!(read().ends_with(&(secret + "\n")));
    lab.apply(FILE);
    assert_eq!(read(), "random\n");
    write(&lab, "director", "port_secret", "random\n");
}
