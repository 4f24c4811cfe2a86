// SPDX-License-Identifier: GPL-2.0-only
//! The programs under test, loaded as the CLI loads them, with their maps and
//! with the programs of `bench.bpf.c` around them.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use aya::maps::{Array, HashMap, MapData, PerCpuArray, PerCpuValues, ProgramArray};
use aya::programs::SchedClassifier;
use aya::programs::tc::{NlOptions, TcAttachOptions, TcAttachType};
use aya::{Ebpf, EbpfLoader};
use ipvs_bpf::datapath::abi::{Counter, Service, Session4, Session6, Tuple4, Tuple6};

use crate::flow::{self, SERVICE};
use crate::packet6;
use crate::test_run::{Outcome, test_run};

pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ipvs_bpf.o"));

pub const INGRESS: &str = "ipvs_ingress";
pub const EGRESS: &str = "ipvs_egress";

pub const TC_ACT_UNSPEC: i32 = -1;
pub const TC_ACT_OK: i32 = 0;
pub const TC_ACT_SHOT: i32 = 2;
pub const TC_ACT_REDIRECT: i32 = 7;

pub struct Bench {
    object: Ebpf,
    around: Ebpf,
    // A program array forgets its programs when the last descriptor is closed.
    _under_test: ProgramArray<MapData>,
    /// See `bench.bpf.c`.
    service_left: Array<MapData, u32>,
    pub sessions4: HashMap<MapData, Tuple4, Session4>,
    pub sessions6: HashMap<MapData, Tuple6, Session6>,
    pub services: Array<MapData, Service>,
    pub counters: PerCpuArray<MapData, u64>,
}

impl Bench {
    /// Programs whose maps are empty.
    pub fn empty() -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests load eBPF programs into this host's kernel: run them as root"
        );
        let mut object = EbpfLoader::new()
            .map_max_entries("sessions4", 1024)
            .map_max_entries("sessions6", 1024)
            .load(OBJECT)
            .unwrap_or_else(|error| {
                panic!("bpf(2) is not permitted here, or this kernel has no eBPF: {error:?}")
            });
        for name in [INGRESS, EGRESS] {
            load(&mut object, name);
        }
        let mut around = Ebpf::load(around_object()).expect("bench.bpf.c loads");
        for name in ["with_service", "leave_service", "read_service"] {
            load(&mut around, name);
        }
        let mut under_test =
            ProgramArray::try_from(around.take_map("under_test").unwrap()).unwrap();
        let egress = program(&mut object, EGRESS).fd().unwrap();
        under_test.set(0, egress, 0).unwrap();
        Self {
            sessions4: HashMap::try_from(object.take_map("sessions4").unwrap()).unwrap(),
            sessions6: HashMap::try_from(object.take_map("sessions6").unwrap()).unwrap(),
            services: Array::try_from(object.take_map("services").unwrap()).unwrap(),
            counters: PerCpuArray::try_from(object.take_map("counters").unwrap()).unwrap(),
            service_left: Array::try_from(around.take_map("service").unwrap()).unwrap(),
            _under_test: under_test,
            object,
            around,
        }
    }

    /// Programs that know the session of `flow.rs`, of that protocol.
    pub fn with_session(protocol: u8) -> Self {
        let mut bench = Self::empty();
        bench.set_service(protocol);
        for (tuple, session) in flow::entries(protocol) {
            bench.sessions4.insert(tuple, session, 0).unwrap();
        }
        bench
    }

    /// Programs that know the session of `packet6.rs`, of that protocol.
    pub fn with_session6(protocol: u8) -> Self {
        let mut bench = Self::empty();
        let service = packet6::service6(protocol);
        bench.services.set(SERVICE.into(), service, 0).unwrap();
        for (tuple, session) in packet6::entries6(protocol) {
            bench.sessions6.insert(tuple, session, 0).unwrap();
        }
        bench
    }

    pub fn set_service(&mut self, protocol: u8) {
        self.services
            .set(SERVICE.into(), flow::service(protocol), 0)
            .unwrap();
    }

    pub fn ingress(&mut self, frame: &[u8]) -> Outcome {
        let program = program(&mut self.object, INGRESS).fd().unwrap();
        test_run(program.as_fd(), frame, 0)
    }

    /// Egress of a packet to which the module gave that service's id.
    pub fn egress(&mut self, frame: &[u8], service: u16) -> Outcome {
        let program = program(&mut self.around, "with_service").fd().unwrap();
        test_run(program.as_fd(), frame, service.into())
    }

    /// The counters that are not zero, over all CPUs.
    pub fn counted(&self) -> Vec<(Counter, u64)> {
        Counter::ALL
            .iter()
            .map(|counter| (*counter, self.on_each_cpu(*counter).iter().sum()))
            .filter(|(_, count)| *count != 0)
            .collect()
    }

    /// The same, and counts from zero again.
    pub fn take_counted(&mut self) -> Vec<(Counter, u64)> {
        let counted = self.counted();
        for (counter, _) in &counted {
            let zero = vec![0; self.on_each_cpu(*counter).len()];
            let zero = PerCpuValues::try_from(zero).unwrap();
            self.counters.set(*counter as u32, zero, 0).unwrap();
        }
        counted
    }

    pub fn on_each_cpu(&self, counter: Counter) -> Vec<u64> {
        self.counters.get(&(counter as u32), 0).unwrap().to_vec()
    }

    /// Attaches ingress program, and egress program with one before it that
    /// leaves the service's id, and one after it that reads what is left.
    pub fn attach_to_servers_side(&mut self, interface: &str) {
        self.service_left.set(0, u32::from(SERVICE), 0).unwrap();
        let (object, around) = (&mut self.object, &mut self.around);
        attach(object, INGRESS, interface, TcAttachType::Ingress, 1);
        attach(around, "leave_service", interface, TcAttachType::Egress, 1);
        attach(object, EGRESS, interface, TcAttachType::Egress, 2);
        attach(around, "read_service", interface, TcAttachType::Egress, 3);
    }

    /// Attaches what reads the service's id that the ingress program left.
    pub fn attach_to_clients_side(&mut self, interface: &str) {
        let egress = TcAttachType::Egress;
        attach(&mut self.around, "read_service", interface, egress, 1);
    }

    /// The `tc_index` of the packet that was read last, if there was one.
    pub fn service_read(&self) -> Option<u32> {
        let packets = self.service_left.get(&2, 0).unwrap();
        (packets > 0).then(|| self.service_left.get(&1, 0).unwrap())
    }
}

