// SPDX-License-Identifier: GPL-2.0-only
//! Checks the receiver of clients' addresses on a server.

use std::net::IpAddr;
use std::path::PathBuf;

use super::finding::Severity::{Error, Note, Warning};
use super::kernel::version;
use super::{Facts, Finding};
use crate::model::{Network, State};
use crate::toa::Counted;
use crate::toa::abi::Outcome;
use crate::toa::hooks::Other;

/// The oldest kernel that passes the last segment of a handshake to a program.
const OLDEST: (u32, u32) = (5, 10);
/// The oldest kernel in which such a program can read its network namespace.
const OLDEST_WITH_MPTCP: (u32, u32) = (5, 15);

#[derive(Clone, Debug, Default)]
pub struct Receiver {
    /// The mount point of cgroup v2.
    pub cgroup: Option<PathBuf>,
    /// True if the mount is the host's root and not a part that a container
    /// sees.
    pub is_host_root: bool,
    /// Programs of other tools at the same hooks of that cgroup.
    pub others: Vec<Other>,
    /// The pins that are missing from the receiver's directory.
    pub missing_pins: Vec<&'static str>,
    /// The counters.
    /// `None`: the receiver does not run.
    pub counted: Option<Counted>,
}

/// True if the receiver is the only wanted part on this host.
pub(super) fn is_all(wanted: &State) -> bool {
    let alone = State {
        toa: wanted.toa.clone(),
        ..State::default()
    };
    is_wanted(wanted) && *wanted == alone
}

fn is_wanted(wanted: &State) -> bool {
    wanted.toa.as_ref().is_some_and(|toa| toa.is_running())
}

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    if !is_wanted(&facts.wanted) {
        return;
    }
    kernel(facts, findings);
    cgroup(&facts.receiver, findings);
    others(&facts.receiver, findings);
    pins(&facts.receiver, facts.apply(), findings);
    if let Some(counted) = &facts.receiver.counted {
        let trust = facts.wanted.toa.iter().flat_map(|toa| &toa.trust);
        let trust: Vec<Network> = trust.copied().collect();
        counters(counted, &trust, findings);
    }
}

fn kernel(facts: &Facts, findings: &mut Vec<Finding>) {
    let release = &facts.kernel.release;
    let Some(version) = version(release) else {
        return;
    };
    if version < OLDEST {
        findings.push(Finding::new(
            Error,
            "toa-kernel",
            format!("the kernel is {release}"),
            "eBPF programs see the TCP options of a handshake only from Linux 5.10 on, so servers \
             here see local IPs",
            "boot a newer kernel of the distribution",
        ));
    } else if version < OLDEST_WITH_MPTCP {
        findings.push(Finding::new(
            Note,
            "toa-mptcp",
            format!("the kernel is {release}"),
            "servers that use Multipath TCP see local IPs before Linux 5.15; those of TCP see \
             their clients",
            "boot a newer kernel of the distribution, if a server here uses Multipath TCP",
        ));
    }
}

fn cgroup(receiver: &Receiver, findings: &mut Vec<Finding>) {
    match &receiver.cgroup {
        None => findings.push(Finding::new(
            Error,
            "toa-cgroup",
            "no cgroup file system of version 2 is mounted",
            "the programs are attached to its root, so `apply` fails",
            "mount -t cgroup2 none /sys/fs/cgroup",
        )),
        Some(path) if !receiver.is_host_root => findings.push(Finding::new(
            Warning,
            "toa-root",
            format!("{} is not the root of the host's cgroups", path.display()),
            "a program sees the sockets of its cgroup and those below: servers outside of this \
             container see local IPs",
            "run ipvs-bpf on the host, or with the host's cgroup namespace \
             (docker: --cgroupns=host)",
        )),
        Some(_) => {}
    }
}

fn others(receiver: &Receiver, findings: &mut Vec<Finding>) {
    let Some(cgroup) = &receiver.cgroup else {
        return;
    };
    let cgroup = cgroup.display();
    for other in &receiver.others {
        let Other { hook, id, name, .. } = other;
        let detach = format!("bpftool cgroup detach {cgroup} {hook} id {id}");
        if other.is_exclusive {
            findings.push(Finding::about(
                id,
                Error,
                "toa-exclusive",
                format!("the eBPF program {name}, id {id}, is alone at {hook} of the root cgroup"),
                "it is attached exclusively, so `apply` fails",
                format!("{detach}, or have it attached with BPF_F_ALLOW_MULTI"),
            ));
        } else if other.changes_peer_address() {
            findings.push(Finding::about(
                id,
                Note,
                "toa-other-program",
                format!("the eBPF program {name}, id {id}, is also at {hook} of the root cgroup"),
                "if both set the address of a peer, servers see the one from the program that \
                 was attached later",
                format!(
                    "compare what servers log with `ipvs-bpf show --toa`; without it: {detach}"
                ),
            ));
        }
    }
}

fn pins(receiver: &Receiver, apply: &str, findings: &mut Vec<Finding>) {
    if !receiver.missing_pins.is_empty() {
        let names = receiver.missing_pins.join(", ");
        findings.push(Finding::new(
            Error,
            "toa-pins",
            format!("pins of the receiver are gone from /sys/fs/bpf: {names}"),
            "a program is detached when the pin of its link is removed, and servers then see \
             local IPs; maps without pins cannot be read or changed",
            apply,
        ));
    }
}

