// SPDX-License-Identifier: GPL-2.0-only
//! The eBPF programs of the bench itself, `programs.bpf.c`: compiled once, and
//! attached at an interface of the caller's network namespace.

use std::fs;
use std::path::Path;
use std::process::{self, Command};
use std::sync::OnceLock;

use aya::Ebpf;
use aya::maps::{Array, MapData};
use aya::programs::SchedClassifier;
use aya::programs::tc::{NlOptions, TcAttachOptions, TcAttachType};

/// Priorities of the bench's filters; those of ipvs-bpf lie between.
pub const FIRST: u16 = 1;
pub const LAST: u16 = 60_000;

/// One of `programs.bpf.c`, at ingress.
pub fn attach(program: &str, interface: &str, priority: u16) {
    let mut object = Ebpf::load(object()).expect("root may load eBPF programs");
    at(&mut object, program, interface, priority);
    leave(object);
}

/// Frames that ever came in at an interface, and were dropped there.
pub struct Arrivals(Array<MapData, u64>);

impl Arrivals {
    /// Of the caller's network namespace.
    pub fn at(interface: &str) -> Self {
        let mut object = Ebpf::load(object()).expect("root may load eBPF programs");
        at(&mut object, "count_and_drop", interface, LAST);
        let map = object.take_map("arrived").expect("it is in programs.bpf.c");
        leave(object);
        Arrivals(Array::try_from(map).expect("an array of numbers"))
    }

    pub fn count(&self) -> u64 {
        self.0.get(&0, 0).expect("root may read it")
    }
}

/// At ingress of an interface that has a clsact qdisc. Priority 0: the kernel chooses.
pub fn at(object: &mut Ebpf, program: &str, interface: &str, priority: u16) {
    let program: &mut SchedClassifier = object
        .program_mut(program)
        .and_then(|program| program.try_into().ok())
        .expect(program);
    if program.fd().is_err() {
        program.load().expect("the kernel's verifier accepts it");
    }
    let options = TcAttachOptions::Netlink(NlOptions {
        priority,
        ..NlOptions::default()
    });
    program
        .attach_with_options(interface, TcAttachType::Ingress, options)
        .expect(interface);
}

/// What it brought belongs to the filters now, which go with their namespace.
/// aya would detach the programs where the process then is.
pub fn leave(object: Ebpf) {
    std::mem::forget(object);
}

fn object() -> &'static [u8] {
    static COMPILED: OnceLock<Vec<u8>> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let name = format!("packets-{}.o", process::id());
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let clang = std::env::var_os("CLANG").unwrap_or_else(|| "clang".into());
        let status = Command::new(clang)
            .args([
                "-target", "bpf", "-O2", "-g", "-Wall", "-Werror", "-mcpu=v3",
            ])
            // Where Debian keeps asm/types.h: see build.rs.
            .arg("-I/usr/include/x86_64-linux-gnu")
            .arg("-c")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/benches/packets/programs.bpf.c"
            ))
            .arg("-o")
            .arg(&file)
            .status()
            .expect("clang starts: run `make deps`");
        assert!(status.success(), "clang does not compile programs.bpf.c");
        let object = fs::read(&file).expect("the object");
        fs::remove_file(&file).expect("it can be removed");
        object
    })
}
