// SPDX-License-Identifier: GPL-2.0-only
//! The goals of the benchmark, and whether they are reached.

use serde::Serialize;

use crate::flow::{Direction, FAMILIES, Family, Protocol};
use crate::path::Path;
use crate::report::{Memory, Per, Row, SMALL};
use Direction::{Original, Reply};
use Family::{Ipv4, Ipv6};
use Path::{
    Ipvs, IpvsBpf, IpvsBpfFast, IpvsBpfToa, IpvsMasquerade, NftFlowtable, NftMasquerade, Route,
    TcRedirect,
};
use Per::{Connection, OthersPacket, Packet, Session, SparsePacket};
use Protocol::{Tcp, Udp};

/// A figure with an upper limit: a quotient of instructions, or a number of bytes.
#[derive(Debug, Serialize)]
pub struct Goal {
    pub goal: String,
    pub at_most: f64,
    pub figures: Vec<Figure>,
}

#[derive(Debug, Serialize)]
pub struct Figure {
    /// `None`: both directions, one packet each way.
    pub direction: Option<Direction>,
    pub value: f64,
    pub reached: bool,
}

/// The two things that are compared.
struct What {
    name: &'static str,
    per: Per,
    family: Family,
    protocol: Protocol,
}

const fn what(name: &'static str, per: Per, family: Family, protocol: Protocol) -> What {
    What {
        name,
        per,
        family,
        protocol,
    }
}

const UDP: What = what("UDP packet", Packet, Ipv4, Udp);
const TCP: What = what("TCP packet", Packet, Ipv4, Tcp);
const UDP6: What = what("UDP packet, IPv6", Packet, Ipv6, Udp);
const TCP6: What = what("TCP packet, IPv6", Packet, Ipv6, Tcp);
const NEW: What = what("new session", Session, Ipv4, Udp);
const SHORT: What = what("short TCP connection", Connection, Ipv4, Tcp);
const SPARSE: What = what("a packet a second each way", SparsePacket, Ipv4, Udp);
const OTHERS: What = what("packet of others", OthersPacket, Ipv4, Udp);
const OTHERS6: What = what("packet of others, IPv6", OthersPacket, Ipv6, Udp);

/// The quotient of the first path to the second, and its limit.
const QUOTIENTS: &[(What, Path, Path, f64)] = &[
    (UDP, IpvsBpfFast, IpvsMasquerade, FAST),
    (UDP, IpvsBpfFast, NftFlowtable, 0.68),
    (TCP, IpvsBpfFast, NftFlowtable, 0.68),
    (UDP6, IpvsBpfFast, NftFlowtable, 0.68),
    (TCP6, IpvsBpfFast, NftFlowtable, 0.68),
    (UDP, IpvsBpfFast, TcRedirect, 1.5),
    (UDP, IpvsBpf, IpvsMasquerade, 0.48),
    (NEW, IpvsBpf, IpvsMasquerade, 0.48),
    (NEW, IpvsBpfFast, IpvsMasquerade, 0.48),
    (NEW, IpvsBpf, NftMasquerade, 0.65),
    (NEW, IpvsBpfFast, NftMasquerade, 0.65),
    (SHORT, IpvsBpf, IpvsMasquerade, 0.60),
    (SHORT, IpvsBpfFast, IpvsMasquerade, 0.60),
    (SHORT, IpvsBpfFast, NftMasquerade, 0.65),
    (SHORT, IpvsBpfToa, IpvsBpfFast, 1.05),
    (TCP, IpvsBpfToa, IpvsBpfFast, 1.005),
    (SPARSE, IpvsBpfFast, NftFlowtable, 1.0),
    (OTHERS, IpvsBpfFast, Route, 1.05),
    (OTHERS6, IpvsBpfFast, Route, 1.05),
    (OTHERS, IpvsBpfFast, Ipvs, 1.05),
    (OTHERS6, IpvsBpfFast, Ipvs, 1.05),
    (OTHERS, IpvsBpf, Ipvs, 1.05),
    (OTHERS6, IpvsBpf, Ipvs, 1.05),
];

/// The limit of the fast path against `IpvsMasquerade`, in general and with tcx.
const FAST: f64 = 0.20;
const FAST_BY_TCX: f64 = 0.17;
/// The first kernel with tcx.
const TCX: (u32, u32) = (6, 6);
/// The quotients of IPv6 to those of IPv4.
const IPV6: f64 = 1.15;
/// A million sessions compared with a thousand.
const MILLION: f64 = 1.05;
/// The bytes of a session without leases, and of one with leases in both directions.
const BYTES: [f64; 2] = [480.0, 700.0];
/// The number of sessions for these bytes.
const MANY: u32 = 50_000;

