// SPDX-License-Identifier: GPL-2.0-only
//! Fails each allocation of each operation on the module once. A failed operation must
//! change nothing, and nothing may keep the module in use at the end
//! (Documentation/fault-injection).

mod packets;

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use ipvs_bpf::datapath::abi;
use nix::kmod::{DeleteModuleFlags, delete_module, init_module};
use nix::sched::{CloneFlags, setns, unshare};

use crate::lab::{Lab, eventually, module_is_loaded};

/// The number of allocations at the end of an operation that the module makes itself,
/// directly or in functions that it calls. Earlier ones are made by the kernel for any
/// module or namespace, and are not tested. When a module loads, its first own ones make the
/// slabs of sessions. They are not tested either: Linux 6.1 loses the name of a slab that it
/// cannot make, and prints its stack.
const OF_A_MODULE: u64 = 60;
const OF_A_NAMESPACE: u64 = 120;
/// More allocations than any operation makes.
const NEVER: u64 = 1_000_000;

fn inject_into_this_thread_only() {
    for (kind, file, value) in [
        ("failslab", "ignore-gfp-wait", "N"),
        ("fail_page_alloc", "ignore-gfp-wait", "N"),
        ("fail_page_alloc", "ignore-gfp-highmem", "N"),
        ("fail_page_alloc", "min-order", "0"),
    ] {
        fs::write(format!("/sys/kernel/debug/{kind}/{file}"), value).unwrap();
    }
    for kind in ["failslab", "fail_page_alloc"] {
        let folder = format!("/sys/kernel/debug/{kind}");
        // A trace for each failure would look like a bug in the log.
        for (file, value) in [("verbose", "0"), ("probability", "0"), ("times", "-1")] {
            fs::write(format!("{folder}/{file}"), value).unwrap();
        }
    }
}

/// Selects which allocation of this thread fails.
struct FailNth(File);

impl FailNth {
    fn open() -> Self {
        let path = "/proc/thread-self/fail-nth";
        let file = OpenOptions::new().read(true).write(true).open(path);
        FailNth(file.expect("a kernel with fault injection: make test-debug"))
    }

    fn set(&self, number: u64) {
        let text = number.to_string();
        self.0.write_at(text.as_bytes(), 0).unwrap();
    }

    /// Runs an operation whose n-th allocation fails. Returns its result and how many
    /// allocations were left before the failure.
    fn with<T>(&self, n: u64, call: impl FnOnce() -> io::Result<T>) -> (io::Result<T>, u64) {
        let mut left = [0; 16];
        self.set(n);
        let result = call();
        let size = self.0.read_at(&mut left, 0);
        self.set(0);
        let left = std::str::from_utf8(&left[..size.unwrap()]).unwrap();
        (result, left.trim().parse().unwrap())
    }

    /// The number of allocations that an operation makes.
    fn count<T>(&self, call: impl FnOnce() -> io::Result<T>) -> u64 {
        let (result, left) = self.with(NEVER, call);
        result.map(drop).unwrap();
        NEVER - left
    }

    /// Fails each allocation from `from` on, until the operation has no more. A failed
    /// operation must leave the state unchanged. A successful one is undone.
    fn each<S: Debug + PartialEq>(
        &self,
        what: &str,
        from: u64,
        state: impl Fn() -> S,
        call: impl Fn() -> io::Result<()>,
        undo: impl Fn(),
    ) {
        let mut failed = 0;
        for n in from.. {
            let before = state();
            let (result, left) = self.with(n, &call);
            if let Err(error) = &result {
                failed += 1;
                assert_eq!(state(), before, "{what}, allocation {n}: {error}");
            } else {
                undo();
            }
            if left > 0 {
                println!("{what}: {failed} of {} tries failed", n - from + 1);
                result.unwrap_or_else(|error| panic!("{what}, when nothing failed: {error}"));
                return;
            }
        }
    }
}

