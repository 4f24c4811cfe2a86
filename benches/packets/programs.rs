// SPDX-License-Identifier: GPL-2.0-only
//! The benchmark's own eBPF programs, `programs.bpf.c`. They are compiled once and
//! attached to an interface of the caller's network namespace.

use std::fs;
use std::path::Path;
use std::process::{self, Command};
use std::sync::OnceLock;

use aya::maps::{Array, MapData};
use aya::programs::tc::{NlOptions, TcAttachOptions, TcAttachType};
use aya::programs::{LinkOrder, SchedClassifier, Xdp, XdpMode};
use aya::util::KernelVersion;
use aya::{Ebpf, EbpfLoader};
use nix::net::if_::if_nametoindex;

use crate::namespace::Namespace;

/// The place of a program among those of an interface. ipvs-bpf's own is between them.
#[derive(Clone, Copy)]
pub enum Place {
    First,
    Last,
}

/// Makes room for programs at ingress of an interface. tcx needs none.
pub fn make_room(namespace: &Namespace, interface: &str) {
    if !has_tcx() {
        namespace.tc(&format!("qdisc add dev {interface} clsact"));
    }
}

fn has_tcx() -> bool {
    KernelVersion::current().expect("its version") >= KernelVersion::new(6, 6, 0)
}

/// Marks all frames that come in at an interface as verified, before any other program. The
/// value must be dropped in the same network namespace, which ends this.
pub fn verified(interface: &str) -> Ebpf {
    let mut object = Ebpf::load(object()).expect("root may load eBPF programs");
    at(&mut object, "verified", interface, Place::First);
    object
}

/// Attaches the program that sends all frames of an interface out of another one.
pub fn redirect(interface: &str, way_out: &str) {
    let mut object = redirecting(way_out);
    at(&mut object, "redirect", interface, Place::Last);
    leave(object);
}

/// Attaches the one at XDP, while the value lives.
pub fn xdp_redirect(interface: &str, way_out: &str) -> Ebpf {
    let mut object = redirecting(way_out);
    at_xdp(&mut object, "xdp_redirect", interface);
    object
}

fn redirecting(way_out: &str) -> Ebpf {
    let index = if_nametoindex(way_out).expect(way_out);
    EbpfLoader::new()
        .override_global("way_out", &index, true)
        .load(object())
        .expect("root may load eBPF programs")
}

/// Counts and drops all frames that come in at an interface.
pub struct Arrivals(Array<MapData, u64>);

impl Arrivals {
    /// Attaches it in the caller's network namespace.
    pub fn at(interface: &str) -> Self {
        let mut object = Ebpf::load(object()).expect("root may load eBPF programs");
        at(&mut object, "count_and_drop", interface, Place::Last);
        let map = object.take_map("arrived").expect("it is in programs.bpf.c");
        leave(object);
        Arrivals(Array::try_from(map).expect("an array of numbers"))
    }

    /// Attaches it at XDP, while the second value lives.
    pub fn at_xdp(interface: &str) -> (Self, Ebpf) {
        let mut object = Ebpf::load(self::object()).expect("root may load eBPF programs");
        at_xdp(&mut object, "xdp_drop", interface);
        let map = object.take_map("arrived").expect("it is in programs.bpf.c");
        (
            Arrivals(Array::try_from(map).expect("an array of numbers")),
            object,
        )
    }

    pub fn count(&self) -> u64 {
        self.0.get(&0, 0).expect("root may read it")
    }
}

/// Attaches at ingress of an interface with room for it, as ipvs-bpf attaches: by tcx where
/// the kernel has it.
pub fn at(object: &mut Ebpf, program: &str, interface: &str, place: Place) {
    let program: &mut SchedClassifier = object
        .program_mut(program)
        .and_then(|program| program.try_into().ok())
        .expect(program);
    if program.fd().is_err() {
        program.load().expect("the kernel's verifier accepts it");
    }
    let (order, priority) = match place {
        Place::First => (LinkOrder::first(), 1),
        Place::Last => (LinkOrder::last(), 60_000),
    };
    let options = if has_tcx() {
        TcAttachOptions::TcxOrder(order)
    } else {
        TcAttachOptions::Netlink(NlOptions {
            priority,
            ..NlOptions::default()
        })
    };
    program
        .attach_with_options(interface, TcAttachType::Ingress, options)
        .expect(interface);
}

/// Attaches at XDP in the driver of an interface.
fn at_xdp(object: &mut Ebpf, program: &str, interface: &str) {
    let program: &mut Xdp = object
        .program_mut(program)
        .and_then(|program| program.try_into().ok())
        .expect(program);
    program.load().expect("the kernel's verifier accepts it");
    program
        .attach(interface, XdpMode::Driver)
        .expect("a driver with native XDP");
}

/// Leaves the programs where they are, until their namespace ends. aya would detach them in
/// the namespace where the process is at that time.
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
            // The folder where Debian keeps asm/types.h: see build.rs.
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
