// SPDX-License-Identifier: GPL-2.0-only
//! Checks that sessions and IPVS connections match one to one.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use aya::maps::{Array, Map, MapData};
use ipvs_bpf::datapath::abi::{Lease, Set4, Set6};

use crate::lab::{Lab, eventually, success};

/// The number of connections as counted by each source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Connections of full-NAT services in `/proc/net/ip_vs_conn`.
    pub connections: usize,
    /// `ipvs-bpf show --sessions --json`.
    pub sessions: usize,
    /// The module's counter of present sessions.
    pub counted: usize,
    /// Sessions created minus sessions ended.
    pub live: usize,
}

/// 10.0.0.1 in the format of `/proc/net/ip_vs_conn`: the VIP of all full-NAT services in
/// the tests that call this. Native services there have another VIP.
const VIP: &str = "0A000001";

pub fn balance(lab: &Lab) -> Balance {
    let table = lab.proc_net("director", "ip_vs_conn");
    let connections = table
        .lines()
        .filter(|line| line.split_whitespace().nth(3) == Some(VIP));
    let show = success(&lab.ipvs_bpf(&["show", "--sessions", "--json"]));
    let show: serde_json::Value = serde_json::from_str(&show).unwrap();
    Balance {
        connections: connections.count(),
        sessions: show["sessions"].as_array().unwrap().len(),
        counted: lab.counter("sessions") as usize,
        live: (lab.counter("sessions_created") - lab.counter("sessions_ended")) as usize,
    }
}

/// The leases of all flows in the eBPF maps of both families, also those that are over. A flow
/// enters its map with its first lease, and stays until its session ends.
pub fn leases(lab: &Lab) -> Vec<Lease> {
    let map = |name| Map::Array(MapData::from_pin(pins(lab).join(name)).unwrap());
    let sets = Array::<_, Set4>::try_from(map("flows4")).unwrap();
    let slots = sets.iter().flat_map(|set| set.unwrap().slot);
    let used = slots.filter(|slot| slot.from.protocol != 0);
    let mut leases: Vec<_> = used.map(|slot| slot.lease).collect();
    let sets = Array::<_, Set6>::try_from(map("flows6")).unwrap();
    let slots = sets.iter().flat_map(|set| set.unwrap().slot);
    let used = slots.filter(|slot| slot.from.protocol != 0);
    leases.extend(used.map(|slot| slot.lease));
    leases
}

/// The number of flows in the eBPF maps of both families.
pub fn flows(lab: &Lab) -> usize {
    leases(lab).len()
}

/// The folder of the director's pins, as the CLI sees it from another mount namespace.
pub fn pins(lab: &Lab) -> PathBuf {
    let namespace = format!("/run/netns/{}", lab.namespace("director"));
    let inode = std::fs::metadata(namespace).unwrap().ino();
    PathBuf::from(format!("/proc/1/root/sys/fs/bpf/ipvs-bpf/{inode}"))
}

/// Checks that every IPVS connection has its session and that no session is left over.
/// Connections come and go while they are counted, so this retries. A leak stays and
/// never balances. Returns the number of connections.
pub fn balanced(lab: &Lab) -> usize {
    let mut now = balance(lab);
    eventually("sessions are as many as connections", || {
        now = balance(lab);
        println!("{now:?}");
        let n = now.connections;
        now == Balance {
            connections: n,
            sessions: n,
            counted: n,
            live: n,
        }
    });
    now.connections
}

/// Waits until all sessions have ended and the fast path has forgotten them.
pub fn none_left(lab: &Lab) {
    eventually("every session ends", || balanced(lab) == 0);
    eventually("their flows end", || flows(lab) == 0);
}
