// SPDX-License-Identifier: GPL-2.0-only
//! Sends a question to rtnetlink and collects the answers: interfaces, in [`links`], and
//! the addresses of this host. Its notifications are in [`notifications`].

mod link;
pub mod notifications;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use link::{Link, is_ethernet, links};
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_MULTIPART, NLM_F_REQUEST, NetlinkBuffer,
    NetlinkDeserializable, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
pub use netlink_packet_route::link::{BondMode, BondXmitHashPolicy};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// The maximum size of a dump's datagram (`NLMSG_GOODSIZE` and more).
const DATAGRAM: usize = 64 * 1024;

/// The number of attempts at a dump. Routes may change all the time.
const TRIES: u32 = 16;

const RT_TABLE_LOCAL: u8 = 255;

/// The first message type of rtnetlink. Lower ones are those of netlink itself.
const RTM_BASE: u16 = 16;

/// A destination that is this host: an address of an interface, in a VRF as well, or a
/// route in the table `local`.
pub struct LocalDestination {
    pub address: IpAddr,
    pub length: u8,
    /// The kernel added it for an address of an interface.
    pub is_kernels: bool,
}

pub fn local_destinations() -> io::Result<Vec<LocalDestination>> {
    let socket = open()?;
    // Asks the kernel to filter, since a router may have a million routes. Kernels before
    // 4.20 cannot filter and send them all.
    let _ = socket.set_netlink_get_strict_chk(true);
    let mut destinations = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        request.header.table = RT_TABLE_LOCAL;
        request.header.kind = RouteType::Local;
        let request = RouteNetlinkMessage::GetRoute(request);
        match converse(&socket, request, NLM_F_DUMP) {
            Ok(answers) => destinations.extend(answers.iter().filter_map(local_destination)),
            // The family does not have this table: IPv6 may be off.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let addresses = ask(request, NLM_F_DUMP)?;
    destinations.extend(addresses.iter().filter_map(interface_address));
    Ok(destinations)
}

/// The host's address: `IFA_LOCAL`, if `IFA_ADDRESS` is the peer's.
pub fn own_address(message: &AddressMessage) -> Option<IpAddr> {
    let mut own = None;
    let mut peer = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => own = Some(*address),
            AddressAttribute::Address(address) => peer = Some(*address),
            _ => {}
        }
    }
    own.or(peer)
}

fn interface_address(answer: &RouteNetlinkMessage) -> Option<LocalDestination> {
    let RouteNetlinkMessage::NewAddress(message) = answer else {
        return None;
    };
    let address = own_address(message)?;
    Some(LocalDestination {
        address,
        length: if address.is_ipv4() { 32 } else { 128 },
        is_kernels: true,
    })
}

fn local_destination(answer: &RouteNetlinkMessage) -> Option<LocalDestination> {
    let RouteNetlinkMessage::NewRoute(route) = answer else {
        return None;
    };
    if route.header.table != RT_TABLE_LOCAL || route.header.kind != RouteType::Local {
        return None;
    }
    let address = route
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => Some((*address).into()),
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => Some((*address).into()),
            _ => None,
        });
    // A default route has no destination.
    let everything = match route.header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    Some(LocalDestination {
        address: address.unwrap_or(everything),
        length: route.header.destination_prefix_length,
        is_kernels: route.header.protocol == RouteProtocol::Kernel,
    })
}

/// Sends one request. Collects its answers up to the end of the dump or the
/// acknowledgement. A dump during which something changed is repeated.
pub fn ask(payload: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
    converse(&open()?, payload, flags)
}

fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

fn converse<M: NetlinkDeserializable>(
    socket: &Socket,
    payload: RouteNetlinkMessage,
    flags: u16,
) -> io::Result<Vec<M>> {
    let mut request = NetlinkMessage::from(payload);
    request.header.flags = NLM_F_REQUEST | flags;
    request.header.sequence_number = 1;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    for _ in 0..TRIES {
        unless_interrupted(|| socket.send(&bytes, 0))?;
        let mut answer = Answer::new();
        let mut buffer: Vec<u8> = Vec::with_capacity(DATAGRAM);
        loop {
            buffer.clear();
            unless_interrupted(|| socket.recv(&mut buffer, 0))?;
            if answer.take(&buffer)? {
                break;
            }
        }
        if !answer.inconsistent {
            return Ok(answer.messages);
        }
    }
    Err(io::Error::other(
        "the network changed during each attempt to read it; try again later",
    ))
}

/// Repeats a call that a signal interrupted.
fn unless_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The messages of an answer so far.
struct Answer<M> {
    messages: Vec<M>,
    /// True if something changed during the dump: objects may be missing or repeated.
    inconsistent: bool,
}

