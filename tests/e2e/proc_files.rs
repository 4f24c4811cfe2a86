// SPDX-License-Identifier: GPL-2.0-only
//! The module's files in `/proc/net/ip_vs_bpf`, written with mistakes.

use crate::full_nat::FILE;
use crate::lab::Lab;
use crate::rules;

fn write(lab: &Lab, file: &str, text: &str) -> bool {
    rules::try_write(lab, "director", file, text)
}

fn read(lab: &Lab, file: &str) -> String {
    let text = rules::read(lab, file);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

fn error(lab: &Lab, file: &str) -> String {
    let text = rules::read(lab, file);
    let first = text.lines().next().unwrap_or_default();
    let error = first.strip_prefix("# error: ").unwrap_or_default();
    assert!(
        error.bytes().all(|byte| (b' '..0x7f).contains(&byte)),
        "{error:?}"
    );
    error.to_owned()
}

const FILES: [&str; 8] = [
    "fast_path",
    "map",
    "local_ips",
    "services",
    "rules",
    "xdp",
    "port_secret",
    "unanswered",
];

#[test]
fn a_write_that_the_module_does_not_understand_changes_nothing_and_is_explained() {
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
        // The file of the CLI does not allow these names.
        ("local_ips", "+ a.b 10.2.0.9 1-2\n"),
        ("local_ips", "+ # 10.2.0.9 1-2\n"),
        ("local_ips", "+ é 10.2.0.9 1-2\n"),
        ("local_ips", "- 10.2.0.9\n"),
        ("local_ips", "- 10.2.0.100\n"), // its pool would become empty
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
        ("services", "+ tcp 10.0.0.1:65536 default\n"),
        ("services", "+ udp 10.0.0.1:0 default toa\n"),
        ("services", "+ fwmark\n"),
        ("services", "+ fwmark 0 default\n"),
        ("services", "+ fwmark 4294967296 default\n"),
        ("services", "+ fwmark x default\n"),
        ("services", "+ fwmark 9\n"),
        ("services", "+ fwmark 9 nowhere\n"),
        ("services", "+ fwmark6 9 default\n"),
        ("services", "- fwmark 9\n"),
        ("services", "+ fwmark 9 default\n+ fwmark 9 default\n"),
        ("services", "+ tcp [10.0.0.1]:81 default\n"),
        ("services", "+ tcp fd00::1:81 default\n"),
        ("services", "+ tcp [fd00::1:81 default\n"),
        ("services", "+ tcp [:81 default\n"),
        ("services", "+ tcp []:81 default\n"),
        ("services", "+ tcp :81 default\n"),
        ("services", "+ tcp [fe80::1]:81 default\n"),
        // The pool has no address of this family.
        ("services", "+ tcp [fd00::1]:81 default\n"),
        ("services", "+ tcp 10.0.0.1:81 nowhere\n"),
        // The reason quotes half of a letter.
        ("services", "+ tcp 10.0.0.1:81 éééééééé\n"),
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
        // The pool has addresses. The others have none.
        ("services", "= default default ipv4\n"),
        ("services", "= nowhere other ipv4\n"),
        ("services", "= default other ipv6\n"),
        ("rules", "\n"),
        ("rules", "none\nnone\n"),
        ("rules", "10.0.0.0/24 * * *\n"),
        ("rules", "10.0.0.0/24 * * * default x\n"),
        ("rules", "10.0.0.0/24  * * * default\n"),
        ("rules", "10.0.0.0/24 * * * nowhere\n"),
        // The pool has no address of this family.
        ("rules", "fd00::/64 * * * default\n"),
        ("rules", "10.0.0.0 * * * default\n"),
        ("rules", "10.0.0.0/33 * * * default\n"),
        ("rules", "10.0.0.1/24 * * * default\n"),
        ("rules", "10.0.0/24 * * * default\n"),
        ("rules", "fd00::1/64 * * * default\n"),
        ("rules", "fd00::/129 * * * default\n"),
        ("rules", "10.0.0.0/24, * * * default\n"),
        ("rules", ",10.0.0.0/24 * * * default\n"),
        ("rules", "10.0.0.0/24,fd00::/64 * * * default\n"),
        ("rules", "10.0.0.0/24 icmp * * default\n"),
        ("rules", "10.0.0.0/24 tcp,tcp * * default\n"),
        ("rules", "10.0.0.0/24 tcp, * * default\n"),
        ("rules", "10.0.0.0/24 * 0 * default\n"),
        ("rules", "10.0.0.0/24 * 65536 * default\n"),
        ("rules", "10.0.0.0/24 * 80-79 * default\n"),
        ("rules", "10.0.0.0/24 * 80,80 * default\n"),
        ("rules", "10.0.0.0/24 * 90,80 * default\n"),
        ("rules", "10.0.0.0/24 * 80- * default\n"),
        ("rules", "10.0.0.0/24 * 80, * default\n"),
        ("rules", "10.0.0.0/24 * * , default\n"),
        ("rules", "10.0.0.0/24 * * seventeen-letters default\n"),
        ("rules", "10.0.0.0/24 * * eth0\teth1 default\n"),
        ("rules", "10.0.0.0/24 * * eth/0 default\n"),
        // The same destination twice.
        (
            "rules",
            "10.0.0.0/24 * * * default\n10.0.0.7/32 tcp 80 eth0 default\n",
        ),
        (
            "rules",
            "10.0.0.0/24 tcp 80,90-99 * default\n0.0.0.0/0 tcp 85-90 * default\n",
        ),
        ("fast_path", "\n"),
        ("fast_path", "of\n"),
        ("fast_path", "off on\n"),
        ("xdp", "\n"),
        ("xdp", "yes\n"),
        ("xdp", "on off\n"),
        ("port_secret", "\n"),
        ("port_secret", "randomly\n"),
        ("port_secret", "0123456789abcdef0123456789abcde\n"),
        ("port_secret", "0123456789abcdef0123456789abcdeff\n"),
        ("port_secret", "0123456789abcdef0123456789abcdeg\n"),
        ("unanswered", "tcp\n"),
        ("unanswered", "tcp 0\n"),
        ("unanswered", "tcp 2678401\n"),
        ("unanswered", "tcp -1\n"),
        ("unanswered", "tcp 5 5\n"),
        ("unanswered", "icmp 5\n"),
        ("unanswered", "udp 5\nsctp x\n"),
    ];
    write(&lab, "rules", "10.9.0.0/16 udp 1-5,7 eth0 default\n");
    assert!(read(&lab, "rules").contains("10.9.0.0/16 udp 1-5,7 eth0 default services 0"));
    let before = FILES.map(|file| read(&lab, file));
    for (file, text) in wrong {
        assert!(!write(&lab, file, text), "{file} took {text:?}");
        assert_ne!(error(&lab, file), "", "{file}: {text:?} was not explained");
        let after = FILES.map(|file| read(&lab, file));
        assert_eq!(before, after, "{file}: {text:?}");
    }
    // A successful write clears the reason.
    assert!(write(&lab, "local_ips", "+ default 10.2.0.9 1-2\n"));
    assert_eq!(error(&lab, "local_ips"), "");
    assert!(write(&lab, "local_ips", "- 10.2.0.9\n"));
    lab.get(&["http://10.0.0.1/"]);
}

