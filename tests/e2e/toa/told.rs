// SPDX-License-Identifier: GPL-2.0-only
//! Servers with the programs of `bpf/toa`, and real clients that know their own address.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};

use aya::programs::links::FdLink;
use ipvs_bpf::model::Network;
use ipvs_bpf::toa::abi::Outcome;
use ipvs_bpf::toa::{self, Loaded, cgroup};

use super::FILE;
use crate::lab::Lab;

/// The programs see the servers of all tests, which run at the same time. So each test
/// has its own local IPs.
pub struct LocalIps {
    pub ipv4: String,
    pub ipv6: String,
}

impl LocalIps {
    pub fn new() -> Self {
        static NUMBER: AtomicU8 = AtomicU8::new(120);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        assert!(number < 250);
        LocalIps {
            ipv4: format!("10.2.0.{number}"),
            ipv6: format!("fd00:2::{number}"),
        }
    }

    /// Adds them to the director of a lab.
    pub fn at(lab: &Lab) -> Self {
        let own = LocalIps::new();
        let (ipv4, ipv6) = (format!("{}/24", own.ipv4), format!("{}/64", own.ipv6));
        lab.exec("director", &["ip", "addr", "add", &ipv4, "dev", "eth1"]);
        let words = ["ip", "addr", "add", &ipv6, "dev", "eth1", "nodad"];
        lab.exec("director", &words);
        own
    }

    /// The file with these local IPs in place of the usual ones.
    pub fn of(&self, file: &str) -> String {
        file.replace("10.2.0.100", &self.ipv4)
            .replace("fd00:2::100", &self.ipv6)
    }
}

/// The programs, attached to the cgroups of all servers until this is dropped.
pub struct Receiver {
    loaded: Loaded,
    _links: Vec<(&'static str, FdLink)>,
}

impl Receiver {
    /// Only these addresses are trusted.
    pub fn new(trust: &LocalIps) -> Self {
        let mut loaded = toa::load().unwrap();
        let trust: BTreeSet<Network> = [&trust.ipv4, &trust.ipv6]
            .map(|address| address.parse().unwrap())
            .into_iter()
            .map(|address: IpAddr| {
                Network::containing(address, if address.is_ipv4() { 32 } else { 128 })
            })
            .collect();
        loaded.set_trust(&trust).unwrap();
        let root = File::open(cgroup::root().expect("cgroup v2 is mounted")).unwrap();
        let links = loaded.attach(&root).unwrap();
        Receiver {
            loaded,
            _links: links,
        }
    }

    /// True if the programs know servers of Multipath TCP.
    pub fn has_mptcp(&self) -> bool {
        self.loaded.has_mptcp()
    }

    /// The outcomes of connections from trusted addresses that are not zero.
    pub fn outcomes(&self) -> Vec<(Outcome, u64)> {
        let totals = self.loaded.totals().unwrap();
        Outcome::ALL
            .into_iter()
            .filter(|outcome| *outcome != Outcome::Refused)
            .map(|outcome| (outcome, totals.of(outcome)))
            .filter(|(_, count)| *count != 0)
            .collect()
    }
}

/// A lab whose servers see the clients of both VIPs. More services have these ports, at
/// the VIP and at server1.
pub fn told(ports: &[u16]) -> (Lab, Receiver) {
    let lab = Lab::new();
    let local_ips = LocalIps::at(&lab);
    let services = FILE.split_once("[[service]]").unwrap().1;
    let more: String = ports
        .iter()
        .map(|port| {
            let own = format!(":{port}\"");
            let services = services.replace(":80\"", &own).replace(":8080\"", &own);
            format!("[[service]]{services}")
        })
        .collect();
    lab.apply(&local_ips.of(&format!("{FILE}{more}")));
    (lab, Receiver::new(&local_ips))
}

/// Checks that every segment that should have the option had it.
pub fn nothing_failed(lab: &Lab) {
    for counter in ["toa_failed", "toa_no_room", "toa_forged"] {
        assert_eq!(lab.counter(counter), 0, "{counter}");
    }
}
