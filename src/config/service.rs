// SPDX-License-Identifier: GPL-2.0-only
//! `[[service]]`.

use std::net::{IpAddr, Ipv4Addr};

use super::diagnostics::{Mistake, Mistakes, Span, closest};
use super::reader::{Section, Value, array, integer, string};
use super::server::{self, ServerEntry};
use super::value;
use crate::model::{Family, Netmask, Persistence, ServiceKey};

/// The schedulers that we know; the kernel may have others.
const SCHEDULERS: [&str; 15] = [
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos",
    "none",
];
/// `IP_VS_SCHEDNAME_MAXLEN`, without the NUL.
const LONGEST_NAME: usize = 15;
/// The default of ipvsadm -p.
const PERSISTENCE: u32 = 300;

/// A service as it is written, and where its parts stand.
#[derive(Clone, Debug)]
pub(super) struct ServiceEntry {
    pub key: Option<(ServiceKey, Span)>,
    pub scheduler: String,
    pub scheduler_flags: [bool; 3],
    pub persistence: Option<(Persistence, Span)>,
    pub one_packet: Option<Span>,
    pub snat: Option<(String, Span)>,
    pub servers: Vec<ServerEntry>,
}

pub(super) fn read(section: Section) -> ServiceEntry {
    let mistakes = section.mistakes;
    let key = section.require("address").and_then(|value| {
        let (text, span) = string(value, mistakes)?;
        match value::service(text) {
            Ok(key) => Some((key, span)),
            Err(why) => {
                mistakes.add(
                    Mistake::new(span, format!("`{text}` is no address of a service")).label(why),
                );
                None
            }
        }
    });
    let family = key.as_ref().map_or(Family::Ipv4, |(key, _)| key.family());
    let scheduler = section
        .require("scheduler")
        .and_then(|value| scheduler(value, mistakes));
    let mut scheduler_flags = [false; 3];
    for value in section.array("scheduler_flags") {
        if let Some(index) = scheduler_flag(value, mistakes)
            && let Some(flag) = scheduler_flags.get_mut(index)
        {
            *flag = true;
        }
    }
    let persistence = section
        .take("persistence")
        .and_then(|value| persistence(value, family, mistakes));
    let one_packet = section
        .boolean("one_packet")
        .and_then(|(set, span)| set.then_some(span));
    let snat = section
        .string("snat")
        .map(|(name, span)| (name.to_owned(), span));
    let servers = section
        .take("server")
        .map_or(&[][..], |value| array(value, mistakes))
        .iter()
        .filter_map(|value| Section::of("a server", value, mistakes))
        .map(server::read)
        .collect();
    let entry = ServiceEntry {
        key,
        scheduler: scheduler.unwrap_or_default().to_owned(),
        scheduler_flags,
        persistence,
        one_packet,
        snat,
        servers,
    };
    section.finish();
    entry
}

/// A name unknown to us is passed through, unless it looks like a slip.
fn scheduler<'t>(value: &'t Value<'t>, mistakes: &Mistakes) -> Option<&'t str> {
    let (name, span) = string(value, mistakes)?;
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_whitespace) {
        mistakes.add(
            Mistake::new(span, format!("`{name}` is no name of a scheduler"))
                .label(format!("a name has 1 to {LONGEST_NAME} bytes")),
        );
        return None;
    }
    if !SCHEDULERS.contains(&name)
        && let Some(meant) = closest(name, SCHEDULERS)
    {
        mistakes.add(
            Mistake::new(span, format!("unknown scheduler `{name}`"))
                .label(format!("did you mean `{meant}`?"))
                .help(format!("known are: {}", SCHEDULERS.join(", "))),
        );
        return None;
    }
    Some(name)
}

/// Its index; `ipvsadm -b` has these names for them.
fn scheduler_flag(value: &Value, mistakes: &Mistakes) -> Option<usize> {
    let (name, span) = string(value, mistakes)?;
    match name {
        "flag-1" | "sh-fallback" | "mh-fallback" => Some(0),
        "flag-2" | "sh-port" | "mh-port" => Some(1),
        "flag-3" => Some(2),
        _ => {
            mistakes.add(
                Mistake::new(span, format!("unknown scheduler flag `{name}`")).help(
                    "known are: flag-1, flag-2, flag-3, sh-fallback, sh-port, mh-fallback, mh-port",
                ),
            );
            None
        }
    }
}

fn persistence<'t>(
    value: &'t Value<'t>,
    family: Family,
    mistakes: &'t Mistakes,
) -> Option<(Persistence, Span)> {
    let section = Section::of("`persistence`", value, mistakes)?;
    let timeout = section.string("timeout").and_then(|(text, span)| {
        let seconds = value::duration(text).and_then(|seconds| match seconds {
            0 => Err("must be longer than nothing".to_owned()),
            seconds => Ok(seconds),
        });
        match seconds {
            Ok(seconds) => Some(seconds),
            Err(why) => {
                mistakes.add(Mistake::new(span, format!("`{text}` is no duration")).label(why));
                None
            }
        }
    });
    let netmask = section
        .take("netmask")
        .and_then(|value| netmask(value, family, mistakes));
    let engine = section.string("engine").map(|(name, _)| name.to_owned());
    let span = section.span.clone();
    section.finish();
    Some((
        Persistence {
            timeout: timeout.unwrap_or(PERSISTENCE),
            netmask: netmask.unwrap_or(Netmask::whole(family)),
            engine,
        },
        span,
    ))
}

/// A prefix length, or for IPv4 a mask as `ipvsadm -M` takes it.
fn netmask(value: &Value, family: Family, mistakes: &Mistakes) -> Option<Netmask> {
    if family == Family::Ipv4
        && let Some(text) = value.get_ref().as_str()
    {
        return match text.parse() {
            Ok(IpAddr::V4(mask)) => Some(Netmask::V4(mask)),
            _ => {
                mistakes.add(
                    Mistake::new(value.span(), format!("`{text}` is no mask"))
                        .help("a prefix length like 24, or \"255.255.255.0\""),
                );
                None
            }
        };
    }
    match family {
        Family::Ipv4 => {
            let (length, _) = integer(value, 1, 32, mistakes)?;
            let bits = u32::MAX << (32 - length);
            Some(Netmask::V4(Ipv4Addr::from(bits)))
        }
        Family::Ipv6 => {
            let (length, _) = integer(value, 1, 128, mistakes)?;
            Some(Netmask::V6(u8::try_from(length).unwrap_or(128)))
        }
    }
}
