// SPDX-License-Identifier: GPL-2.0-only
//! Notifications of rtnetlink: something about links, addresses or routes changed. The
//! messages are not parsed, because the caller reads everything again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::{Socket, protocols::NETLINK_ROUTE};

/// `enum rtnetlink_groups` (linux/rtnetlink.h).
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
const RTNLGRP_IPV6_ROUTE: u32 = 11;

const GROUPS: [u32; 5] = [
    RTNLGRP_LINK,
    RTNLGRP_IPV4_IFADDR,
    RTNLGRP_IPV4_ROUTE,
    RTNLGRP_IPV6_IFADDR,
    RTNLGRP_IPV6_ROUTE,
];

/// The most messages that one call takes, so that a flood of routes cannot hold the
/// caller. The rest makes the socket readable again.
const AT_ONCE: usize = 4096;

/// A socket that receives the notifications of the caller's network namespace.
pub struct Notifications(Socket);

impl Notifications {
    pub fn subscribe() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        for group in GROUPS {
            socket.add_membership(group)?;
        }
        socket.set_non_blocking(true)?;
        Ok(Notifications(socket))
    }

    /// Takes the messages that have arrived. True if there was one, or if the kernel
    /// dropped some because the socket was full.
    pub fn take(&self) -> io::Result<bool> {
        let mut came = false;
        let mut buffer: Vec<u8> = Vec::with_capacity(64);
        for _ in 0..AT_ONCE {
            buffer.clear();
            // A message that is longer than the buffer is cut, which does not matter.
            match self.0.recv(&mut buffer, 0) {
                Ok(_) => came = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => came = true,
                Err(error) => return Err(error),
            }
        }
        Ok(came)
    }
}

impl AsFd for Notifications {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