/// One of the module's files, in this thread's namespace.
struct Proc(File, &'static str);

fn path(name: &str) -> String {
    format!("/proc/thread-self/net/ip_vs_bpf/{name}")
}

impl Proc {
    fn open(name: &'static str) -> Self {
        let file = OpenOptions::new().write(true).open(path(name));
        Proc(file.unwrap(), name)
    }

    fn write(&self, text: &str) -> io::Result<()> {
        (&self.0).write(text.as_bytes()).map(drop)
    }

    fn must(&self, text: &str) {
        if let Err(error) = self.write(text) {
            panic!("{} {text:?}: {error}", self.1);
        }
    }
}

/// The whole configuration, and the use count of the module.
fn configured() -> Vec<String> {
    let mut all = vec![fs::read_to_string("/sys/module/ip_vs_bpf/refcnt").unwrap()];
    for name in ["map", "local_ips", "services", "fast_path", "xdp"] {
        let text = fs::read_to_string(path(name)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        all.extend(lines.map(str::to_owned));
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

const ARRAY: u32 = 2;

fn flow_tables() -> [OwnedFd; 3] {
    [
        map::<u32, abi::Set4>(ARRAY, 1000, 0),
        map::<u32, abi::Set6>(ARRAY, 1000, 0),
        map::<u32, abi::Control>(ARRAY, 1, 0),
    ]
}

fn registers(tables: &[OwnedFd; 3]) -> String {
    format!(
        "flows4 {} flows6 {} control {}",
        tables[0].as_raw_fd(),
        tables[1].as_raw_fd(),
        tables[2].as_raw_fd()
    )
}

fn load(module: &[u8]) -> io::Result<()> {
    Ok(init_module(module, c"")?)
}

fn unload() {
    delete_module(c"ip_vs_bpf", DeleteModuleFlags::O_NONBLOCK).unwrap();
}

fn the_module_loads_whole_or_not_at_all(fail: &FailNth, module: &[u8]) {
    let all = fail.count(|| load(module));
    unload();
    let from = all.saturating_sub(OF_A_MODULE).max(1);
    let state = module_is_loaded;
    fail.each("load", from, state, || load(module), unload);
    load(module).unwrap();
}

fn a_namespace_begins_whole_or_not_at_all(fail: &FailNth) {
    let own = File::open("/proc/thread-self/ns/net").unwrap();
    let leave = || Ok(unshare(CloneFlags::CLONE_NEWNET)?);
    let back = || setns(&own, CloneFlags::CLONE_NEWNET).unwrap();
    let all = fail.count(leave);
    back();
    let from = all.saturating_sub(OF_A_NAMESPACE).max(1);
    fail.each("namespace", from, || (), leave, back);
}

fn maps_are_taken_whole_or_not_at_all(fail: &FailNth, maps: &str) {
    let file = Proc::open("map");
    let write = |text: &'static str| move || Proc::open("map").must(text);
    let take = || file.write(maps);
    fail.each("map: take", 1, configured, take, write("none"));
    fail.each(
        "map: none of none",
        1,
        configured,
        || file.write("none"),
        || (),
    );
    file.must(maps);
    fail.each("map: the same", 1, configured, take, || ());
}

fn local_ips_change_all_at_once(fail: &FailNth) {
    let file = Proc::open("local_ips");
    let ten: Vec<String> = (0..5)
        .flat_map(|i| {
            [
                format!("p{} 10.2.0.{}", i % 3, 100 + i),
                format!("p{} fd00:2::{}", i % 3, 100 + i),
            ]
        })
        .collect();
    let add: String = ten
        .iter()
        .map(|ip| format!("+ {ip} 1024-65535\n"))
        .collect();
    let remove: String = ten
        .iter()
        .map(|ip| format!("- {}\n", ip.split(' ').nth(1).unwrap()))
        .collect();
    let undo = || file.must(&remove);
    fail.each("local_ips: add", 1, configured, || file.write(&add), undo);
    file.must(&add);
    let there = "+ p9 10.2.0.100 1024-2000\n- 10.2.0.101\n+ p0 10.2.0.150 1024-65535\n";
    let back = "+ p0 10.2.0.100 1024-65535\n+ p1 10.2.0.101 1024-65535\n- 10.2.0.150\n";
    let undo = || file.must(back);
    fail.each(
        "local_ips: change",
        1,
        configured,
        || file.write(there),
        undo,
    );
}

/// The services of one pool, one for each line.
fn services(sign: &str, pool: &str) -> String {
    let mut lines = String::new();
    for service in [
        "tcp 10.0.0.1:80",
        "tcp [fd00::1]:80",
        "udp 10.0.0.1:81",
        "udp [fd00::1]:81",
    ] {
        lines += &format!("{sign} {service}{pool}\n");
    }
    lines
}

fn services_change_all_at_once(fail: &FailNth) {
    let file = Proc::open("services");
    let add = services("+", " p0");
    let undo = || file.must(&services("-", ""));
    fail.each("services: add", 1, configured, || file.write(&add), undo);
    file.must(&add);
    let other = services("+", " p1");
    let undo = || file.must(&add);
    fail.each(
        "services: another pool",
        1,
        configured,
        || file.write(&other),
        undo,
    );
    let remove = services("-", "");
    fail.each(
        "services: remove",
        1,
        configured,
        || file.write(&remove),
        undo,
    );
    file.must(&remove);
}

fn files_are_read(fail: &FailNth) {
    for name in [
        "map",
        "services",
        "local_ips",
        "sessions",
        "stats",
        "fast_path",
        "xdp",
    ] {
        let path = path(name);
        let read = || {
            let mut buffer = [0; 4096];
            File::open(&path)?.read(&mut buffer).map(drop)
        };
        fail.each(&format!("read {name}"), 1, configured, read, || ());
    }
}

/// Sends datagrams of `number` new flows, so that their sessions exist.
fn flows(lab: &Lab, number: u64) {
    let all = lab.counter("sessions") + number;
    let send = format!(
        "import socket\n\
         for _ in range({number}):\n    \
             s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    \
             s.sendto(b'x', ('10.0.0.1', 7))"
    );
    lab.exec("client", &["/usr/bin/python3", "-ISc", &send]);
    eventually("the sessions are there", || lab.counter("sessions") == all);
}

fn other_maps_take_over_or_do_not(fail: &FailNth, lab: &Lab, maps: [&str; 2]) {
    let file = Proc::open("map");
    flows(lab, 50);
    let undo = || file.must(maps[0]);
    fail.each("map: others", 1, configured, || file.write(maps[1]), undo);
}

fn operations(lab: &Lab, module: &[u8]) {
    let director = File::open(Path::new("/run/netns").join(lab.namespace("director"))).unwrap();
    setns(&director, CloneFlags::CLONE_NEWNET).unwrap();
    inject_into_this_thread_only();
    let fail = FailNth::open();

    the_module_loads_whole_or_not_at_all(&fail, module);
    a_namespace_begins_whole_or_not_at_all(&fail);
    let (first, second) = (flow_tables(), flow_tables());
    let (first_maps, second_maps) = (registers(&first), registers(&second));
    maps_are_taken_whole_or_not_at_all(&fail, &first_maps);
    local_ips_change_all_at_once(&fail);
    services_change_all_at_once(&fail);
    files_are_read(&fail);

    let file = Proc::open("services");
    file.must("+ udp 10.0.0.1:7 p0\n");
    for words in [
        "-A -u 10.0.0.1:7 -s rr",
        "-a -u 10.0.0.1:7 -r 10.2.0.2:7 -m",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        lab.exec("director", &[&["ipvsadm"], &words[..]].concat());
    }
    other_maps_take_over_or_do_not(&fail, lab, [&first_maps, &second_maps]);
    let switch = Proc::open("fast_path");
    fail.each("fast_path", 1, || (), || switch.write("on"), || ());
    let switch = Proc::open("xdp");
    fail.each("xdp", 1, || (), || switch.write("on"), || ());
    switch.must("off");
    let undo = || file.must("+ udp 10.0.0.1:7 p0\n");
    let remove = || file.write("- udp 10.0.0.1:7\n");
    fail.each(
        "services: remove with sessions",
        1,
        configured,
        remove,
        undo,
    );
    file.must("- udp 10.0.0.1:7\n");
    fail.each("services: flush", 1, || (), || file.write("flush"), || ());
    eventually("every session ends", || {
        file.must("flush");
        lab.counter("sessions") == 0
    });
    lab.exec("director", &["ipvsadm", "-C"]);
    eventually("the maps are given back", || {
        Proc::open("map").write("none").is_ok()
    });
}

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn each_allocation_fails_once_and_nothing_changes_by_halves() {
    let lab = Lab::alone();
    if module_is_loaded() {
        unload();
    }
    let module = fs::read(std::env::var("IPVS_BPF_MODULE").unwrap()).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| operations(&lab, &module));
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
    eventually("the module can be unloaded", || {
        delete_module(c"ip_vs_bpf", DeleteModuleFlags::O_NONBLOCK).is_ok()
    });
}
