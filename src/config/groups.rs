// SPDX-License-Identifier: GPL-2.0-only
//! `[servers.NAME]`: servers that several services share.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::address;
use super::defaults::Defaults;
use super::diagnostics::{Mistake, Mistakes, Span};
use super::reader::{Section, array, form};
use super::server::{self, ServerEntry};
use super::service::EXTERNAL;
use super::spelling::quoted;
use crate::model::{Family, ServiceKey};

#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The place of the name in the text.
    pub span: Span,
    servers: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    /// The address and port. A missing port means the port of the service.
    address: Option<((IpAddr, Option<u16>), Span)>,
    /// The other settings; its own address is empty.
    server: ServerEntry,
}

/// `sections`: those of each file.
pub(super) fn read<'t>(
    sections: impl Iterator<Item = Section<'t>>,
    defaults: &Defaults,
) -> BTreeMap<String, Group> {
    let mut groups = BTreeMap::new();
    for section in sections {
        read_file(&section, defaults, &mut groups);
    }
    groups
}

fn read_file(section: &Section, defaults: &Defaults, groups: &mut BTreeMap<String, Group>) {
    let mistakes = section.mistakes;
    for (name, span, value) in section.entries() {
        if matches!(name, "addresses" | "server") && !value.get_ref().is_table() {
            mistakes.add(Mistake::new(
                &span,
                format!("`{name}` belongs to a group of servers, and a group has a name"),
                "write `[servers.NAME]` above it",
            ));
            continue;
        }
        if name == EXTERNAL {
            mistakes.add(Mistake::new(
                &span,
                "a group cannot have the name `external`, which is for another program's servers",
                "give it another name",
            ));
        }
        if let Some(first) = groups.get(name) {
            mistakes.add(
                Mistake::new(
                    &span,
                    format!("the group {} is listed twice", quoted(name)),
                    "put all its servers into one of the two",
                )
                .see(&first.span, "it is also here"),
            );
            continue;
        }
        if let Some(section) = Section::of("a group of servers", value, mistakes) {
            let servers = members(section, defaults);
            groups.insert(name.to_owned(), Group { span, servers });
        }
    }
}

fn members(section: Section, defaults: &Defaults) -> Vec<Member> {
    const WHAT: &str = "address of a server";
    let mistakes = section.mistakes;
    let mut members = Vec::new();
    let list = section.take("addresses");
    for value in list
        .and_then(|value| array(value, "addresses", mistakes))
        .unwrap_or(&[])
    {
        let address = form(value, "addresses", WHAT, address::member, mistakes);
        let server = ServerEntry::plain(value.span(), defaults);
        members.push(Member { address, server });
    }
    for section in section.sections("server", "servers.NAME.server", "a server") {
        let (address, server) = server::read(section, defaults, address::member);
        members.push(Member { address, server });
    }
    if members.is_empty() {
        mistakes.add(Mistake::new(
            &section.span,
            "a group needs at least one server",
            "add `addresses = [\"10.2.0.2\", \"10.2.0.3\"]`",
        ));
    }
    section.finish();
    members
}

impl Group {
    /// Returns the servers of the service's family. A server without a port gets the port
    /// of the service.
    pub fn servers_of(
        &self,
        key: &ServiceKey,
        name: (&str, &Span),
        mistakes: &Mistakes,
    ) -> Vec<ServerEntry> {
        let family = key.family();
        let mut servers = Vec::new();
        // A mistake in an address has already been reported.
        let mut wrong = false;
        for member in &self.servers {
            let Some(((ip, port), span)) = &member.address else {
                wrong = true;
                continue;
            };
            if Family::of(*ip) != family {
                continue;
            }
            let Some(port) = port.or(key.port()) else {
                wrong = true;
                mistakes.add(
                    Mistake::new(
                        span,
                        format!("the server {ip} has no port, and {key} has none for it"),
                        "write its port behind the address",
                    )
                    .see(name.1, "the service that has the group"),
                );
                continue;
            };
            let address = Some((SocketAddr::new(*ip, port), span.clone()));
            servers.push(ServerEntry {
                address,
                ..member.server.clone()
            });
        }
        if servers.is_empty() && !wrong {
            mistakes.add(
                Mistake::new(
                    name.1,
                    format!(
                        "the group {} has no {family} server for {key}",
                        quoted(name.0)
                    ),
                    format!("add one to the group, or name a group that has {family}"),
                )
                .see(&self.span, "the group"),
            );
        }
        servers
    }
}
