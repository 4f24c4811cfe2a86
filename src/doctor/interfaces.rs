// SPDX-License-Identifier: GPL-2.0-only
//! Checks the interfaces that carry the programs or are supposed to.

use std::collections::BTreeSet;

use super::finding::Severity::{Error, Warning};
use super::{Facts, Finding};

/// The programs and filters that are attached to the interfaces.
#[derive(Clone, Debug, Default)]
pub struct Attachments {
    /// The interfaces that carry the program of the registered maps.
    /// `None`: the program is not loaded.
    pub attached: Option<BTreeSet<String>>,
    /// The interfaces that carry the program of XDP, too.
    pub at_xdp: BTreeSet<String>,
    /// The interfaces where the program of XDP is wanted and would be wrong.
    pub unfit_for_xdp: Vec<UnfitForXdp>,
    /// Filters of other programs that packets pass before ours.
    pub before: Vec<Before>,
    /// eBPF programs of other programs that packets pass before all filters (tcx).
    pub programs_before: Vec<ProgramBefore>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfitForXdp {
    pub interface: String,
    /// The reason and the cure, as `plan` says them.
    pub refusal: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    pub interface: String,
    pub priority: u16,
    /// The kind: `bpf`, `flower`, …
    pub kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramBefore {
    pub interface: String,
    pub id: u32,
    pub name: String,
}

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    for name in facts.file.iter().flat_map(|file| &file.absent) {
        findings.push(Finding::about(
            name,
            Error,
            "interface-missing",
            format!("this host has no interface {name}"),
            "the file lists it: apply carries out everything else, and fails",
            format!("correct its name, or once it exists: {}", facts.apply()),
        ));
    }
    for name in facts.interfaces() {
        let Some(link) = facts.links.by_name(name) else {
            // The interface disappeared just now.
            continue;
        };
        if !link.up {
            findings.push(Finding::new(
                Error,
                "interface-down",
                format!("the interface {name} is down"),
                "it carries no packets",
                format!("ip link set {name} up"),
            ));
        } else if !link.carrier {
            findings.push(Finding::new(
                Error,
                "interface-no-carrier",
                format!("the interface {name} has no carrier"),
                "it carries no packets",
                "check the cable and the other end",
            ));
        }
        if !link.ethernet {
            findings.push(Finding::new(
                Error,
                "interface-not-ethernet",
                format!("the interface {name} is not Ethernet"),
                "the eBPF program expects an Ethernet header: apply refuses it",
                format!("leave {name} out of [director] interfaces"),
            ));
        }
        let attached = facts.attachments.attached.as_ref();
        if attached.is_some_and(|attached| !attached.contains(name)) {
            findings.push(Finding::new(
                Warning,
                "interface-not-attached",
                format!("the interface {name} does not carry the eBPF program"),
                "packets that come in there are forwarded without the fast path",
                facts.apply(),
            ));
        }
    }
    xdp(facts, findings);
    let forwards = facts.has_full_nat();
    let links = facts.links.links.iter();
    for link in links.filter(|link| forwards && link.merges) {
        findings.push(Finding::about(
            &link.name,
            Warning,
            "lro",
            format!("the interface {} merges segments (LRO)", link.name),
            "its driver or that of another interface may send what was merged as one frame, \
             which no host accepts",
            format!("ethtool -K {} lro off; the first apply does it", link.name),
        ));
    }
    for before in &facts.attachments.before {
        findings.push(Finding::new(
            Warning,
            "filter-before",
            format!(
                "at {}, a filter of another program comes before ours: {}, priority {}",
                before.interface, before.kind, before.priority
            ),
            "packets for which it returns ok or pass never reach ours, so they do not take the \
             fast path",
            format!(
                "let it return continue, or give it a later priority: tc filter show dev {} \
                 ingress",
                before.interface
            ),
        ));
    }
    for before in &facts.attachments.programs_before {
        findings.push(Finding::new(
            Warning,
            "program-before",
            format!(
                "at {}, an eBPF program that is attached by tcx comes before ours: {}, id {}",
                before.interface, before.name, before.id
            ),
            "packets for which it returns TCX_PASS never reach ours, so they do not take the \
             fast path",
            format!(
                "let it return TCX_NEXT, or detach it from this interface: bpftool net show dev {}",
                before.interface
            ),
        ));
    }
}

fn xdp(facts: &Facts, findings: &mut Vec<Finding>) {
    let unfit = &facts.attachments.unfit_for_xdp;
    for UnfitForXdp { interface, refusal } in unfit {
        let (what, cure) = refusal
            .split_once(": ")
            .unwrap_or((refusal, "ipvs-bpf plan"));
        findings.push(Finding::about(
            interface,
            Error,
            "xdp-unfit",
            what,
            "apply refuses it; a program that is already attached may handle packets incorrectly",
            cure,
        ));
    }
    let datapath = facts.wanted.datapath.iter();
    let wanted = datapath.flat_map(|datapath| &datapath.xdp);
    let is_unfit = |name: &String| unfit.iter().any(|unfit| unfit.interface == *name);
    for name in wanted.filter(|name| !is_unfit(name)) {
        let runs = facts.attachments.attached.is_some();
        if runs && !facts.attachments.at_xdp.contains(name) && facts.links.by_name(name).is_some() {
            findings.push(Finding::about(
                name,
                Warning,
                "xdp-not-attached",
                format!("the interface {name} does not carry the eBPF program at XDP"),
                "its packets are forwarded at tc, which costs more",
                facts.apply(),
            ));
        }
    }
}
