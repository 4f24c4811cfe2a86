// SPDX-License-Identifier: GPL-2.0-only
//! Converts a state to lines that `ipvsadm -R` accepts, and reports what they
//! cannot express.

use std::net::SocketAddr;

use crate::config::write::changed_sysctls;
use crate::model::{
    Family, Forward, FullNat, Netmask, Persistence, Protocol, Server, Service, ServiceKey, State,
    SyncDaemon, SyncDaemons, SyncState, Timeout, Timeouts, Tunnel, TunnelChecksum,
};

/// The largest weight that ipvsadm 1.31 accepts.
const MOST_WEIGHT: u32 = 65_535;
/// 31 days, in seconds.
const LONGEST_TIMEOUT: u32 = 31 * 86_400;

#[derive(Clone, Debug, Default)]
pub struct Exported {
    /// The lines, each with its newline.
    pub text: String,
    /// The parts of the state that are not in the lines, one sentence each.
    pub lost: Vec<String>,
}

pub fn export(state: &State) -> Exported {
    let mut exported = Exported {
        text: settings(&state.timeouts, state.sync.as_ref()),
        lost: Vec::new(),
    };
    for (name, value) in changed_sysctls(&state.sysctls) {
        let sysctl = format!("the sysctl net.ipv4.vs.{name} = {value}");
        exported.lost.push(sysctl);
    }
    if let Some(datapath) = &state.datapath {
        let interfaces: Vec<&str> = datapath.interfaces.iter().map(String::as_str).collect();
        exported.lost.push(format!(
            "the interfaces of full NAT ({}) and its {} sessions",
            interfaces.join(", "),
            datapath.max_sessions
        ));
    }
    let mut pools: Vec<&str> = state.local_ips.keys().map(|ip| ip.pool.as_str()).collect();
    pools.dedup();
    for pool in pools {
        exported
            .lost
            .push(format!("the pool of local IPs {pool:?}"));
    }
    for (key, FullNat { pool, .. }) in &state.full_nat {
        let what = format!("full NAT of {key} through the pool {pool:?}");
        exported.lost.push(what);
    }
    for (key, service) in &state.services {
        if let Some(why) = refused_service(key, service) {
            exported.lost.push(format!("{key}: {why}"));
            continue;
        }
        let words = service_arguments(key);
        exported.text += &format!("-A {words} {}\n", properties(service, key.family()));
        for (address, server) in &service.servers {
            match refused_server(key, *address, server) {
                Some(why) => {
                    exported
                        .lost
                        .push(format!("the server {address} of {key}: {why}"));
                }
                None => {
                    exported.text +=
                        &format!("-a {words} {}\n", server_arguments(*address, server));
                }
            }
        }
    }
    exported
}

/// Writes `--set` and `--start-daemon`.
fn settings(timeouts: &Timeouts, sync: Option<&SyncDaemons>) -> String {
    let mut lines = String::new();
    let seconds = Timeout::IPVS.map(|timeout| timeouts.get(timeout));
    if seconds.iter().any(Option::is_some) {
        // In `--set`, 0 leaves a timeout unchanged.
        let seconds = seconds.map(|seconds| seconds.unwrap_or(0).to_string());
        lines += &format!("--set {}\n", seconds.join(" "));
    }
    for state in SyncState::ALL {
        let Some(daemon) = sync.and_then(|daemons| daemons.get(state)) else {
            continue;
        };
        lines += &format!(
            "--start-daemon {state} --mcast-interface {} --syncid {}",
            daemon.interface, daemon.id
        );
        if let Some(length) = daemon.sync_maxlen {
            lines += &format!(" --sync-maxlen {length}");
        }
        if daemon.group != SyncDaemon::GROUP {
            lines += &format!(" --mcast-group {}", daemon.group);
        }
        if daemon.port != SyncDaemon::PORT {
            lines += &format!(" --mcast-port {}", daemon.port);
        }
        if daemon.ttl != SyncDaemon::TTL {
            lines += &format!(" --mcast-ttl {}", daemon.ttl);
        }
        lines.push('\n');
    }
    lines
}

