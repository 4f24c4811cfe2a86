// SPDX-License-Identifier: GPL-2.0-only
//! Sends raw frames from an interface through a packet socket that bypasses the queueing
//! discipline, many frames in each system call. Another socket receives.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The number of frames in each call.
const BATCH: usize = 64;

pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// Opens a socket at an interface of the caller's network namespace.
    pub fn at(interface: &str) -> io::Result<Self> {
        let index = nix::net::if_::if_nametoindex(interface)?;
        // With protocol 0 the socket receives nothing.
        let fd = check(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) })?;
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        for (option, value) in [(libc::PACKET_QDISC_BYPASS, 1), (libc::SO_SNDBUF, 1 << 20)] {
            let level = match option {
                libc::SO_SNDBUF => libc::SOL_SOCKET,
                _ => libc::SOL_PACKET,
            };
            check(unsafe {
                libc::setsockopt(
                    fd,
                    level,
                    option,
                    (&raw const value).cast(),
                    size_of::<libc::c_int>() as u32,
                )
            })?;
        }
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = index as i32;
        let socket = PacketSocket(socket);
        socket.bind(&address)?;
        Ok(socket)
    }

    /// Opens a socket that only receives the frames of the interface.
    pub fn listening(interface: &str) -> io::Result<Self> {
        let socket = Self::at(interface)?;
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = nix::net::if_::if_nametoindex(interface)? as i32;
        socket.bind(&address)?;
        Ok(socket)
    }

    /// The frames received so far.
    pub fn heard(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut frames = Vec::new();
        loop {
            let mut frame = vec![0; 2_000];
            let size = unsafe {
                libc::recv(
                    self.0.as_raw_fd(),
                    frame.as_mut_ptr().cast(),
                    frame.len(),
                    libc::MSG_DONTWAIT,
                )
            };
            match usize::try_from(size) {
                Ok(size) => {
                    frame.truncate(size);
                    frames.push(frame);
                }
                Err(_) => {
                    let error = io::Error::last_os_error();
                    return match error.kind() {
                        io::ErrorKind::WouldBlock => Ok(frames),
                        _ => Err(error),
                    };
                }
            }
        }
    }

    fn bind(&self, address: &libc::sockaddr_ll) -> io::Result<libc::c_int> {
        check(unsafe {
            libc::bind(
                self.0.as_raw_fd(),
                (&raw const *address).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        })
    }

    pub fn send(&self, frames: &[Vec<u8>]) -> io::Result<()> {
        for batch in frames.chunks(BATCH) {
            let mut parts = batch
                .iter()
                .map(|frame| libc::iovec {
                    iov_base: frame.as_ptr().cast_mut().cast(),
                    iov_len: frame.len(),
                })
                .collect::<Vec<_>>();
            let mut messages = parts
                .iter_mut()
                .map(|part| {
                    let mut message: libc::mmsghdr = unsafe { zeroed() };
                    message.msg_hdr.msg_iov = part;
                    message.msg_hdr.msg_iovlen = 1;
                    message
                })
                .collect::<Vec<_>>();
            let mut rest = messages.as_mut_slice();
            while !rest.is_empty() {
                let sent = check(unsafe {
                    libc::sendmmsg(self.0.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0)
                })?;
                rest = &mut rest[sent as usize..];
            }
        }
        Ok(())
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
