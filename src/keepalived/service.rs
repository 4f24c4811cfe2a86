// SPDX-License-Identifier: GPL-2.0-only
//! Reads `virtual_server`, by address, firewall mark or group. The defaults are those of
//! keepalived 2.2.7.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Table;
use super::server::{self, RealServer};
use super::tree::{Entry, Word};
use super::value;
use crate::config::diagnostics::{Mistake, Mistakes};
use crate::config::spelling::quoted;
use crate::config::write::Item;
use crate::model::{
    Family, Forward, Netmask, Persistence, Protocol, Service, ServiceKey, scheduler_flag,
};

/// The scheduler of a virtual server without one (`IPVS_DEF_SCHED`).
const SCHEDULER: &str = "wlc";
/// `persistence_timeout` without a value, in seconds (`IPVS_SVC_PERSISTENT_TIMEOUT`).
const TIMEOUT: u32 = 6 * 60;
const LONGEST_TIMEOUT: u32 = 31 * 86_400;

/// The lines of each `virtual_server_group`.
pub(super) struct Groups<'e>(HashMap<&'e str, &'e [Entry]>);

impl<'e> Groups<'e> {
    pub fn of(entries: &'e [Entry], mistakes: &Mistakes) -> Self {
        let groups = entries
            .iter()
            .filter(|entry| entry.keyword() == "virtual_server_group");
        let groups = groups.filter_map(|entry| {
            let name = value::first_word(entry, mistakes)?;
            Some((name.text.as_str(), entry.block.as_slice()))
        });
        Groups(groups.collect())
    }
}

/// The destination of a virtual server, before its protocol is known.
#[derive(Clone, Copy)]
enum Target {
    Address(SocketAddr),
    Mark(u32, Option<Family>),
}

/// The properties of a virtual server.
struct Virtual<'e> {
    protocol: Protocol,
    family: Option<Family>,
    service: Service,
    forward: Forward,
    timeout: Option<u32>,
    granularity: Option<&'e Word>,
    engine: Option<String>,
    servers: Vec<&'e Entry>,
    left: Vec<&'e Entry>,
}

/// Adds the services of the virtual server to the table.
pub(super) fn read(entry: &Entry, groups: &Groups, table: &mut Table, mistakes: &Mistakes) {
    let targets = targets(entry, groups, mistakes);
    let Some(read) = properties(entry, mistakes) else {
        return;
    };
    for target in targets {
        let port = match target {
            Target::Address(address) => address.port(),
            Target::Mark(..) => 0,
        };
        let servers = read
            .servers
            .iter()
            .filter_map(|server| server::read(server, port, &read.forward, mistakes));
        let servers: Vec<RealServer> = servers.collect();
        add(entry, target, &read, servers, table, mistakes);
    }
}

fn add(
    entry: &Entry,
    target: Target,
    read: &Virtual,
    servers: Vec<RealServer>,
    table: &mut Table,
    mistakes: &Mistakes,
) {
    let key = match target {
        Target::Address(address) => ServiceKey::Address {
            protocol: read.protocol,
            address,
        },
        Target::Mark(mark, family) => {
            let first = servers.first().map(|first| Family::of(first.address.ip()));
            let family = family.or(read.family).or(first).unwrap_or(Family::Ipv4);
            ServiceKey::Fwmark { mark, family }
        }
    };
    if !table.add(Item::Service(key.clone()), entry, &read.left, mistakes) {
        return;
    }
    let mut service = read.service.clone();
    service.persistence = persistence(read, &key, mistakes);
    // keepalived resets it elsewhere.
    service.one_packet &= !matches!(key, ServiceKey::Address { protocol, .. }
        if protocol != Protocol::Udp);
    for server in servers {
        let item = Item::Server(key.clone(), server.address);
        if table.add(item, server.entry, &server.left, mistakes) {
            service.servers.insert(server.address, server.server);
        }
    }
    table.state.services.insert(key, service);
}

/// The destinations: one, or those of the group.
fn targets(entry: &Entry, groups: &Groups, mistakes: &Mistakes) -> Vec<Target> {
    let Some(first) = value::first_word(entry, mistakes) else {
        return Vec::new();
    };
    if first.text != "group" {
        return target(entry.values(), mistakes);
    }
    let Some(name) = entry.values().get(1) else {
        mistakes.add(Mistake::new(
            &first.span,
            "the group has no name",
            "write it after `group`",
        ));
        return Vec::new();
    };
    let Some(lines) = groups.0.get(name.text.as_str()) else {
        mistakes.add(Mistake::new(
            &name.span,
            format!("there is no virtual_server_group {}", quoted(&name.text)),
            "describe it in the same file",
        ));
        return Vec::new();
    };
    let lines = lines.iter();
    lines
        .flat_map(|line| target(line.words(), mistakes))
        .collect()
}

