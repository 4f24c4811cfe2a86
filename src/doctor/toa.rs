// SPDX-License-Identifier: GPL-2.0-only
//! The receiver of clients' addresses at a server.

use std::path::PathBuf;

use super::finding::Severity::{Error, Note, Warning};
use super::kernel::version;
use super::{Facts, Finding};
use crate::model::State;
use crate::toa::Counted;
use crate::toa::abi::Outcome;

/// The oldest kernel that shows a program the segment that ends a handshake.
const OLDEST: (u32, u32) = (5, 10);
/// The oldest in which such a program can ask for its network namespace.
const OLDEST_WITH_MPTCP: (u32, u32) = (5, 15);

#[derive(Clone, Debug, Default)]
pub struct Receiver {
    /// Where cgroup v2 is mounted.
    pub cgroup: Option<PathBuf>,
    /// That mount is the host's, not a container's part of it.
    pub is_host_root: bool,
    /// `None`: none runs.
    pub counted: Option<Counted>,
}

/// Nothing else is to be done on this host.
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
    if let Some(counted) = &facts.receiver.counted {
        counters(counted, findings);
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
            "programs see the TCP options of a handshake from Linux 5.10 on, so servers here \
             cannot be told their clients",
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

fn counters(counted: &Counted, findings: &mut Vec<Finding>) {
    for (address, counts) in &counted.strangers {
        findings.push(Finding::about(
            address,
            Warning,
            "toa-refused",
            format!(
                "{address} named clients in {} connections and is not trusted",
                counts.of(Outcome::Refused)
            ),
            "a director's local IP that [toa] trust leaves out is what servers see in place of \
             clients; any other host is forging",
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
            "look for what takes the memory of this host; raise net.core.optmem_max if it is small",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Network, Toa};
    use crate::toa::abi::Counts;

    fn checks(receiver: &Receiver) -> Vec<&'static str> {
        let mut found = Vec::new();
        cgroup(receiver, &mut found);
        if let Some(counted) = &receiver.counted {
            counters(counted, &mut found);
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
        assert_eq!(checks(&receiver(strangers)), ["toa-refused"]);
        let totals = Counted {
            totals: counts(Outcome::NoMemory),
            ..Counted::default()
        };
        assert_eq!(checks(&receiver(totals)), ["toa-memory"]);
    }

    #[test]
    fn a_server_is_a_host_that_has_nothing_else_to_do() {
        let trust = [Network::around("10.2.0.0".parse().unwrap(), 28)];
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