/// Returns why ipvsadm would not accept the service.
fn refused_service(key: &ServiceKey, service: &Service) -> Option<String> {
    if let ServiceKey::Address { protocol, address } = key {
        if address.port() == 0 && service.persistence.is_none() {
            return Some("ipvsadm takes port 0 only with persistence".to_owned());
        }
        if service.one_packet && *protocol != Protocol::Udp {
            return Some("ipvsadm takes one-packet scheduling only for UDP".to_owned());
        }
    }
    let persistence = service.persistence.as_ref()?;
    if !(1..=LONGEST_TIMEOUT).contains(&persistence.timeout) {
        let timeout = persistence.timeout;
        return Some(format!(
            "its persistence of {timeout} seconds is out of ipvsadm's range, 1 to {LONGEST_TIMEOUT}"
        ));
    }
    None
}

fn refused_server(key: &ServiceKey, address: SocketAddr, server: &Server) -> Option<String> {
    if server.weight > MOST_WEIGHT {
        let weight = server.weight;
        return Some(format!(
            "its weight {weight} is above {MOST_WEIGHT}, ipvsadm's largest"
        ));
    }
    match (&server.forward, key) {
        (Forward::Local, _) => {
            Some("ipvsadm cannot ask for the forwarding method \"local\"".to_owned())
        }
        (Forward::Route | Forward::Tunnel(_), ServiceKey::Address { address: vip, .. })
            if vip.port() != address.port() =>
        {
            Some("ipvsadm gives such a server the service's port".to_owned())
        }
        _ => None,
    }
}

/// Returns the options that name the service: "-t 10.0.0.1:80".
pub(super) fn service_arguments(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address { protocol, address } => {
            let option = match protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
                Protocol::Sctp => "--sctp-service",
            };
            format!("{option} {address}")
        }
        ServiceKey::Fwmark { mark, family } => match family {
            Family::Ipv4 => format!("-f {mark}"),
            Family::Ipv6 => format!("-f {mark} -6"),
        },
    }
}

fn properties(service: &Service, family: Family) -> String {
    let mut words = format!("-s {}", service.scheduler);
    if let Some(found) = &service.persistence {
        words += &persistence(found, family);
    }
    if service.one_packet {
        words += " -o";
    }
    if service.scheduler_flags.contains(&true) {
        words += &format!(" -b {}", service.scheduler_flag_names().join(","));
    }
    words
}

fn persistence(persistence: &Persistence, family: Family) -> String {
    let mut words = format!(" -p {}", persistence.timeout);
    if persistence.netmask != Netmask::whole(family) {
        words += &match persistence.netmask {
            Netmask::V4(mask) => format!(" -M {mask}"),
            Netmask::V6(length) => format!(" -M {length}"),
        };
    }
    if let Some(engine) = &persistence.engine {
        words += &format!(" --pe {engine}");
    }
    words
}

fn server_arguments(address: SocketAddr, server: &Server) -> String {
    let forward = match &server.forward {
        Forward::Masq => "-m".to_owned(),
        Forward::Route | Forward::Local => "-g".to_owned(),
        Forward::Tunnel(tunnel) => format!("-i{}", tunnel_arguments(*tunnel)),
    };
    let mut words = format!("-r {address} {forward} -w {}", server.weight);
    // `ipvsadm -S` omits these options; `ipvsadm -R` accepts them.
    for (option, threshold) in [
        ("-x", server.upper_threshold),
        ("-y", server.lower_threshold),
    ] {
        if threshold != 0 {
            words += &format!(" {option} {threshold}");
        }
    }
    words
}

fn tunnel_arguments(tunnel: Tunnel) -> String {
    let (kind, checksum) = match tunnel {
        Tunnel::Ipip => return String::new(),
        Tunnel::Gue { port, checksum } => (format!("gue --tun-port {port}"), checksum),
        Tunnel::Gre { checksum } => ("gre".to_owned(), checksum),
    };
    let checksum = match checksum {
        TunnelChecksum::None => "--tun-nocsum",
        TunnelChecksum::Full => "--tun-csum",
        TunnelChecksum::Remote => "--tun-remcsum",
    };
    format!(" --tun-type {kind} {checksum}")
}