/// The goals that can be computed from these figures, for this kernel.
pub fn goals(kernel: &str, rows: &[Row], memory: &[Memory]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (what, path, against, at_most) in QUOTIENTS {
        let name = format!("{}: {} ÷ {}", what.name, path.name(), against.name());
        let at_most = match (path, against) {
            (IpvsBpfFast, IpvsMasquerade) if what.per == Packet && has_tcx(kernel) => FAST_BY_TCX,
            _ => *at_most,
        };
        goals.extend(goal(name, at_most, |direction| {
            quotient(rows, what, what.family, [*path, *against], direction)
        }));
    }
    for (what, path, against, _) in QUOTIENTS {
        if *against == IpvsMasquerade {
            let name = format!("IPv6 ÷ IPv4, {}: {}", what.name, path.name());
            goals.extend(goal(name, IPV6, |direction| {
                let [ipv4, ipv6] = FAMILIES
                    .map(|family| quotient(rows, what, family, [*path, *against], direction));
                Some(ipv6? / ipv4?)
            }));
        }
    }
    for path in [IpvsBpf, IpvsBpfFast] {
        let of = |sessions: u32| {
            let mut rows = rows.iter().filter(|row| row.path == path);
            let row = rows.find(|row| {
                let subject = &row.subject;
                (subject.sessions, subject.services) == (sessions, 1)
            });
            row.map(|row| row.instructions as f64)
        };
        let name = format!("1 000 000 sessions ÷ 1 000: {}", path.name());
        goals.extend(goal(name, MILLION, |direction| match direction {
            Some(Original) => Some(of(1_000_000)? / of(1_000)?),
            _ => None,
        }));
    }
    for family in FAMILIES {
        for (in_use, at_most) in [false, true].into_iter().zip(BYTES) {
            let leases = if in_use {
                "leases both ways"
            } else {
                "no lease"
            };
            let name = format!("bytes a session, {}, {leases}", family.name());
            let mut memory = memory.iter().filter(|memory| {
                (memory.path, memory.family, memory.sessions) == (IpvsBpfFast, family, MANY)
            });
            let bytes = memory.find(|memory| memory.in_use == in_use);
            goals.extend(goal(name, at_most, |direction| match direction {
                None => bytes.map(|memory| memory.bytes_a_session as f64),
                _ => None,
            }));
        }
    }
    goals
}

fn has_tcx(kernel: &str) -> bool {
    let mut numbers = kernel.split(|letter: char| !letter.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    matches!((next(), next()), (Some(major), Some(minor)) if (major, minor) >= TCX)
}

fn goal(goal: String, at_most: f64, of: impl Fn(Option<Direction>) -> Option<f64>) -> Option<Goal> {
    let figures: Vec<Figure> = [Some(Original), Some(Reply), None]
        .into_iter()
        .filter_map(|direction| {
            let value = of(direction)?;
            Some(Figure {
                direction,
                value,
                reached: value <= at_most,
            })
        })
        .collect();
    (!figures.is_empty()).then_some(Goal {
        goal,
        at_most,
        figures,
    })
}

/// The quotient of two paths: small frames whose checksums are not verified, of one flow
/// if there can be many.
fn quotient(
    rows: &[Row],
    what: &What,
    family: Family,
    paths: [Path; 2],
    direction: Option<Direction>,
) -> Option<f64> {
    let directions: &[Direction] = match (&direction, what.per) {
        (Some(one), Packet | OthersPacket) => std::slice::from_ref(one),
        (None, Packet | OthersPacket) => &[Original, Reply],
        // These have one figure.
        (None, _) => &[Original],
        (Some(_), _) => return None,
    };
    let cost = |path: Path| -> Option<f64> {
        let mut sum = 0.0;
        for direction in directions {
            let row = rows.iter().find(|row| {
                let subject = &row.subject;
                row.path == path
                    && subject.per == what.per
                    && subject.family == family
                    && subject.protocol == what.protocol
                    && subject.direction == *direction
                    && !subject.verified
                    && subject.sessions == 1
                    && (subject.per != Packet || subject.flows == 1 && subject.size == SMALL)
            })?;
            sum += row.instructions as f64;
        }
        Some(sum)
    };
    let [path, against] = paths;
    Some(cost(path)? / cost(against)?)
}
