// SPDX-License-Identifier: GPL-2.0-only
//! The transport of datagrams to the kernel: a generic-netlink socket, or another one for
//! tests.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};
use nix::libc::MSG_TRUNC;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

/// Enough for the answers to many requests sent at once.
const RECEIVE_BUFFER: usize = 4 << 20;

/// The time limit for an answer. The kernel answers before `send` returns, so only a lost
/// answer takes this long.
const PATIENCE_SECONDS: i64 = 5;

pub trait Transport {
    /// Sends one datagram: a request, or several.
    fn send(&mut self, requests: &[u8]) -> io::Result<()>;

    /// Replaces the contents of `datagram` by the next datagram, cut at its capacity.
    /// Returns the full length of that datagram.
    fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<usize>;

    /// A new connection to the same kernel and network namespace.
    fn another(&self) -> io::Result<Self>
    where
        Self: Sized;
}

/// A socket that is connected to the kernel. It stays in the network namespace in which
/// it was opened.
pub struct KernelSocket {
    socket: Socket,
    /// The namespace's number. The socket keeps it from being reused.
    namespace: u64,
}

impl KernelSocket {
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Acknowledgements do not repeat the request, and include the reason of a
        // refusal.
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        // Only root can exceed net.core.rmem_max. Other users get that limit.
        setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER))?;
        let patience = TimeVal::seconds(PATIENCE_SECONDS);
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
        Ok(KernelSocket {
            socket,
            namespace: fs::metadata("/proc/thread-self/ns/net")?.ino(),
        })
    }
}

impl Transport for KernelSocket {
    fn send(&mut self, requests: &[u8]) -> io::Result<()> {
        uninterrupted(|| self.socket.send(requests, 0)).map(drop)
    }

    fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            let (length, sender) = uninterrupted(|| {
                datagram.clear();
                self.socket.recv_from(datagram, MSG_TRUNC)
            })?;
            if sender.port_number() == 0 {
                return Ok(length);
            }
        }
    }

    fn another(&self) -> io::Result<Self> {
        let other = KernelSocket::open()?;
        if other.namespace != self.namespace {
            let text = "the thread has moved to another network namespace";
            return Err(io::Error::other(text));
        }
        Ok(other)
    }
}

/// Calls again after a signal. A signal is not a failure of the socket, but the kernel
/// does not restart calls on a socket with a time limit.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
