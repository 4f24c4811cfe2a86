// SPDX-License-Identifier: GPL-2.0-only
//! Parses the service of a line: its key and its properties.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use super::address;
use super::command::{Command, SERVICE};
use super::names::Names;
use crate::config::diagnostics::{Mistake, Mistakes};
use crate::config::spelling::{meant, quoted};
use crate::model::{Family, Netmask, Persistence, Protocol, Service, ServiceKey, scheduler_flag};

/// The default scheduler of ipvsadm.
const SCHEDULER: &str = "wlc";
/// The timeout of `-p` without a value, in seconds: `IPVS_SVC_PERSISTENT_TIMEOUT`
/// (linux/ip_vs.h).
const TIMEOUT: u32 = 6 * 60;
/// 31 days, in seconds.
const LONGEST_TIMEOUT: u32 = 31 * 86_400;

/// Parses the key.
/// `None`: the key has a mistake.
pub(super) fn key(command: &Command, names: &Names, mistakes: &Mistakes) -> Option<ServiceKey> {
    let Some(given) = command.one_of(&SERVICE) else {
        mistakes.add(Mistake::new(
            &command.span,
            "the line names no service",
            "name it: -t ADDRESS:PORT, -u ADDRESS:PORT, --sctp-service ADDRESS:PORT or -f MARK",
        ));
        return None;
    };
    let word = given.value.as_ref()?;
    let protocol = match given.name {
        "tcp-service" => Protocol::Tcp,
        "udp-service" => Protocol::Udp,
        "sctp-service" => Protocol::Sctp,
        _ => {
            let mark = address::mark(word, mistakes)?;
            let family = match command.get("ipv6") {
                Some(_) => Family::Ipv6,
                None => Family::Ipv4,
            };
            return Some(ServiceKey::Fwmark { mark, family });
        }
    };
    if let Some(ipv6) = command.get("ipv6") {
        mistakes.add(Mistake::new(
            &ipv6.span,
            "--ipv6 is for services by firewall mark",
            "remove it: the address already shows its family",
        ));
    }
    let (address, port) = address::host_and_port(word, protocol, names, mistakes)?;
    Some(ServiceKey::Address {
        protocol,
        address: SocketAddr::new(address, port.unwrap_or(0)),
    })
}

/// Returns the service without servers. `family`: its family, if it is known.
pub(super) fn service(command: &Command, family: Option<Family>, mistakes: &Mistakes) -> Service {
    let scheduler = command
        .value("scheduler")
        .map_or(SCHEDULER, |word| word.text.as_str());
    Service {
        scheduler: scheduler.to_owned(),
        scheduler_flags: scheduler_flags(command, scheduler, mistakes),
        persistence: persistence(command, family, mistakes),
        one_packet: command.get("ops").is_some(),
        servers: BTreeMap::new(),
    }
}

fn scheduler_flags(command: &Command, scheduler: &str, mistakes: &Mistakes) -> [bool; 3] {
    let mut flags = [false; 3];
    let Some(given) = command.get("sched-flags") else {
        return flags;
    };
    let Some(word) = &given.value else {
        // `ipvsadm -S` has a name for each flag of these two schedulers except the
        // third. So an empty value means the third flag.
        if matches!(scheduler, "sh" | "mh") {
            return [false, false, true];
        }
        mistakes.add(Mistake::new(
            &given.span,
            "--sched-flags names no flag",
            "write them behind it, or remove it",
        ));
        return flags;
    };
    for name in word.text.split(',').filter(|name| !name.is_empty()) {
        match scheduler_flag(name) {
            Some((index, owner)) if owner.is_none_or(|owner| owner == scheduler) => {
                if let Some(flag) = flags.get_mut(index) {
                    *flag = true;
                }
            }
            Some((_, owner)) => mistakes.add(Mistake::new(
                &word.span,
                format!(
                    "{} is not a flag of the scheduler {}",
                    quoted(name),
                    quoted(scheduler)
                ),
                format!("remove it, or write -s {}", owner.unwrap_or_default()),
            )),
            None => mistakes.add(Mistake::new(
                &word.span,
                format!("unknown scheduler flag {}", quoted(name)),
                meant(name, crate::model::scheduler_flags()),
            )),
        }
    }
    flags
}

fn persistence(
    command: &Command,
    family: Option<Family>,
    mistakes: &Mistakes,
) -> Option<Persistence> {
    let Some(persistent) = command.get("persistent") else {
        for name in ["netmask", "pe"] {
            if let Some(given) = command.get(name) {
                mistakes.add(Mistake::new(
                    &given.span,
                    format!("--{name} has no effect without --persistent"),
                    "add -p, or remove it",
                ));
            }
        }
        return None;
    };
    let timeout = persistent.value.as_ref().map_or(Some(TIMEOUT), |word| {
        address::number(word, 1, LONGEST_TIMEOUT, mistakes)
    });
    Some(Persistence {
        timeout: timeout.unwrap_or(TIMEOUT),
        netmask: netmask(command, family, mistakes),
        engine: command.value("pe").map(|word| word.text.clone()),
    })
}

fn netmask(command: &Command, family: Option<Family>, mistakes: &Mistakes) -> Netmask {
    let whole = Netmask::whole(family.unwrap_or(Family::Ipv4));
    let (Some(word), Some(family)) = (command.value("netmask"), family) else {
        return whole;
    };
    match family {
        Family::Ipv4 => match word.text.parse::<Ipv4Addr>() {
            Ok(mask) => Netmask::V4(mask),
            Err(_) => {
                mistakes.add(Mistake::new(
                    &word.span,
                    format!("{} is not an IPv4 netmask", quoted(&word.text)),
                    "write it like 255.255.255.0",
                ));
                whole
            }
        },
        Family::Ipv6 => address::number(word, 1, 128, mistakes)
            .and_then(|length| u8::try_from(length).ok())
            .map_or(whole, Netmask::V6),
    }
}
