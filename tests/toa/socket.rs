// SPDX-License-Identifier: GPL-2.0-only
//! Socket calls that std does not have.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd};

use nix::libc;

/// setsockopt(2).
#[track_caller]
pub fn set_option(socket: &impl AsFd, level: i32, name: i32, value: i32) {
    // SAFETY: the value has that length.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of_val(&value) as u32,
        )
    };
    assert_eq!(result, 0, "setsockopt: {}", io::Error::last_os_error());
}

/// Ends the connection and keeps the socket for another one: connect(2) with `AF_UNSPEC`.
pub fn disconnect(socket: &impl AsFd) {
    // SAFETY: all zeros is an address of family AF_UNSPEC.
    let address: libc::sockaddr = unsafe { std::mem::zeroed() };
    // SAFETY: the address has that length.
    let result = unsafe {
        libc::connect(
            socket.as_fd().as_raw_fd(),
            &raw const address,
            size_of_val(&address) as u32,
        )
    };
    assert_eq!(result, 0, "connect: {}", io::Error::last_os_error());
}

/// Begins a connection to an IPv4 address without waiting for it.
pub fn begin_connect(socket: &impl AsFd, address: [u8; 4], port: u16) {
    // SAFETY: all zeros is a valid value.
    let mut to: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    to.sin_family = libc::AF_INET as u16;
    to.sin_port = port.to_be();
    to.sin_addr.s_addr = u32::from_ne_bytes(address);
    // SAFETY: the address has that length.
    let result = unsafe {
        libc::connect(
            socket.as_fd().as_raw_fd(),
            (&raw const to).cast(),
            size_of_val(&to) as u32,
        )
    };
    let error = io::Error::last_os_error();
    assert_eq!(result, -1);
    assert_eq!(error.raw_os_error(), Some(libc::EINPROGRESS));
}

/// A listening socket of Multipath TCP. `None` if the kernel does not support it.
pub fn listen_mptcp(family: i32, port: u16) -> Option<TcpListener> {
    // SAFETY: the call takes no pointer, and nothing else owns the descriptor.
    let listener = unsafe {
        let fd = libc::socket(
            family,
            libc::SOCK_STREAM | libc::SOCK_CLOEXEC,
            libc::IPPROTO_MPTCP,
        );
        if fd < 0 {
            return None;
        }
        TcpListener::from_raw_fd(fd)
    };
    // SAFETY: all zeros is a valid value, and is the unspecified address.
    let mut own: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
    own.sin6_family = family as u16;
    // The port is at the same offset in both families.
    own.sin6_port = port.to_be();
    // SAFETY: the address has that length.
    let result = unsafe {
        libc::bind(
            listener.as_raw_fd(),
            (&raw const own).cast(),
            size_of_val(&own) as u32,
        )
    };
    assert_eq!(result, 0, "bind: {}", io::Error::last_os_error());
    // SAFETY: the call takes no pointer.
    let result = unsafe { libc::listen(listener.as_raw_fd(), 8) };
    assert_eq!(result, 0, "listen: {}", io::Error::last_os_error());
    Some(listener)
}

/// `SO_PROTOCOL`.
pub fn protocol(stream: &TcpStream) -> i32 {
    let mut protocol = 0_i32;
    let mut length = size_of_val(&protocol) as u32;
    // SAFETY: the value has that length.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PROTOCOL,
            (&raw mut protocol).cast(),
            &raw mut length,
        )
    };
    assert_eq!(result, 0, "getsockopt: {}", io::Error::last_os_error());
    protocol
}

/// accept(2) without asking for the address of the peer.
pub fn accept_unseen(listener: &TcpListener) -> TcpStream {
    // SAFETY: null means that no address is wanted, and nothing else owns the descriptor.
    unsafe {
        let fd = libc::accept(
            listener.as_raw_fd(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        );
        assert!(fd >= 0, "accept: {}", io::Error::last_os_error());
        TcpStream::from_raw_fd(fd)
    }
}
