// SPDX-License-Identifier: GPL-2.0-only
//! The parts of a run between cards.

use super::cards::{self, BURST, Cards};
use super::generator::Generator;
use super::report::Row;
use super::window::Windows;
use crate::director;
use crate::flow::{Direction, Family, Protocol, Segment};
use crate::measure::median;
use crate::namespace::run;
use crate::path::Path;
use crate::report::{Per, Subject};
use crate::way;
use Direction::{Original, Reply};

/// Frames in a window, if they are of one flow, and windows in each direction. Their
/// median counts.
const FRAMES: usize = 32 * BURST;
const WINDOWS: usize = 15;
/// The number of many flows: each has one frame in a window.
const MANY: u32 = 50_000;
const WINDOWS_OF_MANY: usize = 3;
/// The number of a flow that the director has not seen.
const OTHER: u32 = MANY + 1;

pub struct Part {
    pub name: &'static str,
    family: Family,
    protocol: Protocol,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    OneFlow,
    ManyFlows,
    OneArmed,
    /// A packet that the director only forwards.
    Others,
}

const fn part(name: &'static str, family: Family, protocol: Protocol, kind: Kind) -> Part {
    Part {
        name,
        family,
        protocol,
        kind,
    }
}

const PARTS: [Part; 7] = [
    part("udp-ipv4", Family::Ipv4, Protocol::Udp, Kind::OneFlow),
    part("tcp-ipv4", Family::Ipv4, Protocol::Tcp, Kind::OneFlow),
    part("udp-ipv6", Family::Ipv6, Protocol::Udp, Kind::OneFlow),
    part("tcp-ipv6", Family::Ipv6, Protocol::Tcp, Kind::OneFlow),
    part("others-ipv4", Family::Ipv4, Protocol::Udp, Kind::Others),
    part(
        "one-armed-ipv4",
        Family::Ipv4,
        Protocol::Udp,
        Kind::OneArmed,
    ),
    part("flows-ipv4", Family::Ipv4, Protocol::Udp, Kind::ManyFlows),
];

/// The parts with these names, or all.
pub fn named(names: &[String]) -> Result<Vec<&'static Part>, String> {
    if names.is_empty() {
        return Ok(PARTS.iter().collect());
    }
    let find = |name: &String| {
        let part = PARTS.iter().find(|part| part.name == name);
        let all = PARTS.map(|part| part.name).join(", ");
        part.ok_or_else(|| format!("between cards there is no '{name}', but: {all}"))
    };
    names.iter().map(find).collect()
}

/// Loads what all paths need.
pub fn prepare(driver: &str) {
    run("modprobe", &["ip_vs", "conn_tab_bits=20"]);
    run("modprobe", &["nf_conntrack", "hashsize=1048576"]);
    cards::find(driver);
}

/// The paths that work on this kernel.
pub fn paths_of_this_kernel() -> Vec<Path> {
    let refused = director::xdp_forward_refused();
    if let Some(reason) = &refused {
        eprintln!("without xdp_forward, which this kernel refuses: {reason}");
    }
    let all = Path::DRIVERS.into_iter();
    all.filter(|path| *path != Path::XdpForward || refused.is_none())
        .collect()
}

impl Part {
    /// True if it measures this path.
    pub fn has(&self, path: Path) -> bool {
        match self.kind {
            Kind::OneFlow => true,
            Kind::ManyFlows => path == Path::IpvsBpfXdp,
            Kind::OneArmed => path.is_ours(),
            Kind::Others => path.is_ours() || path == Path::Route,
        }
    }

    fn flows(&self) -> std::ops::Range<u32> {
        match self.kind {
            Kind::OneFlow | Kind::OneArmed => 0..1,
            Kind::ManyFlows => 1..MANY + 1,
            Kind::Others => OTHER..OTHER + 1,
        }
    }

