// SPDX-License-Identifier: GPL-2.0-only
//! The tc side of interfaces over rtnetlink: lists the eBPF filters of a clsact qdisc and
//! removes a qdisc (`net/sched/cls_api.c`, `sch_api.c`).

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_ECHO};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcFilterBpfOption, TcHandle, TcMessage, TcOption};

use nix::libc::ENOENT;

use crate::rtnetlink::ask;

/// `TC_H_CLSACT`.
const CLSACT: u16 = 0xffff;
/// The minor number of `TC_H_INGRESS`, which is also `TC_H_CLSACT`.
const OF_QDISC: u16 = 0xfff1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Ingress,
    Egress,
}

/// An eBPF filter: its name, the id of its program, and its handle and priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    pub name: String,
    pub program: u32,
    pub handle: TcHandle,
    /// Priority and protocol (`TC_H_MAKE`), as the kernel gave them.
    info: u32,
}

impl Filter {
    pub fn priority(&self) -> u16 {
        (self.info >> 16) as u16
    }

    /// True if it sees packets of all protocols (`ETH_P_ALL`).
    pub fn is_of_all_protocols(&self) -> bool {
        self.info as u16 == 0x0003_u16.to_be()
    }
}

impl Direction {
    /// `TC_H_MIN_INGRESS`, `TC_H_MIN_EGRESS`.
    fn minor(self) -> u16 {
        match self {
            Direction::Ingress => 0xfff2,
            Direction::Egress => 0xfff3,
        }
    }
}

/// A request about what is below that handle of the clsact qdisc.
fn request(index: u32, minor: u16) -> TcMessage {
    let mut request = TcMessage::with_index(index as i32);
    request.header.parent = TcHandle {
        major: CLSACT,
        minor,
    };
    request
}

/// The eBPF filters of an interface. Empty if it has no clsact qdisc.
pub(super) fn list(index: u32, direction: Direction) -> io::Result<Vec<Filter>> {
    let request = request(index, direction.minor());
    let answers = ask(RouteNetlinkMessage::GetTrafficFilter(request), NLM_F_DUMP)?;
    Ok(answers.iter().filter_map(bpf_filter).collect())
}

/// A filter of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub kind: String,
    pub priority: u16,
    /// The name of an eBPF filter.
    pub name: Option<String>,
}

/// The filters of every kind, in the order in which packets pass them.
pub(super) fn kinds(index: u32, direction: Direction) -> io::Result<Vec<Kind>> {
    let request = request(index, direction.minor());
    let answers = ask(RouteNetlinkMessage::GetTrafficFilter(request), NLM_F_DUMP)?;
    let kind = |answer: &RouteNetlinkMessage| {
        let RouteNetlinkMessage::NewTrafficFilter(message) = answer else {
            return None;
        };
        let kind = message
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                TcAttribute::Kind(kind) => Some(kind.clone()),
                _ => None,
            });
        // The kernel lists the classifier itself before its filters.
        if message.header.handle == TcHandle::default() {
            return None;
        }
        Some(Kind {
            kind: kind?,
            priority: (message.header.info >> 16) as u16,
            name: bpf_filter(answer).map(|filter| filter.name),
        })
    };
    Ok(answers.iter().filter_map(kind).collect())
}

/// Removes one filter and keeps the others of its priority.
pub(super) fn remove(index: u32, direction: Direction, filter: &Filter) -> io::Result<()> {
    let mut request = request(index, direction.minor());
    request.header.handle = filter.handle;
    request.header.info = filter.info;
    request.attributes.push(TcAttribute::Kind("bpf".to_owned()));
    ask(RouteNetlinkMessage::DelTrafficFilter(request), NLM_F_ACK).map(|_| ())
}

/// True if a filter of any kind is attached.
pub(super) fn any(index: u32, direction: Direction) -> io::Result<bool> {
    let request = request(index, direction.minor());
    let answers = ask(RouteNetlinkMessage::GetTrafficFilter(request), NLM_F_DUMP)?;
    Ok(!answers.is_empty())
}

/// True if the interface has a clsact qdisc, or an ingress qdisc in its place.
pub(super) fn has_clsact(index: u32) -> io::Result<bool> {
    let request = RouteNetlinkMessage::GetQueueDiscipline(request(index, OF_QDISC));
    // The answer is a notification, which its cause gets only as an echo (rtnetlink_send()).
    match ask(request, NLM_F_ACK | NLM_F_ECHO) {
        // There never was one. If it was removed, there is no answer (tc_get_qdisc()).
        Err(error) if error.raw_os_error() == Some(ENOENT) => Ok(false),
        answers => Ok(answers?
            .iter()
            .any(|answer| matches!(answer, RouteNetlinkMessage::NewQueueDiscipline(_)))),
    }
}

/// Removes the interface's clsact qdisc with all its filters.
pub(super) fn remove_clsact(index: u32) -> io::Result<()> {
    let mut request = request(index, OF_QDISC);
    request.header.handle = TcHandle {
        major: CLSACT,
        minor: 0,
    };
    request
        .attributes
        .push(TcAttribute::Kind("clsact".to_owned()));
    ask(RouteNetlinkMessage::DelQueueDiscipline(request), NLM_F_ACK).map(|_| ())
}

fn bpf_filter(message: &RouteNetlinkMessage) -> Option<Filter> {
    let RouteNetlinkMessage::NewTrafficFilter(message) = message else {
        return None;
    };
    let mut name = None;
    let mut program = None;
    for attribute in &message.attributes {
        let TcAttribute::Options(options) = attribute else {
            continue;
        };
        for option in options {
            match option {
                TcOption::Bpf(TcFilterBpfOption::ProgName(text)) => name = Some(text.clone()),
                TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => program = Some(*id),
                _ => {}
            }
        }
    }
    Some(Filter {
        name: name?,
        program: program?,
        handle: message.header.handle,
        info: message.header.info,
    })
}
