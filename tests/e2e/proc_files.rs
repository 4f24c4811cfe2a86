// SPDX-License-Identifier: GPL-2.0-only
//! The module's files under `/proc/net/ip_vs_bpf`, written as by somebody who
//! gets it wrong.

use crate::full_nat::FILE;
use crate::lab::Lab;

/// Writes with one write(2); whether it was taken.
fn write(lab: &Lab, file: &str, text: &str) -> bool {
    let script = format!(
        "import os; os.write(os.open('/proc/net/ip_vs_bpf/{file}', os.O_WRONLY), {text:?}.encode())"
    );
    let output = lab.try_exec("director", &["/usr/bin/python3", "-c", &script]);
    output.status.success()
}

fn read(lab: &Lab, file: &str) -> String {
    let path = format!("/proc/net/ip_vs_bpf/{file}");
    let text = lab.exec("director", &["cat", &path]);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

fn error(lab: &Lab, file: &str) -> String {
    let path = format!("/proc/net/ip_vs_bpf/{file}");
    let text = lab.exec("director", &["head", "-n", "1", &path]);
    text.strip_prefix("# error: ")
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn what_the_module_does_not_understand_changes_nothing_and_is_explained() {
    let lab = Lab::new();
    lab.apply(FILE);
    let wrong = [
        ("map", "flows4 0 flows6 1 control 2\n"),
        ("map", "flows4 0 flows6\n"),
        ("map", "flows4\n"),
        ("map", "flows4 99999 flows6 99999 control 99999\n"),
        ("map", "commit\n"),
        ("map", "x"),
        ("local_ips", "+\n"),
        ("local_ips", "+ default\n"),
        ("local_ips", "+ default 10.2.0.9\n"),
        ("local_ips", "+ default 10.2.0.9 2-1\n"),
        ("local_ips", "+ default 10.2.0.9 0-5\n"),
        ("local_ips", "+ default 10.2.0.9 1-70000\n"),
        ("local_ips", "+ default 10.2.0.9 1-2 x\n"),
        ("local_ips", "+ default 10.2.0 1-2\n"),
        ("local_ips", "+ default 10.2.0.9x 1-2\n"),
        ("local_ips", "+ default fe80::1 1-2\n"),
        ("local_ips", "+ default ff02::1 1-2\n"),
        ("local_ips", "+ default ::1 1-2\n"),
        ("local_ips", "+ default :: 1-2\n"),
        ("local_ips", "+ default ::ffff:10.2.0.9 1-2\n"),
        ("local_ips", "+ default [fd00:2::9] 1-2\n"),
        ("local_ips", "- fd00:2::9\n"),
        ("local_ips", "+ a-name-of-16-byte 10.2.0.9 1-2\n"),
        ("local_ips", "+ - 10.2.0.9 1-2\n"),
        ("local_ips", "- 10.2.0.9\n"),
        ("local_ips", "- 10.2.0.100\n"), // its pool would be empty
        ("local_ips", "- default 10.2.0.100\n"),
        (
            "local_ips",
            "+ default 10.2.0.9 1-2\n+ other 10.2.0.9 1-2\n",
        ),
        ("local_ips", "+ default 10.2.0.9 1-2\n- 10.2.0.8\n"),
        ("services", "tcp 10.0.0.1:80 default\n"),
        ("services", "+ tcp\n"),
        ("services", "+ tcp 10.0.0.1:81\n"),
        ("services", "+ tcp 10.0.0.1 default\n"),
        ("services", "+ tcp 10.0.0.1:0 default\n"),
        ("services", "+ tcp [10.0.0.1]:81 default\n"),
        ("services", "+ tcp fd00::1:81 default\n"),
        ("services", "+ tcp [fd00::1:81 default\n"),
        ("services", "+ tcp [:81 default\n"),
        ("services", "+ tcp []:81 default\n"),
        ("services", "+ tcp :81 default\n"),
        ("services", "+ tcp [fe80::1]:81 default\n"),
        // The pool has no address of the family.
        ("services", "+ tcp [fd00::1]:81 default\n"),
        ("services", "+ tcp 10.0.0.1:81 nowhere\n"),
        ("services", "+ tcp 10.0.0.1:81 default x\n"),
        ("services", "+ icmp 10.0.0.1:81 default\n"),
        ("services", "- tcp 10.0.0.1:81\n"),
        ("services", "- tcp 10.0.0.1:80 default\n"),
        (
            "services",
            "+ tcp 10.0.0.1:81 default\n+ tcp 10.0.0.1:81 default\n",
        ),
        ("services", "+ tcp 10.0.0.1:81 default\n- tcp 10.0.0.1:82\n"),
        ("services", "+ tcp 10.0.0.1:81 default\0\n"),
        ("services", "= default other\n"),
        ("services", "= default other ipv5\n"),
        ("services", "= default other ipv4 x\n"),
        ("services", "= default other ipv4\n- tcp 10.0.0.1:80\n"),
        ("services", "=x default other ipv4\n"),
        ("services", "= default new\nline ipv4\n"),
        ("services", "= default - ipv4\n"),
        ("services", "= default  ipv4\n"),
        ("services", "= default sixteen-letters- ipv4\n"),
        // It has addresses; the others have none.
        ("services", "= default default ipv4\n"),
        ("services", "= nowhere other ipv4\n"),
        ("services", "= default other ipv6\n"),
        ("unanswered", "tcp\n"),
        ("unanswered", "tcp 0\n"),
        ("unanswered", "tcp 2678401\n"),
        ("unanswered", "tcp -1\n"),
        ("unanswered", "tcp 5 5\n"),
        ("unanswered", "icmp 5\n"),
        ("unanswered", "udp 5\nsctp x\n"),
    ];
    let before = ["map", "local_ips", "services", "unanswered"].map(|file| read(&lab, file));
    for (file, text) in wrong {
        assert!(!write(&lab, file, text), "{file} took {text:?}");
        assert_ne!(error(&lab, file), "", "{file}: {text:?} was not explained");
        let after = ["map", "local_ips", "services", "unanswered"].map(|file| read(&lab, file));
        assert_eq!(before, after, "{file}: {text:?}");
    }
    // A write that is taken clears the reason.
    assert!(write(&lab, "local_ips", "+ default 10.2.0.9 1-2\n"));
    assert_eq!(error(&lab, "local_ips"), "");
    assert!(write(&lab, "local_ips", "- 10.2.0.9\n"));
    lab.get(&["http://10.0.0.1/"]);
}

#[test]
fn a_write_of_more_than_256_kib_is_refused() {
    let lab = Lab::new();
    lab.apply(FILE);
    let script = "import os, errno\n\
        f = os.open('/proc/net/ip_vs_bpf/services', os.O_WRONLY)\n\
        try: os.write(f, b'+ ' * 200000)\n\
        except OSError as e: assert e.errno == errno.E2BIG, e\n\
        else: assert False";
    lab.exec("director", &["/usr/bin/python3", "-c", script]);
}

#[test]
fn only_root_of_the_namespace_may_write() {
    let lab = Lab::new();
    lab.apply(FILE);
    let script = "import os, errno\n\
        try: os.write(os.open('/proc/net/ip_vs_bpf/services', os.O_WRONLY), b'flush\\n')\n\
        except OSError as e: assert e.errno in (errno.EACCES, errno.EPERM), e\n\
        else: assert False";
    // Root without its capabilities, and somebody else.
    for words in [
        &[
            "setpriv",
            "--bounding-set",
            "-net_admin",
            "--inh-caps",
            "-net_admin",
        ][..],
        &[
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
        ][..],
    ] {
        lab.exec(
            "director",
            &[words, &["/usr/bin/python3", "-c", script]].concat(),
        );
    }
}
