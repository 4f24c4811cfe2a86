// SPDX-License-Identifier: GPL-2.0-only
//! The allocations of each kind of write to the module's files, and of each read.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use ipvs_bpf::datapath::abi;

use super::injection::FailNth;
use super::with_the_module;

/// One of the module's files, in this thread's namespace.
pub struct Proc(File, &'static str);

fn path(name: &str) -> String {
    format!("/proc/thread-self/net/ip_vs_bpf/{name}")
}

impl Proc {
    pub fn open(name: &'static str) -> Self {
        let file = OpenOptions::new().write(true).open(path(name));
        Proc(file.unwrap(), name)
    }

    pub fn write(&self, text: &str) -> io::Result<()> {
        (&self.0).write(text.as_bytes()).map(drop)
    }

    pub fn must(&self, text: &str) {
        if let Err(error) = self.write(text) {
            panic!("{} {text:?}: {error}", self.1);
        }
    }

    /// Fails each allocation of the write. One that succeeds is undone by another write.
    pub fn each(&self, fail: &FailNth, what: &str, text: &str, undo: &str) {
        let what = format!("{}: {what}", self.1);
        let undo = || {
            if !undo.is_empty() {
                self.must(undo);
            }
        };
        fail.each_from(&what, 1, configured, || self.write(text), undo);
    }
}

/// The files that are written.
const WRITTEN: [&str; 8] = [
    "map",
    "local_ips",
    "services",
    "rules",
    "fast_path",
    "xdp",
    "port_secret",
    "unanswered",
];

/// The whole configuration, and the use count of the module.
pub fn configured() -> Vec<String> {
    let mut all = vec![fs::read_to_string("/sys/module/ip_vs_bpf/refcnt").unwrap()];
    for name in WRITTEN {
        let text = fs::read_to_string(path(name)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        all.extend(lines.map(|line| format!("{name}: {line}")));
    }
    all
}

fn map<K, V>(kind: u32, entries: u32, flags: u32) -> OwnedFd {
    const BPF_MAP_CREATE: libc::c_long = 0;
    let mut attribute = [0u32; 32];
    attribute[..5].copy_from_slice(&[
        kind,
        size_of::<K>() as u32,
        size_of::<V>() as u32,
        entries,
        flags,
    ]);
    // SAFETY: the attribute outlives the call, and the size is that of the attribute.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_MAP_CREATE,
            attribute.as_ptr(),
            size_of_val(&attribute),
        )
    };
    assert!(fd >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the descriptor is new, and nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// The three maps, and what registers them.
pub struct Maps(pub [OwnedFd; 3], pub String);

impl Maps {
    pub fn new() -> Self {
        const ARRAY: u32 = 2;
        let maps = [
            map::<u32, abi::Set4>(ARRAY, 1000, 0),
            map::<u32, abi::Set6>(ARRAY, 1000, 0),
            map::<u32, abi::Control>(ARRAY, 1, 0),
        ];
        let [flows4, flows6, control] = maps.each_ref().map(AsRawFd::as_raw_fd);
        let text = format!("flows4 {flows4} flows6 {flows6} control {control}");
        Maps(maps, text)
    }
}

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn maps_are_taken_whole_or_not_at_all() {
    with_the_module(|_, fail| {
        let Maps(_fds, maps) = &Maps::new();
        let file = Proc::open("map");
        file.each(fail, "take", maps, "none");
        file.each(fail, "none of none", "none", "");
        file.must(maps);
        file.each(fail, "the same", maps, "");
        file.each(fail, "release", "none", maps);
        file.must("none");
    });
}

/// Addresses of both families in the pools p0, p1 and p2.
fn ten_local_ips() -> Vec<String> {
    let pair = |i| {
        [
            format!("p{} 10.2.0.{}", i % 3, 100 + i),
            format!("p{} fd00:2::{}", i % 3, 100 + i),
        ]
    };
    (0..5).flat_map(pair).collect()
}

pub fn add_local_ips() -> String {
    let lines = ten_local_ips().into_iter();
    lines.map(|ip| format!("+ {ip} 1024-65535\n")).collect()
}

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn local_ips_change_all_at_once() {
    with_the_module(|_, fail| {
        let file = Proc::open("local_ips");
        let lines = ten_local_ips().into_iter();
        let remove: String = lines
            .map(|ip| format!("- {}\n", ip.split(' ').nth(1).unwrap()))
            .collect();
        file.each(fail, "add", &add_local_ips(), &remove);
        file.must(&add_local_ips());
        let there = "+ p9 10.2.0.100 1024-2000\n- 10.2.0.101\n+ p0 10.2.0.150 1024-65535\n";
        let back = "+ p0 10.2.0.100 1024-65535\n+ p1 10.2.0.101 1024-65535\n- 10.2.0.150\n";
        file.each(fail, "change", there, back);
    });
}

const SERVICES: [&str; 4] = [
    "tcp 10.0.0.1:80",
    "tcp [fd00::1]:80",
    "udp 10.0.0.1:81",
    "sctp [fd00::1]:81",
];

/// Services that make others, one for each destination that a client asks for.
const WIDE: [&str; 5] = [
    "fwmark 7",
    "fwmark6 7",
    "tcp 10.0.0.1:0",
    "udp [fd00::1]:0",
    "sctp 10.0.0.2:0",
];

fn lines(sign: &str, services: &[&str], pool: &str) -> String {
    let lines = services.iter();
    lines.map(|line| format!("{sign} {line}{pool}\n")).collect()
}

fn services_change(fail: &FailNth, services: &[&str]) {
    Proc::open("local_ips").must(&add_local_ips());
    let file = Proc::open("services");
    let add = lines("+", services, " p0");
    let remove = lines("-", services, "");
    file.each(fail, "add", &add, &remove);
    file.must(&add);
    file.each(fail, "another pool", &lines("+", services, " p1"), &add);
    file.each(fail, "remove", &remove, &add);
    file.must(&remove);
}

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn services_change_all_at_once() {
    with_the_module(|_, fail| services_change(fail, &SERVICES));
}

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn services_of_marks_and_of_every_port_change_all_at_once() {
    with_the_module(|_, fail| services_change(fail, &WIDE));
}

const RULES: &str = "10.0.0.0/24 tcp,udp 80,1000-2000 eth0,veth* p0\nfd00::/64 * * * p1 toa\n";

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn all_of_a_pool_moves_or_nothing() {
    with_the_module(|_, fail| {
        Proc::open("local_ips").must(&add_local_ips());
        let (file, rules) = (Proc::open("services"), Proc::open("rules"));
        let services = [&SERVICES[..], &WIDE[..]].concat();
        file.must(&lines("+", &services, " p0"));
        rules.must(RULES);
        for family in ["ipv4", "ipv6"] {
            let to = |old, new| format!("= {old} {new} {family}");
            file.each(fail, "move", &to("p0", "new"), &to("new", "p0"));
            // The other half of the pool exists: only one family moves into it.
            file.must(&to("p0", "new"));
        }
        rules.must("none");
        file.must(&lines("-", &services, ""));
    });
}

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn rules_change_all_at_once() {
    with_the_module(|_, fail| {
        Proc::open("local_ips").must(&add_local_ips());
        let file = Proc::open("rules");
        file.each(fail, "begin", RULES, "none");
        file.must(RULES);
        let other = "10.0.0.1/32,10.0.1.0/24 sctp * * p2\n10.9.0.0/16 * 80 eth1 p1\n";
        file.each(fail, "others", other, RULES);
        file.each(fail, "none", "none", RULES);
        file.must("none");
        file.each(fail, "none of none", "none", "");
    });
}

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn switches_and_numbers_change_or_do_not() {
    with_the_module(|_, fail| {
        let Maps(_fds, maps) = &Maps::new();
        Proc::open("map").must(maps);
        for name in ["fast_path", "xdp"] {
            let file = Proc::open(name);
            file.each(fail, "on", "on", "off");
            file.must("on");
            file.each(fail, "off", "off", "on");
        }
        Proc::open("fast_path").each(fail, "revoke", "revoke", "");
        let keys = ["0a", "0b"].map(|byte| byte.repeat(16));
        let secret = Proc::open("port_secret");
        secret.each(fail, "from random", &keys[0], "random");
        secret.must(&keys[0]);
        secret.each(fail, "another", &keys[1], &keys[0]);
        secret.each(fail, "random", "random", &keys[0]);
        let usual = "tcp 10\nudp 30\nsctp 10\n";
        Proc::open("unanswered").each(fail, "all", "tcp 1\nudp 2\nsctp 3\n", usual);
        Proc::open("map").must("none");
    });
}

/// Services whose text is longer than the page with which a read begins.
fn many_services(sign: &str, pool: &str) -> String {
    let ports = 1000..1200;
    ports
        .map(|port| format!("{sign} udp 10.0.0.1:{port}{pool}\n"))
        .collect()
}

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn a_read_fails_or_has_the_whole_text() {
    with_the_module(|_, fail| {
        let Maps(_fds, maps) = &Maps::new();
        Proc::open("map").must(maps);
        Proc::open("local_ips").must(&add_local_ips());
        Proc::open("rules").must(RULES);
        let services = Proc::open("services");
        services.must(&(many_services("+", " p0") + &lines("+", &WIDE, " p0")));
        for name in WRITTEN.iter().chain(&["sessions", "stats"]) {
            let path = path(name);
            let whole = fs::read(&path).unwrap();
            // Its memory is not allocated during the read.
            let text = RefCell::new(whole.clone());
            let read = || {
                let mut text = text.borrow_mut();
                text.clear();
                File::open(&path)?.read_to_end(&mut text)?;
                assert_eq!(*text, whole, "{name}");
                Ok(())
            };
            fail.each_from(&format!("read {name}"), 1, configured, read, || ());
        }
        services.must(&(many_services("-", "") + &lines("-", &WIDE, "")));
        Proc::open("rules").must("none");
        Proc::open("map").must("none");
    });
}
