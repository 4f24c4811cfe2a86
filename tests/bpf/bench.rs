// SPDX-License-Identifier: GPL-2.0-only
//! The program under test, loaded as the CLI loads it, with its maps.

use std::os::fd::AsFd;

use aya::maps::{HashMap, MapData, PerCpuArray};
use aya::programs::SchedClassifier;
use aya::programs::tc::{NlOptions, TcAttachOptions, TcAttachType, qdisc_add_clsact};
use aya::{Ebpf, EbpfLoader};
use ipvs_bpf::datapath::abi::{Counter, Flow4, Flow6, Lease, Tuple4, Tuple6};

use crate::flow::entries;
use crate::lease::{leased4, leased6};
use crate::packet6::entries6;
use crate::test_run::{Outcome, test_run};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ipvs_bpf.o"));

const INGRESS: &str = "ipvs_ingress";

pub const TC_ACT_UNSPEC: i32 = -1;
pub const TC_ACT_REDIRECT: i32 = 7;

pub struct Bench {
    object: Ebpf,
    flows4: HashMap<MapData, Tuple4, Flow4>,
    flows6: HashMap<MapData, Tuple6, Flow6>,
    counters: PerCpuArray<MapData, u64>,
}

impl Bench {
    /// The program, with empty maps.
    pub fn empty() -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests load eBPF programs into this host's kernel: run them as root"
        );
        let mut object = EbpfLoader::new()
            .map_max_entries("flows4", 1024)
            .map_max_entries("flows6", 1024)
            .load(OBJECT)
            .unwrap_or_else(|error| {
                panic!("bpf(2) is not permitted here, or this kernel has no eBPF: {error:?}")
            });
        program(&mut object)
            .load()
            .unwrap_or_else(|error| panic!("{INGRESS} does not load: {error:?}"));
        Self {
            flows4: HashMap::try_from(object.take_map("flows4").unwrap()).unwrap(),
            flows6: HashMap::try_from(object.take_map("flows6").unwrap()).unwrap(),
            counters: PerCpuArray::try_from(object.take_map("counters").unwrap()).unwrap(),
            object,
        }
    }

    pub fn ingress(&self, frame: &[u8]) -> Outcome {
        let program: &SchedClassifier = self.object.program(INGRESS).unwrap().try_into().unwrap();
        test_run(program.fd().unwrap().as_fd(), frame)
    }

    /// The counters that are not zero, over all CPUs.
    pub fn counted(&self) -> Vec<(Counter, u64)> {
        Counter::ALL
            .iter()
            .map(|counter| (*counter, self.over_all_cpus(*counter)))
            .filter(|(_, count)| *count != 0)
            .collect()
    }

    fn over_all_cpus(&self, counter: Counter) -> u64 {
        let counts = self.counters.get(&(counter as u32), 0).unwrap();
        counts.iter().sum()
    }

    /// The session of `flow.rs` has these leases, for requests and for replies.
    pub fn set_leases4(&mut self, protocol: u8, leases: [Lease; 2]) {
        for ((tuple, flow), lease) in entries(protocol).into_iter().zip(leases) {
            let flow = leased4(&tuple, flow, lease);
            self.flows4.insert(tuple, flow, 0).unwrap();
        }
    }

    pub fn leases4(&self, protocol: u8) -> [Lease; 2] {
        entries(protocol).map(|(tuple, _)| self.flows4.get(&tuple, 0).unwrap().lease)
    }

    /// The session of `packet6.rs` has these leases.
    pub fn set_leases6(&mut self, protocol: u8, leases: [Lease; 2]) {
        for ((tuple, flow), lease) in entries6(protocol).into_iter().zip(leases) {
            let flow = leased6(&tuple, flow, lease);
            self.flows6.insert(tuple, flow, 0).unwrap();
        }
    }

    pub fn leases6(&self, protocol: u8) -> [Lease; 2] {
        entries6(protocol).map(|(tuple, _)| self.flows6.get(&tuple, 0).unwrap().lease)
    }

    /// Attaches the program to an interface of the caller's namespace, as the CLI
    /// does.
    pub fn attach(&mut self, interface: &str) {
        qdisc_add_clsact(interface).unwrap();
        let options = TcAttachOptions::Netlink(NlOptions::default());
        program(&mut self.object)
            .attach_with_options(interface, TcAttachType::Ingress, options)
            .unwrap_or_else(|error| panic!("{INGRESS} at {interface}: {error:?}"));
    }
}

fn program(object: &mut Ebpf) -> &mut SchedClassifier {
    object.program_mut(INGRESS).unwrap().try_into().unwrap()
}
