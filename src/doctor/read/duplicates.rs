// SPDX-License-Identifier: GPL-2.0-only
//! Checks if another host uses a local IP of this host. It sends an ARP probe
//! (RFC 5227, 2.1.1), which other hosts do not take for a claim. IPv6 does this
//! itself.

use std::collections::BTreeSet;
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::doctor::links::{Address, Links};
use crate::model::State;

/// The time limit. Hosts of a local network answer much faster.
const PATIENCE: Duration = Duration::from_millis(500);
/// The time limit of one read from the socket, in milliseconds.
const LOOK_MS: i64 = 50;
/// The number of addresses that are probed. A pool may have thousands.
const MOST: usize = 256;

/// An ARP packet for IPv4 over Ethernet, starting at `arp_hrd` (RFC 826).
const LENGTH: usize = 28;
const HEAD: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
/// The head of a reply.
const REPLY: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 2];

/// Marks the addresses that another host answers for. If probing fails, none is
/// marked.
pub fn mark(links: &mut Links, wanted: &State) {
    // Linux answers at any of its interfaces for an address that another one has.
    let ours: BTreeSet<Vec<u8>> = links.links.iter().map(|it| it.hardware.clone()).collect();
    let local_ips: BTreeSet<IpAddr> = wanted.local_ips.keys().map(|of| of.address).collect();
    for link in links
        .links
        .iter()
        .filter(|link| link.up && link.carrier && link.ethernet)
    {
        let own = |address: &&mut Address| {
            address.link == link.index && local_ips.contains(&address.address)
        };
        let mut own: Vec<_> = links.addresses.iter_mut().filter(own).take(MOST).collect();
        let asked: Vec<Ipv4Addr> = own
            .iter()
            .filter_map(|own| match own.address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
            .collect();
        if asked.is_empty() {
            continue;
        }
        let taken = probe(link.index, &link.hardware, &ours, &asked).unwrap_or_default();
        for own in &mut own {
            own.duplicate |= matches!(own.address, IpAddr::V4(of) if taken.contains(&of));
        }
    }
}

/// Returns the addresses that another host answers for.
fn probe(
    index: u32,
    hardware: &[u8],
    ours: &BTreeSet<Vec<u8>>,
    addresses: &[Ipv4Addr],
) -> io::Result<BTreeSet<Ipv4Addr>> {
    let Ok(own) = <[u8; 6]>::try_from(hardware) else {
        return Ok(BTreeSet::new());
    };
    let protocol = (libc::ETH_P_ARP as u16).to_be();
    // Without a protocol it receives nothing until it is bound.
    // SAFETY: there are no pointers, and the returned value is checked.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open and has no other owner.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    setsockopt(&socket, ReceiveTimeout, &TimeVal::milliseconds(LOOK_MS))?;
    bind(&socket, index, protocol)?;
    for address in addresses {
        send(&socket, index, protocol, &request(own, *address))?;
    }
    let end = Instant::now() + PATIENCE;
    let mut taken = BTreeSet::new();
    while Instant::now() < end && taken.len() < addresses.len() {
        let mut packet = [0_u8; LENGTH];
        // SAFETY: the length is that of the buffer.
        let length = unsafe {
            libc::recv(
                socket.as_raw_fd(),
                packet.as_mut_ptr().cast(),
                packet.len(),
                0,
            )
        };
        // The read timed out, or a signal interrupted it.
        if usize::try_from(length) != Ok(LENGTH) {
            continue;
        }
        if let Some(address) = answered(&packet, own, ours) {
            taken.extend(addresses.contains(&address).then_some(address));
        }
    }
    Ok(taken)
}

fn link_address(index: u32, protocol: u16) -> libc::sockaddr_ll {
    // SAFETY: all zeros is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol;
    address.sll_ifindex = index as i32;
    address
}

/// Receives the packets of this interface alone.
fn bind(socket: &OwnedFd, index: u32, protocol: u16) -> io::Result<()> {
    let at = link_address(index, protocol);
    // SAFETY: the length is that of the address, which outlives the call.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const at).cast(),
            mem::size_of_val(&at) as libc::socklen_t,
        )
    };
    if bound < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn send(socket: &OwnedFd, index: u32, protocol: u16, packet: &[u8; LENGTH]) -> io::Result<()> {
    let mut to = link_address(index, protocol);
    to.sll_halen = 6;
    to.sll_addr = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0];
    // SAFETY: the lengths are those of the buffers, which outlive the call.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            0,
            (&raw const to).cast(),
            mem::size_of_val(&to) as libc::socklen_t,
        )
    };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Makes a probe. Its sender address is 0.0.0.0, so that no host learns it.
fn request(own: [u8; 6], address: Ipv4Addr) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    let fields = HEAD
        .into_iter()
        .chain(own)
        .chain([0; 10])
        .chain(address.octets());
    for (place, byte) in packet.iter_mut().zip(fields) {
        *place = byte;
    }
    packet
}

/// Returns the address that the packet answers for, if it is a reply of another host to
/// the probe of `own`. The hardware addresses of this host are `ours`.
fn answered(packet: &[u8; LENGTH], own: [u8; 6], ours: &BTreeSet<Vec<u8>>) -> Option<Ipv4Addr> {
    let hardware = packet.get(8..14)?;
    let address: [u8; 4] = packet.get(14..18)?.try_into().ok()?;
    let is_reply = packet.starts_with(&REPLY) && packet.get(18..24)? == own;
    (is_reply && !ours.contains(hardware)).then_some(address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_a_request_from_nobody() {
        let own = [2, 0, 0, 0, 0, 9];
        let packet = request(own, [10, 2, 0, 100].into());
        assert_eq!(packet[..8], [0, 1, 8, 0, 6, 4, 0, 1]);
        assert_eq!(packet[8..18], [2, 0, 0, 0, 0, 9, 0, 0, 0, 0]);
        assert_eq!(packet[18..], [0, 0, 0, 0, 0, 0, 10, 2, 0, 100]);
    }

    #[test]
    fn only_a_reply_of_another_host_counts() {
        let own = [2, 0, 0, 0, 0, 9];
        let other = [2, 0, 0, 0, 0, 1];
        let ours = |second: [u8; 6]| BTreeSet::from([own.to_vec(), second.to_vec()]);
        let stranger = ours([2, 0, 0, 0, 0, 3]);
        let mut reply = request(other, [0; 4].into());
        reply[..8].copy_from_slice(&REPLY);
        reply[14..18].copy_from_slice(&[10, 2, 0, 100]);
        reply[18..24].copy_from_slice(&own);
        assert_eq!(
            answered(&reply, own, &stranger),
            Some([10, 2, 0, 100].into())
        );
        // The second interface of this host in the same segment.
        assert_eq!(answered(&reply, own, &ours(other)), None);
        // A reply to somebody else, and a request with that address.
        assert_eq!(answered(&reply, other, &stranger), None);
        reply[7] = 1;
        assert_eq!(answered(&reply, own, &stranger), None);
    }
}