/// The destinations of `10.0.0.1 80`, `10.0.0.1-9 80` or `fwmark 7`.
fn target(words: &[Word], mistakes: &Mistakes) -> Vec<Target> {
    match words {
        [first, mark, more @ ..] if first.text == "fwmark" => {
            let family = more.first().and_then(|word| family(&word.text));
            let mark = value::number(mark, "firewall mark", 1..=u32::MAX, mistakes);
            mark.map(|mark| Target::Mark(mark, family))
                .into_iter()
                .collect()
        }
        words => {
            let addresses = value::addresses(words, mistakes).into_iter();
            addresses.map(Target::Address).collect()
        }
    }
}

fn family(word: &str) -> Option<Family> {
    match word {
        "inet" => Some(Family::Ipv4),
        "inet6" => Some(Family::Ipv6),
        _ => None,
    }
}

/// Returns nothing if a property has a mistake that other parts depend on.
fn properties<'e>(entry: &'e Entry, mistakes: &Mistakes) -> Option<Virtual<'e>> {
    let mut read = Virtual {
        protocol: Protocol::Udp,
        family: None,
        service: Service {
            scheduler: SCHEDULER.to_owned(),
            scheduler_flags: [false; 3],
            persistence: None,
            one_packet: false,
            servers: BTreeMap::new(),
        },
        forward: Forward::Masq,
        timeout: None,
        granularity: None,
        engine: None,
        servers: Vec::new(),
        left: Vec::new(),
    };
    for inner in &entry.block {
        let keyword = inner.keyword();
        match keyword {
            "real_server" => read.servers.push(inner),
            "lb_algo" | "lvs_sched" => {
                read.service
                    .scheduler
                    .clone_from(&value::first_word(inner, mistakes)?.text);
            }
            "lb_kind" | "lvs_method" => read.forward = value::forward(inner, mistakes)?,
            "protocol" => read.protocol = protocol(value::first_word(inner, mistakes)?, mistakes)?,
            "ip_family" => read.family = family(&value::first_word(inner, mistakes)?.text),
            "persistence_timeout" => {
                read.timeout = Some(match inner.values().first() {
                    Some(word) => value::number(word, "timeout", 1..=LONGEST_TIMEOUT, mistakes)?,
                    None => TIMEOUT,
                });
            }
            "persistence_granularity" => read.granularity = value::first_word(inner, mistakes),
            "persistence_engine" => {
                read.engine = Some(value::first_word(inner, mistakes)?.text.clone())
            }
            "ops" => read.service.one_packet = true,
            "hashed" => {} // The kernel's own mark of every service.
            _ => match scheduler_flag(keyword) {
                Some((index, _)) => {
                    if let Some(flag) = read.service.scheduler_flags.get_mut(index) {
                        *flag = true;
                    }
                }
                None => read.left.push(inner),
            },
        }
    }
    Some(read)
}

fn protocol(word: &Word, mistakes: &Mistakes) -> Option<Protocol> {
    let found = Protocol::ALL
        .into_iter()
        .find(|protocol| protocol.to_string().eq_ignore_ascii_case(&word.text));
    if found.is_none() {
        mistakes.add(Mistake::new(
            &word.span,
            format!("{} is not a protocol of IPVS", quoted(&word.text)),
            "write TCP, UDP or SCTP",
        ));
    }
    found
}

/// Any of its keywords makes a service persistent, and keepalived makes a service of every
/// port persistent.
fn persistence(read: &Virtual, key: &ServiceKey, mistakes: &Mistakes) -> Option<Persistence> {
    let every_port = matches!(key, ServiceKey::Address { address, .. } if address.port() == 0);
    let asked = read.timeout.is_some() || read.granularity.is_some() || read.engine.is_some();
    if !asked && !every_port {
        return None;
    }
    let family = key.family();
    Some(Persistence {
        timeout: read.timeout.unwrap_or(TIMEOUT),
        netmask: match read.granularity {
            Some(word) => netmask(word, family, mistakes)?,
            None => Netmask::whole(family),
        },
        engine: read.engine.clone(),
    })
}

/// A mask such as 255.255.255.0, or a prefix length.
fn netmask(word: &Word, family: Family, mistakes: &Mistakes) -> Option<Netmask> {
    let mask = match family {
        Family::Ipv4 => match word.text.parse::<IpAddr>() {
            Ok(IpAddr::V4(mask)) => Some(Netmask::V4(mask)),
            _ => prefix(&word.text, 32).map(|length| {
                Netmask::V4(Ipv4Addr::from_bits(
                    u32::MAX.checked_shl(32 - length).unwrap_or(0),
                ))
            }),
        },
        Family::Ipv6 => prefix(&word.text, 128)
            .and_then(|length| length.try_into().ok())
            .map(Netmask::V6),
    };
    if mask.is_none() {
        mistakes.add(Mistake::new(
            &word.span,
            format!(
                "{} is not a valid granularity for {family}",
                quoted(&word.text)
            ),
            "write a mask for IPv4, such as 255.255.255.0, and a prefix length for IPv6",
        ));
    }
    mask
}

fn prefix(text: &str, longest: u32) -> Option<u32> {
    let length = text.parse().ok();
    length.filter(|length| (1..=longest).contains(length))
}
