// SPDX-License-Identifier: GPL-2.0-only
//! Fails each allocation of each operation on the module once. A failed operation must
//! change nothing, and nothing may keep the module in use at the end
//! (Documentation/fault-injection).

mod files;
mod injection;
mod packets;
mod sessions;

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Instant;

use nix::kmod::{DeleteModuleFlags, delete_module, init_module};
use nix::sched::{CloneFlags, setns, unshare};

use crate::lab::{Lab, eventually, module_is_loaded};
use injection::FailNth;

/// The number of allocations at the end of an operation that the module makes itself,
/// directly or in functions that it calls. Earlier ones are made by the kernel for any
/// module or namespace, and are not tested. When a module loads, its first own ones make the
/// slabs of sessions. They are not tested either: Linux 6.1 loses the name of a slab that it
/// cannot make, and prints its stack.
const OF_A_MODULE: u64 = 60;
const OF_A_NAMESPACE: u64 = 120;

fn load(module: &[u8]) -> io::Result<()> {
    Ok(init_module(module, c"")?)
}

fn try_unload() -> nix::Result<()> {
    delete_module(c"ip_vs_bpf", DeleteModuleFlags::O_NONBLOCK)
}

fn unload() {
    try_unload().unwrap();
}

/// Calls it on a thread of its own, in the director's namespace, with the file of the module,
/// which is not loaded yet. Afterwards it must be possible to unload it.
fn without_the_module(call: impl FnOnce(&Lab, &FailNth, &[u8]) + Send) {
    let lab = Lab::alone();
    if module_is_loaded() {
        eventually("the module can be unloaded", || try_unload().is_ok());
    }
    let module = fs::read(std::env::var("IPVS_BPF_MODULE").unwrap()).unwrap();
    let begin = Instant::now();
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let director = Path::new("/run/netns").join(lab.namespace("director"));
            let director = File::open(director).unwrap();
            setns(&director, CloneFlags::CLONE_NEWNET).unwrap();
            call(&lab, &FailNth::into_this_thread_only(), &module);
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
    eventually("the module can be unloaded", || try_unload().is_ok());
    println!("this took {} s", begin.elapsed().as_secs());
}

/// The same with the module.
fn with_the_module(call: impl FnOnce(&Lab, &FailNth) + Send) {
    without_the_module(|lab, fail, module| {
        load(module).unwrap();
        call(lab, fail);
    });
}

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn the_module_loads_whole_or_not_at_all() {
    without_the_module(|_, fail, module| {
        let all = fail.count(|| load(module));
        unload();
        let from = all.saturating_sub(OF_A_MODULE).max(1);
        let state = module_is_loaded;
        fail.each_from("load", from, state, || load(module), unload);
        load(module).unwrap();
    });
}

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn a_namespace_begins_whole_or_not_at_all() {
    with_the_module(|_, fail| {
        let own = File::open("/proc/thread-self/ns/net").unwrap();
        let leave = || Ok(unshare(CloneFlags::CLONE_NEWNET)?);
        let back = || setns(&own, CloneFlags::CLONE_NEWNET).unwrap();
        let all = fail.count(leave);
        back();
        let from = all.saturating_sub(OF_A_NAMESPACE).max(1);
        fail.each_from("namespace", from, || (), leave, back);
    });
}
