// SPDX-License-Identifier: GPL-2.0-only
//! One question to rtnetlink and its answers, and what kind of link an
//! interface is.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkLayerType, LinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// Bytes a datagram of a dump can have (`NLMSG_GOODSIZE` and more).
const DATAGRAM: usize = 64 * 1024;

/// Whether packets at the interface begin with an Ethernet header
/// (`ARPHRD_ETHER`), which is where the programs look for what follows it.
pub(super) fn is_ethernet(index: u32) -> io::Result<bool> {
    let mut request = LinkMessage::default();
    request.header.index = index;
    let answers = ask(RouteNetlinkMessage::GetLink(request), NLM_F_ACK)?;
    Ok(answers.iter().any(|answer| {
        matches!(answer, RouteNetlinkMessage::NewLink(link)
            if link.header.link_layer_type == LinkLayerType::Ether)
    }))
}

/// Sends one request and collects its answers up to the end of the dump or the
/// acknowledgement.
pub(super) fn ask(
    payload: RouteNetlinkMessage,
    flags: u16,
) -> io::Result<Vec<RouteNetlinkMessage>> {
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
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                _ => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}
