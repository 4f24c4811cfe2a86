// SPDX-License-Identifier: GPL-2.0-only
//! The tc side of interfaces over rtnetlink: which eBPF filters hang at a
//! clsact qdisc, and removing a qdisc (`net/sched/cls_api.c`, `sch_api.c`).

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcFilterBpfOption, TcHandle, TcMessage, TcOption};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// `TC_H_CLSACT`.
const CLSACT: u16 = 0xffff;
/// Bytes a datagram of a dump can have (`NLMSG_GOODSIZE` and more).
const DATAGRAM: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Ingress,
    Egress,
}

/// An eBPF filter: the name it was attached by and the id of its program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    pub name: String,
    pub program: u32,
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

/// The eBPF filters of an interface; none where it has no clsact qdisc.
pub(super) fn list(index: u32, direction: Direction) -> io::Result<Vec<Filter>> {
    let mut request = TcMessage::with_index(index as i32);
    request.header.parent = TcHandle {
        major: CLSACT,
        minor: direction.minor(),
    };
    let answers = exchange(RouteNetlinkMessage::GetTrafficFilter(request), NLM_F_DUMP)?;
    Ok(answers.iter().filter_map(bpf_filter).collect())
}

/// Whether any filter of any kind hangs there.
pub(super) fn any(index: u32, direction: Direction) -> io::Result<bool> {
    let mut request = TcMessage::with_index(index as i32);
    request.header.parent = TcHandle {
        major: CLSACT,
        minor: direction.minor(),
    };
    let answers = exchange(RouteNetlinkMessage::GetTrafficFilter(request), NLM_F_DUMP)?;
    Ok(!answers.is_empty())
}

/// Removes the interface's clsact qdisc with all that hangs there.
pub(super) fn remove_clsact(index: u32) -> io::Result<()> {
    let mut request = TcMessage::with_index(index as i32);
    request.header.parent = TcHandle {
        major: CLSACT,
        minor: 0xfff1, // TC_H_INGRESS = TC_H_CLSACT
    };
    request.header.handle = TcHandle {
        major: CLSACT,
        minor: 0,
    };
    request
        .attributes
        .push(TcAttribute::Kind("clsact".to_owned()));
    exchange(RouteNetlinkMessage::DelQueueDiscipline(request), NLM_F_ACK).map(|_| ())
}

fn bpf_filter(message: &TcMessage) -> Option<Filter> {
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
    })
}

/// Sends one request and collects the filters of its answers up to the end of
/// the dump or the acknowledgement.
fn exchange(payload: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<TcMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;

    let mut request = NetlinkMessage::from(payload);
    request.header.flags = NLM_F_REQUEST | flags;
    request.header.sequence_number = 1;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;

    let mut answers = Vec::new();
    let mut buffer: Vec<u8> = Vec::with_capacity(DATAGRAM);
    loop {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            let length = (message.header.length as usize).next_multiple_of(4);
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) => {
                    return match error.code {
                        None => Ok(answers),
                        Some(code) => Err(io::Error::from_raw_os_error(-code.get())),
                    };
                }
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewTrafficFilter(filter)) => {
                    answers.push(filter);
                }
                _ => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}
