// SPDX-License-Identifier: GPL-2.0-only
//! Reads interfaces, addresses and neighbours over rtnetlink.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};

use crate::datapath::ethtool;
use crate::doctor::links::{Address, Link, Links, Neighbour};
use crate::rtnetlink::{self, ask, own_address};

pub fn read() -> io::Result<Links> {
    use RouteNetlinkMessage as Message;
    let links = rtnetlink::links()?;
    let addresses = ask(Message::GetAddress(AddressMessage::default()), NLM_F_DUMP)?;
    let neighbours = ask(
        Message::GetNeighbour(NeighbourMessage::default()),
        NLM_F_DUMP,
    )?;
    Ok(Links {
        links: links.into_iter().map(link).collect(),
        addresses: addresses
            .iter()
            .filter_map(|answer| match answer {
                Message::NewAddress(message) => address(message),
                _ => None,
            })
            .collect(),
        neighbours: neighbours
            .iter()
            .filter_map(|answer| match answer {
                Message::NewNeighbour(message) => neighbour(message),
                _ => None,
            })
            .collect(),
    })
}

fn link(link: rtnetlink::Link) -> Link {
    Link {
        index: link.index,
        merges: ethtool::merges_segments(&link.name),
        name: link.name,
        up: link.up,
        carrier: link.carrier,
        ethernet: link.ethernet,
        hardware: link.hardware,
        mtu: link.mtu,
    }
}

fn address(message: &AddressMessage) -> Option<Address> {
    let mut duplicate = message.header.flags.contains(AddressHeaderFlags::Dadfailed);
    for attribute in &message.attributes {
        if let AddressAttribute::Flags(flags) = attribute {
            duplicate |= flags.contains(AddressFlags::Dadfailed);
        }
    }
    Some(Address {
        link: message.header.index,
        address: own_address(message)?,
        length: message.header.prefix_len,
        duplicate,
    })
}

fn neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    let answers = match message.header.state {
        NeighbourState::Reachable | NeighbourState::Delay | NeighbourState::Probe => true,
        NeighbourState::Stale => true,
        NeighbourState::Failed => false,
        _ => return None,
    };
    let address: IpAddr = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => {
                Some((*address).into())
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => {
                Some((*address).into())
            }
            _ => None,
        })?;
    Some(Neighbour {
        link: message.header.ifindex,
        address,
        answers,
    })
}
