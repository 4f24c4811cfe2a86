// SPDX-License-Identifier: GPL-2.0-only
//! Both ends of a TCP connection that is established from the start (`TCP_REPAIR`). No
//! SYN is sent, which the fast path would not forward.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};

use crate::capture::PATIENCE;
use crate::option::set_option;

/// `linux/tcp.h`: the queues of `TCP_REPAIR_QUEUE`, and the initial sequence numbers of
/// both ends.
const RECEIVE_QUEUE: i32 = 1;
const SEND_QUEUE: i32 = 2;
/// `struct tcp_repair_opt`: the window scale for sending and receiving.
const WINDOW_SCALE: [u32; 2] = [3, 7 | 7 << 16];
const CLIENTS: i32 = 1_000_000;
const SERVERS: i32 = 2_000_000;

/// The client's end, in the caller's network namespace.
pub fn client(ends: [SocketAddr; 2], segment: usize) -> TcpStream {
    established(ends, segment, [CLIENTS, SERVERS])
}

/// The server's end.
pub fn server(ends: [SocketAddr; 2], segment: usize) -> TcpStream {
    established(ends, segment, [SERVERS, CLIENTS])
}

fn established(
    [own, other]: [SocketAddr; 2],
    segment: usize,
    [sent, received]: [i32; 2],
) -> TcpStream {
    let family = match own {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let fd: OwnedFd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let tcp = |name, value| set_option(&fd, libc::IPPROTO_TCP, name, value);
    tcp(libc::TCP_REPAIR, 1);
    tcp(libc::TCP_MAXSEG, segment as i32);
    for (queue, number) in [(SEND_QUEUE, sent), (RECEIVE_QUEUE, received)] {
        tcp(libc::TCP_REPAIR_QUEUE, queue);
        tcp(libc::TCP_QUEUE_SEQ, number);
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(own)).unwrap();
    connect(fd.as_raw_fd(), &SockaddrStorage::from(other)).unwrap();
    set_option(
        &fd,
        libc::IPPROTO_TCP,
        libc::TCP_REPAIR_OPTIONS,
        WINDOW_SCALE,
    );
    // This makes the kernel ask the other end for its window.
    tcp(libc::TCP_REPAIR, 0);
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}