#[test]
fn as_many_rules_as_there_may_be_are_taken_and_read_back() {
    let lab = Lab::new();
    lab.apply(FILE);
    // The first rule has the maximum number of ranges.
    let ports = |n: u32| {
        let ranges = (0..if n == 0 { 64 } else { 4 })
            .map(|m| (4 * m + 1).to_string() + "-" + &(4 * m + 2).to_string());
        ranges.collect::<Vec<_>>().join(",")
    };
    let line = |n: u32| {
        let networks: Vec<String> = (0..4)
            .map(|m| format!("10.{}.{n}.{}/30", 64 + m, 4 * m))
            .collect();
        format!(
            "{} tcp,udp {} eth0,bond* default\n",
            networks.join(","),
            ports(n)
        )
    };
    let rules: String = (0..256).map(line).collect();
    assert!(write(&lab, "rules", &rules));
    let read_back = read(&lab, "rules");
    assert_eq!(read_back, rules.replace('\n', " services 0\n"));
    // The text that is read, without the number of services, can be written.
    let again = read_back.replace(" services 0", "");
    assert!(write(&lab, "rules", &again));
    assert_eq!(read(&lab, "rules"), read_back);
    for more in [
        "10.9.0.0/16 * * * default\n",
        "1.0.0.0/8,2.0.0.0/8,3.0.0.0/8,4.0.0.0/8,5.0.0.0/8 * * * default\n",
    ] {
        let many = again
            .lines()
            .skip(more.matches(",2.").count())
            .map(|line| format!("{line}\n"));
        let many: String = many.chain([more.to_owned()]).collect();
        assert!(!write(&lab, "rules", &many), "{more}");
    }
    assert_eq!(read(&lab, "rules"), read_back);
    // Every packet is checked, and none matches a rule.
    lab.get(&["http://10.0.0.1/"]);
    // A pool that a rule uses must keep its addresses.
    assert!(write(
        &lab,
        "services",
        "- tcp 10.0.0.1:80\n- udp 10.0.0.1:7\n- tcp 10.0.0.1:5201\n"
    ));
    assert!(!write(&lab, "local_ips", "- 10.2.0.100\n"));
    assert!(error(&lab, "local_ips").contains("rules use it"));
    assert!(write(&lab, "rules", "none\n"));
    assert!(write(&lab, "local_ips", "- 10.2.0.100\n"));
}

#[test]
fn one_service_too_many_is_refused() {
    let lab = Lab::new();
    lab.apply(FILE);
    let listed = || read(&lab, "services").lines().count() as u32;
    let before = listed();
    // They share the application of a port.
    let line = |n: u32| {
        format!(
            "+ tcp 10.{}.{}.{}:80 default\n",
            64 + (n >> 16),
            n >> 8 & 255,
            n & 255
        )
    };
    let services: Vec<u32> = (0..65536 - before).collect();
    for part in services.chunks(3500) {
        let text: String = part.iter().map(|n| line(*n)).collect();
        assert!(
            write(&lab, "services", &text),
            "{}",
            error(&lab, "services")
        );
    }
    assert_eq!(listed(), 65536);
    assert!(!write(&lab, "services", &line(65536)));
    let reason = error(&lab, "services");
    assert!(reason.contains("more than 65536 services"), "{reason}");
    assert_eq!(listed(), 65536);
    // One in place of another, and one again, are not too many.
    assert!(write(&lab, "services", &line(7)));
    assert!(write(&lab, "services", "- tcp 10.64.0.0:80\n"));
    assert!(write(&lab, "services", &line(65536)));
    assert_eq!(listed(), 65536);
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
    lab.exec("director", &["/usr/bin/python3", "-ISc", script]);
}

#[test]
fn only_root_of_the_namespace_may_write() {
    let lab = Lab::new();
    lab.apply(FILE);
    let script = "import os, errno\n\
        try: os.write(os.open('/proc/net/ip_vs_bpf/services', os.O_WRONLY), b'flush\\n')\n\
        except OSError as e: assert e.errno in (errno.EACCES, errno.EPERM), e\n\
        else: assert False";
    // Root without capabilities, and another user.
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
            &[words, &["/usr/bin/python3", "-ISc", script]].concat(),
        );
    }
}
