// SPDX-License-Identifier: GPL-2.0-only
//! How the cost of a packet grows with the sessions and services of full NAT, and how
//! much memory a session takes. This uses its own networks, which no other part has used.

use crate::director::{FullNat, GROWING, apply, lay_out};
use crate::flow::{Direction::Original, Family, Protocol, Segment, vip};
use crate::measure::{cost, cost_in_use, frames, interleaved, slab};
use crate::network::Network;
use crate::parts::Findings;
use crate::path::Path;
use crate::report::{Memory, Per, Subject};
use crate::subjects::repeated;

const SESSIONS: [u32; 4] = [10, 1_000, 100_000, 1_000_000];
/// Measured with all sessions that exist by then.
const SERVICES: [u32; 2] = [100, 10_000];
/// The number of flows that are measured, spread over all flows.
const SAMPLE: u32 = 1_000;
/// The number of flows whose frames are made at once.
const AT_ONCE: usize = 50_000;

pub fn growth(networks: &[&Network], family: Family) -> Findings {
    let paths = networks.iter().map(|network| network.path);
    let grown: Vec<Network> = paths
        .filter(|path| path.is_ours() && *path != Path::IpvsBpfToa)
        .map(|path| lay_out(path, GROWING))
        .collect();
    let grown: Vec<&Network> = grown.iter().collect();
    let generator = networks.iter().filter(|network| network.path == Path::Drop);
    let measured: Vec<&Network> = generator.chain(&grown).copied().collect();
    let mut findings = Findings::default();
    let mut known = 0;
    for sessions in SESSIONS {
        eprintln!("  {sessions} sessions");
        let memory = open(&grown, family, known..sessions);
        if known > 0 {
            findings.memory.extend(memory);
        }
        known = sessions;
        for network in &grown {
            assert_eq!(network.counter("sessions"), u64::from(known));
        }
        measure(&measured, family, known, 1, &mut findings);
    }
    for services in SERVICES {
        eprintln!("  {services} services");
        for network in &grown {
            let full_nat = FullNat {
                services,
                ..GROWING
            };
            let vips: String = (0..services)
                .map(|number| format!("addr replace {}/32 dev lo\n", vip(family, number)))
                .collect();
            network.director.ip(&vips);
            apply(&network.director, network.path, full_nat);
        }
        measure(&measured, family, known, services, &mut findings);
    }
    grown.iter().for_each(|network| network.check());
    findings
}

fn open(networks: &[&Network], family: Family, numbers: std::ops::Range<u32>) -> Vec<Memory> {
    let subject = Subject::of(Per::Packet, family, Protocol::Udp);
    let mut memory = Vec::new();
    for network in networks {
        let before = slab();
        for first in numbers.clone().step_by(AT_ONCE) {
            let some = first..(first + AT_ONCE as u32).min(numbers.end);
            let frames = frames(network.path, &subject, some, Original, Segment::Data);
            cost(network, Original, &frames);
        }
        memory.push(Memory {
            path: network.path,
            family,
            sessions: numbers.len() as u32,
            in_use: false,
            bytes_a_session: slab().saturating_sub(before) / numbers.len() as u64,
        });
    }
    memory
}

fn measure(
    networks: &[&Network],
    family: Family,
    sessions: u32,
    services: u32,
    findings: &mut Findings,
) {
    let flows = sessions.min(SAMPLE);
    let subject = Subject {
        flows,
        sessions,
        services,
        ..Subject::of(Per::Packet, family, Protocol::Udp)
    };
    let step = sessions / flows;
    let sample = || (0..flows).map(|number| number * step);
    let rows = interleaved(networks, &subject, |network, _| {
        let frames = frames(network.path, &subject, sample(), Original, Segment::Data);
        cost_in_use(network, Original, &repeated(frames))
    });
    findings.rows.extend(rows);
}
