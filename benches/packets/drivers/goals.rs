// SPDX-License-Identifier: GPL-2.0-only
//! The goals of the fast path at XDP, means of both directions. xdp-forward forwards only
//! one direction of a masqueraded flow.

use super::report::Row;
use crate::flow::{Direction, Family, Protocol};
use crate::goals::{Figure, Goal};
use crate::path::Path;
use crate::report::Per;
use Direction::Original;
use Path::{IpvsBpfFast, IpvsBpfXdp, IpvsMasquerade, XdpForward};

/// The goals that depend on the card: the quotients to the fast path at tc and to
/// `IpvsMasquerade`, and the instructions that a packet of others may take more.
struct Limits {
    fast: f64,
    masquerade: f64,
    others: f64,
}

const VIRTIO: Limits = Limits {
    fast: 0.48,
    masquerade: 0.22,
    others: 650.0,
};
/// A driver with a pool of pages.
const VMXNET3: Limits = Limits {
    fast: 0.33,
    masquerade: 0.14,
    others: 0.0,
};
/// Many flows compared with one.
const MANY: f64 = 1.05;

/// The goals that can be computed from these figures.
pub fn goals(card: &str, rows: &[Row]) -> Vec<Goal> {
    let udp = |path| mean(rows, |row| row.path == path && is_one_flow(row));
    let original = |path| {
        let is = |row: &Row| row.path == path && row.direction == Original && is_one_flow(row);
        mean(rows, is)
    };
    let one_armed = || mean(rows, |row| row.path == IpvsBpfXdp && row.one_armed);
    let many = || mean(rows, |row| row.path == IpvsBpfXdp && row.flows > 1);
    let others = |path| mean(rows, |row| row.path == path && row.per == Per::OthersPacket);
    let quotient = |one: Option<f64>, other: Option<f64>| Some(one? / other?);
    let limits = match card {
        "vmxnet3" => VMXNET3,
        _ => VIRTIO,
    };
    let at_xdp = udp(IpvsBpfXdp);
    let others = others(IpvsBpfXdp).zip(others(IpvsBpfFast));
    let goals = [
        (
            "UDP packet: ipvs_bpf_xdp ÷ ipvs_bpf_fast",
            limits.fast,
            quotient(at_xdp, udp(IpvsBpfFast)),
        ),
        (
            "UDP packet: ipvs_bpf_xdp ÷ ipvs_masquerade",
            limits.masquerade,
            quotient(at_xdp, udp(IpvsMasquerade)),
        ),
        (
            "UDP packet: ipvs_bpf_xdp, one-armed ÷ two cards",
            1.0,
            quotient(one_armed(), at_xdp),
        ),
        (
            "UDP packet: ipvs_bpf_xdp, 50 000 flows ÷ one",
            MANY,
            quotient(many(), at_xdp),
        ),
        (
            "packet of others: ipvs_bpf_xdp − ipvs_bpf_fast",
            limits.others,
            others.map(|(xdp, tc)| xdp - tc),
        ),
    ];
    let goals = goals.into_iter();
    let goals = goals.map(|(name, at_most, value)| goal(name, at_most, None, value));
    let peer = goal(
        "UDP packet: ipvs_bpf_xdp ÷ xdp_forward",
        1.0,
        Some(Original),
        quotient(original(IpvsBpfXdp), original(XdpForward)),
    );
    goals.chain([peer]).flatten().collect()
}

fn goal(
    goal: &str,
    at_most: f64,
    direction: Option<Direction>,
    value: Option<f64>,
) -> Option<Goal> {
    let value = value?;
    Some(Goal {
        goal: goal.to_owned(),
        at_most,
        figures: vec![Figure {
            direction,
            value,
            reached: value <= at_most,
        }],
    })
}

/// A UDP packet of one flow between two cards, in IPv4.
fn is_one_flow(row: &Row) -> bool {
    (row.per, row.family, row.protocol) == (Per::Packet, Family::Ipv4, Protocol::Udp)
        && row.flows == 1
        && !row.one_armed
}

/// The mean of both directions.
pub fn mean(rows: &[Row], is: impl Fn(&Row) -> bool) -> Option<f64> {
    let found: Vec<_> = rows.iter().filter(|row| is(row)).collect();
    let sum: i64 = found.iter().map(|row| row.instructions).sum();
    (!found.is_empty()).then(|| sum as f64 / found.len() as f64)
}
