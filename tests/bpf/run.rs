// SPDX-License-Identifier: GPL-2.0-only
//! Loads the programs with maps as the module would fill them, and runs them.

use std::path::Path;
use std::process::Command;

use aya::maps::{Array, HashMap, PerCpuArray, ProgramArray};
use aya::programs::{SchedClassifier, TestRun, TestRunOptions};
use aya::{Ebpf, EbpfLoader};
use ipvs_bpf::datapath::OBJECT;
use ipvs_bpf::datapath::abi::{ORIGINAL, REPLY, Service, Session4, Tuple4};

type End = ([u8; 4], u16);

pub struct Flow {
    pub protocol: u8,
    pub from: End,
    pub to: End,
}

/// What a program answers to tc.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// `TC_ACT_UNSPEC`: as if it were not there.
    Next,
    /// `TC_ACT_OK`.
    Ok,
    /// `TC_ACT_SHOT`.
    Drop,
}

pub struct Programs {
    programs: Ebpf,
    /// Sets tc_index and goes on with the egress program.
    wrapper: Ebpf,
}

fn classifier<'a>(object: &'a Ebpf, name: &str) -> &'a SchedClassifier {
    object.program(name).unwrap().try_into().unwrap()
}

fn load(object: &mut Ebpf, name: &str) {
    let program: &mut SchedClassifier = object.program_mut(name).unwrap().try_into().unwrap();
    program.load().unwrap();
}

/// Compiles a C file of the tests.
fn compiled(name: &str) -> Vec<u8> {
    let object = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{name}-{:?}.o", std::thread::current().id()));
    let multiarch = Command::new("cc").arg("-print-multiarch").output().unwrap();
    let multiarch = String::from_utf8(multiarch.stdout).unwrap();
    let status = Command::new("clang")
        .args(["-target", "bpf", "-O2", "-g", "-Wall", "-Werror"])
        .arg(format!("-I/usr/include/{}", multiarch.trim()))
        .args(["-c", &format!("tests/bpf/{name}.c"), "-o"])
        .arg(&object)
        .status()
        .unwrap();
    assert!(status.success());
    std::fs::read(object).unwrap()
}

impl Programs {
    /// Needs root, as everything about eBPF does.
    pub fn load() -> Self {
        let mut programs = EbpfLoader::new()
            .map_max_entries("sessions4", 64)
            .load(OBJECT)
            .expect("loading eBPF needs root and a kernel with BPF");
        load(&mut programs, "ipvs_ingress");
        load(&mut programs, "ipvs_egress");
        let mut wrapper = Ebpf::load(&compiled("wrapper")).unwrap();
        load(&mut wrapper, "wrapper");
        let mut under_test =
            ProgramArray::try_from(wrapper.map_mut("under_test").unwrap()).unwrap();
        let egress = classifier(&programs, "ipvs_egress").fd().unwrap();
        under_test.set(0, egress, 0).unwrap();
        Programs { programs, wrapper }
    }

    pub fn add_service(&mut self, id: u16, protocol: u8, vip: End) {
        let mut services: Array<_, Service> =
            Array::try_from(self.programs.map_mut("services").unwrap()).unwrap();
        let service = Service {
            vaddr_be: [u32::from_ne_bytes(vip.0), 0, 0, 0],
            vport_be: vip.1.to_be(),
            protocol,
            family: 2, // AF_INET
        };
        services.set(id.into(), service, 0).unwrap();
    }

    /// Both entries, each with the other one's tuple reversed as its value.
    pub fn add_session(&mut self, service: u16, original: &Flow, reply: &Flow) {
        let mut sessions: HashMap<_, Tuple4, Session4> =
            HashMap::try_from(self.programs.map_mut("sessions4").unwrap()).unwrap();
        for (flow, other, direction) in [(original, reply, ORIGINAL), (reply, original, REPLY)] {
            let key = Tuple4 {
                saddr_be: u32::from_ne_bytes(flow.from.0),
                daddr_be: u32::from_ne_bytes(flow.to.0),
                sport_be: flow.from.1.to_be(),
                dport_be: flow.to.1.to_be(),
                protocol: flow.protocol,
                pad: [0; 3],
            };
            let value = Session4 {
                saddr_be: u32::from_ne_bytes(other.to.0),
                daddr_be: u32::from_ne_bytes(other.from.0),
                sport_be: other.to.1.to_be(),
                dport_be: other.from.1.to_be(),
                service,
                direction,
                pad: 0,
            };
            sessions.insert(key, value, 0).unwrap();
        }
    }

    pub fn ingress(&self, packet: &[u8]) -> (Action, Vec<u8>) {
        run(classifier(&self.programs, "ipvs_ingress"), 0, packet)
    }

    /// `tc_index`: the service's id, as the module leaves it.
    pub fn egress(&self, tc_index: u16, packet: &[u8]) -> (Action, Vec<u8>) {
        run(classifier(&self.wrapper, "wrapper"), tc_index, packet)
    }

    /// By its name in the header, summed over the CPUs.
    pub fn counter(&self, name: &str) -> u64 {
        let header = include_str!("../../kmod/ip_vs_bpf_abi.h");
        let counters = header.split("enum ipvs_bpf_counter {").nth(1).unwrap();
        let index = counters
            .lines()
            .skip(1)
            .position(|line| line.trim().starts_with(&format!("{name},")));
        let array: PerCpuArray<_, u64> =
            PerCpuArray::try_from(self.programs.map("counters").unwrap()).unwrap();
        let values = array.get(&(index.unwrap() as u32), 0).unwrap();
        values.iter().sum()
    }
}

fn run(program: &SchedClassifier, mark: u16, packet: &[u8]) -> (Action, Vec<u8>) {
    // struct __sk_buff, of which the kernel takes the mark (its third word).
    let mut context = [0u8; 192];
    context[8..12].copy_from_slice(&u32::from(mark).to_ne_bytes());
    let mut output = vec![0; packet.len() + 256];
    let result = program
        .test_run(TestRunOptions {
            data_in: Some(packet),
            data_out: Some(&mut output),
            ctx_in: Some(&context),
            ..TestRunOptions::new()
        })
        .unwrap();
    output.truncate(result.data_size_out as usize);
    let action = match result.return_value as i32 {
        -1 => Action::Next,
        0 => Action::Ok,
        2 => Action::Drop,
        other => panic!("the program answered {other}"),
    };
    (action, output)
}
