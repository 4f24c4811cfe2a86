// SPDX-License-Identifier: GPL-2.0-only
//! `BPF_PROG_TEST_RUN` of a program at tc or XDP, which aya does not have.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

const BPF_PROG_TEST_RUN: i64 = 10;

pub const TC_ACT_UNSPEC: i32 = -1;
pub const TC_ACT_SHOT: i32 = 2;
pub const TC_ACT_REDIRECT: i32 = 7;
pub const XDP_DROP: i32 = 1;
pub const XDP_PASS: i32 = 2;
pub const XDP_TX: i32 = 3;
pub const XDP_REDIRECT: i32 = 4;

/// `struct { … } test` of `union bpf_attr`.
#[repr(C)]
#[derive(Default)]
struct Attr {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    pad: u32,
}

/// The result for a packet.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `TC_ACT_*` or `XDP_*`
    pub action: i32,
    pub frame: Vec<u8>,
}

/// Runs the program once on the Ethernet frame.
pub fn test_run(program: BorrowedFd<'_>, frame: &[u8]) -> Outcome {
    let mut out = vec![0u8; frame.len() + 256];
    let mut attr = Attr {
        prog_fd: program.as_raw_fd() as u32,
        data_size_in: frame.len() as u32,
        data_size_out: out.len() as u32,
        data_in: frame.as_ptr() as u64,
        data_out: out.as_mut_ptr() as u64,
        ..Attr::default()
    };
    // SAFETY: the attributes point to buffers of the given lengths, which outlive the
    // call.
    let result = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_bpf,
            BPF_PROG_TEST_RUN,
            &raw mut attr,
            size_of::<Attr>(),
        )
    };
    assert_eq!(
        result,
        0,
        "BPF_PROG_TEST_RUN of {} bytes: {}",
        frame.len(),
        io::Error::last_os_error()
    );
    out.truncate(attr.data_size_out as usize);
    Outcome {
        action: attr.retval as i32,
        frame: out,
    }
}
