// SPDX-License-Identifier: GPL-2.0-only
//! `[[service]]`.

use super::address;
use super::diagnostics::{Mistake, Mistakes, Span};
use super::persistence;
use super::reader::{Section, Value, array, form, literal, string};
use super::server::{self, ServerEntry};
use super::spelling::{closest, listed, meant, quoted};
use super::words;
use crate::model::{Persistence, ServiceKey, scheduler_flag, scheduler_flags};

/// The schedulers that we know; the kernel may have others.
pub(super) const SCHEDULERS: [&str; 15] = [
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos",
    "none",
];
/// `IP_VS_SCHEDNAME_MAXLEN`, without the NUL.
const LONGEST_NAME: usize = 15;

/// A service as it is written, and where its parts stand.
#[derive(Clone, Debug)]
pub(super) struct ServiceEntry {
    pub key: Option<(ServiceKey, Span)>,
    pub scheduler: (String, Span),
    pub scheduler_flags: [bool; 3],
    /// `None` in it: it is written, but wrong.
    pub persistence: Option<(Option<Persistence>, Span)>,
    pub one_packet: Option<Span>,
    pub snat: Option<(String, Span)>,
    pub servers: Vec<ServerEntry>,
}

pub(super) fn read(section: Section) -> ServiceEntry {
    let mistakes = section.mistakes;
    let key = section
        .require("address", "`address = \"tcp://10.0.0.1:80\"`")
        .and_then(|value| {
            form(
                value,
                "address",
                "address of a service",
                address::service,
                mistakes,
            )
        });
    let family = key.as_ref().map(|(key, _)| key.family());
    let scheduler = section
        .require("scheduler", "`scheduler = \"wrr\"`, or another one")
        .and_then(|value| scheduler(value, mistakes));
    let scheduler_flags = section.take("scheduler_flags").map_or([false; 3], |value| {
        let name = scheduler.as_ref().map(|(name, _)| *name);
        read_scheduler_flags(value, name, mistakes)
    });
    let persistence = section.take("persistence").map(|value| {
        let persistence = persistence::read(value, family, mistakes);
        (persistence, value.span())
    });
    let one_packet = section
        .boolean("one_packet")
        .and_then(|(set, span)| set.then_some(span));
    let snat = snat(&section);
    let servers = section
        .sections("server", "service.server", "a server")
        .map(server::read)
        .collect();
    section.finish();
    ServiceEntry {
        key,
        scheduler: scheduler.map_or_else(Default::default, |(name, span)| (name.to_owned(), span)),
        scheduler_flags,
        persistence,
        one_packet,
        snat,
        servers,
    }
}

pub(super) fn snat(section: &Section) -> Option<(String, Span)> {
    let value = section.take("snat")?;
    if value.get_ref().as_bool().is_some() {
        section.mistakes.add(Mistake::new(
            &value.span(),
            "`snat` is the name of a pool, not a switch",
            "name one that `[local_ips.NAME]` describes, or remove `snat`",
        ));
        return None;
    }
    let (name, span) = string(value, "snat", section.mistakes)?;
    Some((name.to_owned(), span))
}

/// A name unknown to us is passed through, unless it looks like a slip.
fn scheduler<'t>(value: &'t Value<'t>, mistakes: &Mistakes) -> Option<(&'t str, Span)> {
    let (name, span) = string(value, "scheduler", mistakes)?;
    if !SCHEDULERS.contains(&name)
        && let Some(meant) = words::scheduler(name).or_else(|| closest(name, SCHEDULERS))
    {
        let help = format!("did you mean `{meant}`? known are: {}", listed(SCHEDULERS));
        mistakes.add(
            Mistake::new(&span, format!("unknown scheduler {}", quoted(name)), help)
                .fix(&span, literal(meant)),
        );
        return None;
    }
    // It becomes part of a module's name, ip_vs_NAME.
    let fits = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !fits || !(1..=LONGEST_NAME).contains(&name.len()) {
        mistakes.add(Mistake::new(
            &span,
            format!("{} is no name of a scheduler", quoted(name)),
            format!("known are: {}", listed(SCHEDULERS)),
        ));
        return None;
    }
    Some((name, span))
}

fn read_scheduler_flags(value: &Value, scheduler: Option<&str>, mistakes: &Mistakes) -> [bool; 3] {
    let mut flags = [false; 3];
    for value in array(value, "scheduler_flags", mistakes).unwrap_or(&[]) {
        let Some((name, span)) = string(value, "a scheduler flag", mistakes) else {
            continue;
        };
        let Some((index, owner)) = scheduler_flag(name) else {
            mistakes.add(Mistake::new(
                &span,
                format!("unknown scheduler flag {}", quoted(name)),
                meant(name, scheduler_flags()),
            ));
            continue;
        };
        if let (Some(owner), Some(scheduler)) = (owner, scheduler)
            && owner != scheduler
        {
            mistakes.add(Mistake::new(
                &span,
                format!("`{name}` is a flag of the scheduler `{owner}`, not of `{scheduler}`"),
                format!("remove it, or write `scheduler = \"{owner}\"`"),
            ));
        }
        if let Some(flag) = flags.get_mut(index) {
            *flag = true;
        }
    }
    flags
}