    /// The figures of both directions.
    pub fn measure(&self, path: Path, generator: &Generator, windows: &Windows) -> [Row; 2] {
        let one_armed = self.kind == Kind::OneArmed;
        let cards = Cards::lay_out(path, one_armed, generator, windows);
        let is_other = self.kind == Kind::Others;
        // The frames of others are those of plain forwarding.
        let sent_as = if is_other { Path::Route } else { path };
        let per = if is_other {
            Per::OthersPacket
        } else {
            Per::Packet
        };
        let of = |direction| Subject {
            direction,
            flows: self.flows().len() as u32,
            ..Subject::of(per, self.family, self.protocol)
        };
        if path.has_sessions() && !is_other {
            self.open(&cards, &of);
            if self.kind == Kind::OneFlow {
                self.check_way(&cards, &of(Original));
            }
        }
        [Original, Reply].map(|direction| {
            let subject = of(direction);
            let instructions = self.one_direction(&cards, sent_as, &subject);
            Row::new(path, one_armed, &subject, instructions)
        })
    }

    /// Opens the connections, so that both directions are known, and the next packet of each
    /// gets its lease: of TCP that is the fourth one (kmod/session/leases.h: lease_due()).
    fn open(&self, cards: &Cards, of: &dyn Fn(Direction) -> Subject) {
        let script: &[_] = match self.protocol {
            Protocol::Udp => &[(Original, Segment::Data), (Reply, Segment::Data)],
            Protocol::Tcp => &[
                (Original, Segment::Syn),
                (Reply, Segment::SynAck),
                (Original, Segment::Ack),
                (Reply, Segment::Data),
                (Original, Segment::Data),
                (Reply, Segment::Data),
                (Original, Segment::Data),
                (Reply, Segment::Data),
            ],
        };
        for (direction, segment) in script {
            let frames = cards.frames(cards.path, &of(*direction), self.flows(), *segment);
            cards.cost(*direction, &frames);
        }
        cards.forget_arrived();
    }

    /// The packets must be processed as the path's name says.
    fn check_way(&self, cards: &Cards, subject: &Subject) {
        // The first one gets the lease, or the entry of the flowtable, before others of
        // its burst have passed the driver.
        let send = |direction, frames: &[Vec<u8>]| {
            cards.cost(direction, &frames[..1]);
            cards.cost(direction, &frames[1..]);
        };
        way::check_at(&cards.director, cards.path, subject, &send);
        cards.forget_arrived();
    }

    /// The median of several windows of one direction.
    fn one_direction(&self, cards: &Cards, sent_as: Path, subject: &Subject) -> f64 {
        let (each, windows) = match self.kind {
            Kind::ManyFlows => (1, WINDOWS_OF_MANY),
            _ => (FRAMES as u32, WINDOWS),
        };
        let direction = subject.direction;
        let one_of_each = cards.frames(sent_as, subject, self.flows(), Segment::Data);
        let count = one_of_each.len() * each as usize;
        let frames: Vec<Vec<u8>> = one_of_each.iter().cycle().take(count).cloned().collect();
        let before = cards.left_at_xdp();
        let mut costs = Vec::new();
        for _ in 0..windows {
            // Leases are for ten seconds: each flow has just got its own.
            cards.cost(direction, &one_of_each);
            costs.push(cards.cost(direction, &frames));
            cards.check_arrived(sent_as, subject, self.flows(), 1 + each);
        }
        let at_xdp = cards.left_at_xdp() - before;
        let sent = (windows * count) as u64;
        let name = cards.path.name();
        if cards.path == Path::IpvsBpfXdp && self.kind != Kind::Others {
            // Now and then one gets the next lease.
            assert!(
                at_xdp * 100 >= sent * 99,
                "{name}: {at_xdp} of {sent} left at XDP"
            );
        } else {
            assert_eq!(at_xdp, 0, "{name}: packets that left at XDP");
        }
        median(costs)
    }
}
