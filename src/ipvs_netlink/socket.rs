// SPDX-License-Identifier: GPL-2.0-only
//! The way to the kernel: a generic-netlink socket, or whatever else carries
//! datagrams.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};
use nix::libc::MSG_TRUNC;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

/// Room for the answers to many requests sent at once.
const RECEIVE_BUFFER: usize = 4 << 20;

/// The kernel answers before `send` returns, so nobody waits this long for
/// anything but an answer that is lost.
const PATIENCE_SECONDS: i64 = 5;

pub trait Transport {
    /// Sends one datagram: a request, or several.
    fn send(&mut self, requests: &[u8]) -> io::Result<()>;

    /// Replaces what is in `datagram` by the next one, as far as its capacity
    /// allows, and returns how long that is in whole.
    fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<usize>;

    /// A new way to the same kernel and network namespace.
    fn another(&self) -> io::Result<Self>
    where
        Self: Sized;
}

/// A socket that is connected to the kernel of the network namespace in which
/// it was opened.
pub struct KernelSocket {
    socket: Socket,
    /// The namespace's number, which the socket keeps from being given again.
    namespace: u64,
}

impl KernelSocket {
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // An acknowledgement does not repeat the request, and says why not.
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        // Beyond net.core.rmem_max only root may go; others get that much.
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

/// A signal may be noted by somebody; it is no failure of the socket, which has
/// a time limit and is thus not restarted by the kernel.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