fn counters(counted: &Counted, trust: &[Network], findings: &mut Vec<Finding>) {
    let is_trusted = |address: IpAddr| trust.iter().any(|network| network.contains(address));
    // An address that was refused may be trusted by now.
    let strangers = counted.strangers.iter();
    for (address, counts) in strangers.filter(|(address, _)| !is_trusted(**address)) {
        findings.push(Finding::about(
            address,
            Warning,
            "toa-refused",
            format!(
                "{address} named clients in {} connections and is not trusted",
                counts.of(Outcome::Refused)
            ),
            "if it is a director's local IP, servers see it in place of the clients; any other \
             host is forging",
            format!("if it is a director's, add \"{address}\" to [toa] trust"),
        ));
    }
    for (address, counts) in &counted.local_ips {
        if counts.of(Outcome::Told) == 0 && counts.of(Outcome::Absent) > 0 {
            findings.push(Finding::about(
                address,
                Warning,
                "toa-absent",
                format!(
                    "{address} is trusted and named no client in {} connections",
                    counts.of(Outcome::Absent)
                ),
                "servers see the local IP where the director does not add the option, or a \
                 firewall on the way removes it",
                "have the director add it; look on both hosts: tcpdump -v 'tcp[13] & 2 = 0'",
            ));
        }
    }
    if counted.totals.of(Outcome::NoMemory) > 0 {
        findings.push(Finding::new(
            Warning,
            "toa-memory",
            format!(
                "the kernel had no memory for {} addresses",
                counted.totals.of(Outcome::NoMemory)
            ),
            "these servers saw local IPs",
            "check what uses the memory of this host; raise net.core.optmem_max if it is small",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Toa;
    use crate::toa::abi::Counts;

    fn checks(receiver: &Receiver) -> Vec<&'static str> {
        let mut found = Vec::new();
        cgroup(receiver, &mut found);
        others(receiver, &mut found);
        pins(receiver, "ipvs-bpf apply", &mut found);
        if let Some(counted) = &receiver.counted {
            counters(counted, &[], &mut found);
        }
        found.iter().map(|finding| finding.check).collect()
    }

    fn counts(outcome: Outcome) -> Counts {
        let mut counts = Counts::default();
        counts.count[outcome as usize] = 1;
        counts
    }

    fn receiver(counted: Counted) -> Receiver {
        Receiver {
            cgroup: Some("/sys/fs/cgroup".into()),
            is_host_root: true,
            counted: Some(counted),
            ..Receiver::default()
        }
    }

    #[test]
    fn a_cgroup_that_is_missing_or_a_part_is_found() {
        assert_eq!(checks(&Receiver::default()), ["toa-cgroup"]);
        let part = Receiver {
            is_host_root: false,
            ..receiver(Counted::default())
        };
        assert_eq!(checks(&part), ["toa-root"]);
        assert!(checks(&receiver(Counted::default())).is_empty());
    }

    #[test]
    fn addresses_that_are_refused_or_never_name_clients_are_found() {
        let address = "10.2.0.100".parse().unwrap();
        let of = |outcome| Counted {
            local_ips: [(address, counts(outcome))].into(),
            ..Counted::default()
        };
        assert!(checks(&receiver(of(Outcome::Told))).is_empty());
        assert_eq!(checks(&receiver(of(Outcome::Absent))), ["toa-absent"]);
        let strangers = Counted {
            strangers: [(address, counts(Outcome::Refused))].into(),
            ..Counted::default()
        };
        let mut found = Vec::new();
        let trust = [Network::containing(address, 24)];
        counters(&strangers, &trust, &mut found);
        assert_eq!(found, [], "trusted by now");
        assert_eq!(checks(&receiver(strangers)), ["toa-refused"]);
        let totals = Counted {
            totals: counts(Outcome::NoMemory),
            ..Counted::default()
        };
        assert_eq!(checks(&receiver(totals)), ["toa-memory"]);
    }

    #[test]
    fn other_programs_matter_where_they_are_exclusive_or_change_peers() {
        let other = |hook, is_exclusive| Receiver {
            others: vec![Other {
                hook,
                id: 7,
                name: "other".to_owned(),
                is_exclusive,
            }],
            ..receiver(Counted::default())
        };
        assert_eq!(checks(&other("sock_ops", true)), ["toa-exclusive"]);
        assert_eq!(checks(&other("getpeername6", true)), ["toa-exclusive"]);
        let shared = other("getpeername6", false);
        assert_eq!(checks(&shared), ["toa-other-program"]);
        assert!(checks(&other("sock_ops", false)).is_empty());
    }

    #[test]
    fn a_server_is_a_host_that_has_nothing_else_to_do() {
        let trust = [Network::containing("10.2.0.0".parse().unwrap(), 28)];
        let server = State {
            toa: Some(Toa {
                trust: trust.into(),
                other_build: false,
            }),
            ..State::default()
        };
        assert!(is_all(&server));
        assert!(!is_all(&State::default()));
        let director = State {
            datapath: Some(Default::default()),
            ..server
        };
        assert!(!is_all(&director));
    }
}