impl<M: NetlinkDeserializable> Answer<M> {
    fn new() -> Self {
        Answer {
            messages: Vec::new(),
            inconsistent: false,
        }
    }

    /// Takes a datagram. Returns true at the end of the answer. Skips an object of a dump
    /// that cannot be read, since one of them must not hide all others.
    fn take(&mut self, datagram: &[u8]) -> io::Result<bool> {
        let malformed = |error: &dyn std::error::Error| {
            io::Error::new(io::ErrorKind::InvalidData, error.to_string())
        };
        let refused = |code: i32| io::Error::from_raw_os_error(-code);
        let mut rest = datagram;
        while !rest.is_empty() {
            let header = NetlinkBuffer::new_checked(rest).map_err(|error| malformed(&error))?;
            let length = (header.length() as usize).next_multiple_of(4);
            self.inconsistent |= header.flags() & NLM_F_DUMP_INTR != 0;
            let message = match NetlinkMessage::<M>::deserialize(rest) {
                Ok(message) => message,
                // The label of an address, for one, need not be UTF-8.
                Err(_)
                    if header.message_type() >= RTM_BASE
                        && header.flags() & NLM_F_MULTIPART != 0 =>
                {
                    rest = rest.get(length..).unwrap_or_default();
                    continue;
                }
                Err(error) => return Err(malformed(&error)),
            };
            match message.payload {
                NetlinkPayload::Done(done) if done.code < 0 => return Err(refused(done.code)),
                NetlinkPayload::Done(_) => return Ok(true),
                NetlinkPayload::Error(error) => {
                    return match error.code {
                        None => Ok(true),
                        Some(code) => Err(refused(code.get())),
                    };
                }
                NetlinkPayload::InnerMessage(message) => self.messages.push(message),
                _ => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::DoneMessage;
    use netlink_packet_route::link::LinkMessage;

    use super::*;

    fn bytes(payload: NetlinkPayload<RouteNetlinkMessage>, flags: u16) -> Vec<u8> {
        let mut message = NetlinkMessage::new(Default::default(), payload);
        message.header.flags = flags;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    fn link(flags: u16) -> Vec<u8> {
        let link = RouteNetlinkMessage::NewLink(LinkMessage::default());
        bytes(NetlinkPayload::InnerMessage(link), flags)
    }

    fn done(code: i32) -> Vec<u8> {
        let mut done = DoneMessage::default();
        done.code = code;
        bytes(NetlinkPayload::Done(done), 0)
    }

    #[test]
    fn an_answer_ends_with_done() {
        let mut answer = Answer::<RouteNetlinkMessage>::new();
        assert!(!answer.take(&link(0)).unwrap());
        assert!(answer.take(&[link(0), done(0)].concat()).unwrap());
        assert_eq!((answer.messages.len(), answer.inconsistent), (2, false));
    }

    #[test]
    fn an_object_of_a_dump_that_cannot_be_read_is_skipped() {
        let mut address = AddressMessage::default();
        address.attributes = vec![AddressAttribute::Label("eth0".to_owned())];
        let address = NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address));
        let spoiled = |flags| {
            let mut bytes = bytes(address.clone(), flags);
            let name = bytes.windows(4).position(|it| it == b"eth0").unwrap();
            bytes[name] = 0xff;
            bytes
        };
        let mut answer = Answer::<RouteNetlinkMessage>::new();
        let datagram = [link(0), spoiled(NLM_F_MULTIPART), link(0), done(0)].concat();
        assert!(answer.take(&datagram).unwrap());
        assert_eq!(answer.messages.len(), 2);
        assert!(answer.take(&spoiled(0)).is_err());
    }

    #[test]
    fn a_dump_that_a_change_disturbed_is_not_used() {
        let mut answer = Answer::<RouteNetlinkMessage>::new();
        let datagram = [link(0), link(NLM_F_DUMP_INTR), link(0), done(0)].concat();
        assert!(answer.take(&datagram).unwrap());
        assert!(answer.inconsistent);
    }

    #[test]
    fn a_dump_that_ends_with_an_error_failed() {
        let error = Answer::<RouteNetlinkMessage>::new().take(&[link(0), done(-105)].concat());
        assert_eq!(error.unwrap_err().raw_os_error(), Some(105));
    }

    #[test]
    fn a_call_is_repeated_after_a_signal() {
        let mut results = vec![Ok(7), Err(io::ErrorKind::Interrupted.into())];
        let mut call = || results.pop().unwrap();
        assert_eq!(unless_interrupted(&mut call).unwrap(), 7);
        let mut fails = || Err::<(), _>(io::ErrorKind::NotFound.into());
        assert!(unless_interrupted(&mut fails).is_err());
    }
}
