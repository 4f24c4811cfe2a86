// SPDX-License-Identifier: GPL-2.0-only
//! What is to be reached, and whether it is.

use serde::Serialize;

use crate::flow::{Direction, FAMILIES, Family, Protocol};
use crate::path::Path;
use crate::report::{Per, Row, SMALL};
use Direction::{Original, Reply};
use Path::{IpvsBpf, IpvsBpfFast, IpvsMasquerade, Route, TcRedirect};

/// A quotient that is to be at most so much.
#[derive(Debug, Serialize)]
pub struct Goal {
    pub goal: String,
    pub at_most: f64,
    pub figures: Vec<Figure>,
}

#[derive(Debug, Serialize)]
pub struct Figure {
    /// None: of both, a packet each way.
    pub direction: Option<Direction>,
    pub quotient: f64,
    pub reached: bool,
}

/// UDP packets, small and of one flow, or what new flows cost: this path against
/// that.
struct Quotient {
    name: &'static str,
    per: Per,
    path: Path,
    against: Path,
    at_most: f64,
}

const fn quotient(
    name: &'static str,
    per: Per,
    path: Path,
    against: Path,
    at_most: f64,
) -> Quotient {
    Quotient {
        name,
        per,
        path,
        against,
        at_most,
    }
}

const QUOTIENTS: [Quotient; 8] = [
    quotient("classic", Per::Packet, IpvsBpf, IpvsMasquerade, 0.58),
    quotient("fast path", Per::Packet, IpvsBpfFast, IpvsMasquerade, 0.22),
    quotient("fast path ÷ route", Per::Packet, IpvsBpfFast, Route, 0.42),
    quotient(
        "fast path ÷ tc_redirect",
        Per::Packet,
        IpvsBpfFast,
        TcRedirect,
        1.5,
    ),
    quotient(
        "new session, classic",
        Per::Session,
        IpvsBpf,
        IpvsMasquerade,
        0.50,
    ),
    quotient(
        "new session, fast path",
        Per::Session,
        IpvsBpfFast,
        IpvsMasquerade,
        0.50,
    ),
    quotient(
        "short TCP connection, classic",
        Per::Connection,
        IpvsBpf,
        IpvsMasquerade,
        0.60,
    ),
    quotient(
        "short TCP connection, fast path",
        Per::Connection,
        IpvsBpfFast,
        IpvsMasquerade,
        0.60,
    ),
];

/// The quotients of IPv6 against those of IPv4.
const IPV6: f64 = 1.15;
/// A million sessions against a thousand.
const MILLION: f64 = 1.05;

/// Those that the rows tell of.
pub fn goals(rows: &[Row]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for quotient in &QUOTIENTS {
        goals.extend(goal(
            quotient.name.to_owned(),
            quotient.at_most,
            |direction| quotient.of(rows, Family::Ipv4, direction),
        ));
    }
    for quotient in &QUOTIENTS {
        goals.extend(goal(
            format!("IPv6 against IPv4: {}", quotient.name),
            IPV6,
            |direction| {
                let [ipv4, ipv6] = FAMILIES.map(|family| quotient.of(rows, family, direction));
                Some(ipv6? / ipv4?)
            },
        ));
    }
    for (name, path) in [("classic", IpvsBpf), ("fast path", IpvsBpfFast)] {
        let of = |sessions: u32| {
            let mut rows = rows.iter().filter(|row| row.path == path);
            let row = rows.find(|row| {
                let subject = &row.subject;
                (subject.sessions, subject.services) == (sessions, 1)
            });
            row.map(|row| row.instructions as f64)
        };
        goals.extend(goal(
            format!("1 000 000 sessions against 1 000: {name}"),
            MILLION,
            |direction| match direction {
                Some(Original) => Some(of(1_000_000)? / of(1_000)?),
                _ => None,
            },
        ));
    }
    goals
}

fn goal(goal: String, at_most: f64, of: impl Fn(Option<Direction>) -> Option<f64>) -> Option<Goal> {
    let figures: Vec<Figure> = [Some(Original), Some(Reply), None]
        .into_iter()
        .filter_map(|direction| {
            let quotient = of(direction)?;
            Some(Figure {
                direction,
                quotient,
                reached: quotient <= at_most,
            })
        })
        .collect();
    (!figures.is_empty()).then_some(Goal {
        goal,
        at_most,
        figures,
    })
}

impl Quotient {
    fn of(&self, rows: &[Row], family: Family, direction: Option<Direction>) -> Option<f64> {
        let directions: &[Direction] = match (&direction, self.per) {
            (Some(one), Per::Packet) => std::slice::from_ref(one),
            (None, Per::Packet) => &[Original, Reply],
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
                        && subject.per == self.per
                        && subject.family == family
                        && subject.direction == *direction
                        && !subject.verified
                        && subject.sessions == 1
                        && (subject.per != Per::Packet
                            || subject.protocol == Protocol::Udp
                                && subject.flows == 1
                                && subject.size == SMALL)
                })?;
                sum += row.instructions as f64;
            }
            Some(sum)
        };
        Some(cost(self.path)? / cost(self.against)?)
    }
}
