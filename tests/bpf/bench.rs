// SPDX-License-Identifier: GPL-2.0-only
//! One of the two programs with its maps, loaded as the CLI loads it.

use std::mem::zeroed;
use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{Array, MapData, PerCpuArray};
use aya::programs::tc::{NlOptions, TcAttachOptions, TcAttachType, qdisc_add_clsact};
use aya::programs::{SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader};
use ipvs_bpf::datapath::abi::{Control, Counter, Lease, SLOTS, Set4, Set6};

use crate::flow::slots;
use crate::lease::{leased4, leased6};
use crate::packet6::slots6;
use crate::test_run::{
    Outcome, TC_ACT_REDIRECT, TC_ACT_SHOT, TC_ACT_UNSPEC, XDP_DROP, XDP_PASS, XDP_REDIRECT, XDP_TX,
    test_run,
};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ipvs_bpf.o"));

const INGRESS: &str = "ipvs_ingress";

const XDP: &str = "ipvs_xdp";

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    Tc,
    Xdp,
}

/// The program left the packet to what comes next.
pub const LEFT: i32 = 0;
/// The program sent the packet.
pub const SENT: i32 = 1;
/// The program dropped the packet.
pub const DROPPED: i32 = 2;

pub struct Bench {
    hook: Hook,
    object: Ebpf,
    flows4: Array<MapData, Set4>,
    flows6: Array<MapData, Set6>,
    /// The slot of the session's first direction in the set. The second direction comes
    /// next.
    place: usize,
    control: Array<MapData, Control>,
    counters: PerCpuArray<MapData, u64>,
}