fn program<'a>(object: &'a mut Ebpf, name: &str) -> &'a mut SchedClassifier {
    object.program_mut(name).unwrap().try_into().unwrap()
}

fn load(object: &mut Ebpf, name: &str) {
    program(object, name)
        .load()
        .unwrap_or_else(|error| panic!("{name} does not load: {error:?}"));
}

fn attach(object: &mut Ebpf, name: &str, interface: &str, to: TcAttachType, priority: u16) {
    let options = TcAttachOptions::Netlink(NlOptions {
        priority,
        ..NlOptions::default()
    });
    program(object, name)
        .attach_with_options(interface, to, options)
        .unwrap_or_else(|error| panic!("{name} at {interface}: {error:?}"));
}

/// Compiled once a run, like the object under test.
fn around_object() -> &'static [u8] {
    static COMPILED: OnceLock<Vec<u8>> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}.o", std::process::id()));
        let clang = std::env::var_os("CLANG").unwrap_or_else(|| "clang".into());
        let mut command = Command::new(clang);
        command
            .args([
                "-target", "bpf", "-O2", "-g", "-Wall", "-Werror", "-mcpu=v3",
            ])
            // Where Debian keeps asm/types.h: see build.rs.
            .arg(format!("-I/usr/include/{}", multiarch()))
            .arg("-c")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/bpf/bench.bpf.c"
            ))
            .arg("-o")
            .arg(&path);
        let status = command.status().expect("clang starts: run `make deps`");
        assert!(status.success(), "clang does not compile bench.bpf.c");
        let object = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        object
    })
}

fn multiarch() -> String {
    let output = Command::new("cc").arg("-print-multiarch").output();
    let output = output.expect("cc starts: run `make deps`").stdout;
    String::from_utf8(output).unwrap().trim().to_owned()
}