impl Bench {
    /// Loads the program with a table of one empty set.
    pub fn empty(hook: Hook) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests load eBPF programs into this host's kernel: run them as root"
        );
        let mut object = EbpfLoader::new().load(OBJECT).unwrap_or_else(|error| {
            panic!("bpf(2) is not permitted here, or this kernel has no eBPF: {error:?}")
        });
        match hook {
            Hook::Tc => classifier(&mut object).load(),
            Hook::Xdp => xdp(&mut object).load(),
        }
        .unwrap_or_else(|error| panic!("the program at {hook:?} does not load: {error:?}"));
        let mut bench = Self {
            hook,
            place: 0,
            control: Array::try_from(object.take_map(".data.control").unwrap()).unwrap(),
            flows4: Array::try_from(object.take_map("flows4").unwrap()).unwrap(),
            flows6: Array::try_from(object.take_map("flows6").unwrap()).unwrap(),
            counters: PerCpuArray::try_from(object.take_map("counters").unwrap()).unwrap(),
            object,
        };
        bench.set_generation(0);
        bench
    }

    /// Makes the leases of that generation valid.
    pub fn set_generation(&mut self, generation: u32) {
        let control = Control {
            seed: 0x0123_4567_89ab_cdef,
            sets: 1,
            generation,
            ..Control::default()
        };
        self.control.set(0, control, 0).unwrap();
    }

    /// The outcome for a packet, with [`LEFT`], [`SENT`] or [`DROPPED`] as the action.
    pub fn ingress(&self, frame: &[u8]) -> Outcome {
        let Outcome { action, frame } = test_run(self.program(), frame);
        let action = match (self.hook, action) {
            (Hook::Tc, TC_ACT_UNSPEC) | (Hook::Xdp, XDP_PASS) => LEFT,
            (Hook::Tc, TC_ACT_REDIRECT) | (Hook::Xdp, XDP_REDIRECT | XDP_TX) => SENT,
            (Hook::Tc, TC_ACT_SHOT) | (Hook::Xdp, XDP_DROP) => DROPPED,
            other => panic!("{other:?}"),
        };
        Outcome { action, frame }
    }

    /// The action as the program returns it.
    pub fn raw_action(&self, frame: &[u8]) -> i32 {
        test_run(self.program(), frame).action
    }

    fn program(&self) -> BorrowedFd<'_> {
        match self.hook {
            Hook::Tc => {
                let program: &SchedClassifier =
                    self.object.program(INGRESS).unwrap().try_into().unwrap();
                program.fd().unwrap().as_fd()
            }
            Hook::Xdp => {
                let program: &Xdp = self.object.program(XDP).unwrap().try_into().unwrap();
                program.fd().unwrap().as_fd()
            }
        }
    }

    /// The packets that the program at XDP counted as sent.
    pub fn sent_at_xdp(&self) -> u64 {
        self.over_all_cpus(Counter::XdpPackets)
    }

    /// The other counters that are not zero, summed over all CPUs.
    pub fn counted(&self) -> Vec<(Counter, u64)> {
        let other = Counter::ALL.iter();
        other
            .filter(|counter| **counter != Counter::XdpPackets)
            .map(|counter| (*counter, self.over_all_cpus(*counter)))
            .filter(|(_, count)| *count != 0)
            .collect()
    }

    pub fn over_all_cpus(&self, counter: Counter) -> u64 {
        let counts = self.counters.get(&(counter as u32), 0).unwrap();
        counts.iter().sum()
    }

    /// Writes the next leases to other slots of the set.
    pub fn move_to(&mut self, place: usize) {
        self.place = place;
    }

    fn slot_indices(&self) -> [usize; 2] {
        [self.place, (self.place + 1) % SLOTS]
    }

    /// Gives the session of `flow.rs` these leases, for requests and for replies. The
    /// table has no other entries.
    pub fn set_leases4(&mut self, protocol: u8, leases: [Lease; 2]) {
        // SAFETY: all fields are numbers.
        let mut set: Set4 = unsafe { zeroed() };
        for ((slot, lease), place) in slots(protocol)
            .into_iter()
            .zip(leases)
            .zip(self.slot_indices())
        {
            set.slot[place] = leased4(slot, lease);
        }
        self.flows4.set(0, set, 0).unwrap();
    }

    pub fn leases4(&self) -> [Lease; 2] {
        let set = self.flows4.get(&0, 0).unwrap();
        self.slot_indices().map(|place| set.slot[place].lease)
    }

    /// Gives the session of `packet6.rs` these leases.
    pub fn set_leases6(&mut self, protocol: u8, leases: [Lease; 2]) {
        // SAFETY: as above.
        let mut set: Set6 = unsafe { zeroed() };
        for ((slot, lease), place) in slots6(protocol)
            .into_iter()
            .zip(leases)
            .zip(self.slot_indices())
        {
            set.slot[place] = leased6(slot, lease);
        }
        self.flows6.set(0, set, 0).unwrap();
    }

    pub fn leases6(&self) -> [Lease; 2] {
        let set = self.flows6.get(&0, 0).unwrap();
        self.slot_indices().map(|place| set.slot[place].lease)
    }

    /// The time of the last packet in each direction.
    pub fn last4(&self) -> [u32; 2] {
        let set = self.flows4.get(&0, 0).unwrap();
        self.slot_indices().map(|place| set.slot[place].last)
    }

    pub fn last6(&self) -> [u32; 2] {
        let set = self.flows6.get(&0, 0).unwrap();
        self.slot_indices().map(|place| set.slot[place].last)
    }

    /// Sets the sequence as during a write of the module, or as after it.
    pub fn set_sequence(&mut self, sequence: u32) {
        let set = self.flows4.get(&0, 0).unwrap();
        self.flows4.set(0, Set4 { sequence, ..set }, 0).unwrap();
        let set = self.flows6.get(&0, 0).unwrap();
        self.flows6.set(0, Set6 { sequence, ..set }, 0).unwrap();
    }

    /// Attaches the program of tc to an interface of the caller's namespace, as the CLI does.
    pub fn attach(&mut self, interface: &str) {
        qdisc_add_clsact(interface).unwrap();
        let options = TcAttachOptions::Netlink(NlOptions::default());
        classifier(&mut self.object)
            .attach_with_options(interface, TcAttachType::Ingress, options)
            .unwrap_or_else(|error| panic!("{INGRESS} at {interface}: {error:?}"));
    }
}

fn classifier(object: &mut Ebpf) -> &mut SchedClassifier {
    object.program_mut(INGRESS).unwrap().try_into().unwrap()
}

fn xdp(object: &mut Ebpf) -> &mut Xdp {
    object.program_mut(XDP).unwrap().try_into().unwrap()
}
