// SPDX-License-Identifier: GPL-2.0-only
//! A program that does nothing but use one map: from its descriptor the module
//! gets the map on kernels before 5.18, which keep `bpf_map_get()` to themselves.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::libc;

/// `enum bpf_cmd`, `enum bpf_prog_type` (linux/bpf.h).
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_TYPE_SOCKET_FILTER: u32 = 1;

/// The beginning of what `BPF_PROG_LOAD` takes in `union bpf_attr`.
#[repr(C)]
struct Attr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
}

/// `struct bpf_insn`; registers: destination in the low half.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// Loads such a program. It is gone when the descriptor is closed; the map is
/// whoever's took a reference meanwhile.
pub fn carrier(map: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let instructions = [
        // r1 = map, which takes two: BPF_LD | BPF_IMM | BPF_DW, BPF_PSEUDO_MAP_FD
        Instruction {
            code: 0x18,
            registers: 0x11,
            immediate: map.as_raw_fd(),
            ..Instruction::default()
        },
        Instruction::default(),
        // r0 = 0: BPF_ALU64 | BPF_MOV | BPF_K
        Instruction {
            code: 0xb7,
            ..Instruction::default()
        },
        // BPF_JMP | BPF_EXIT
        Instruction {
            code: 0x95,
            ..Instruction::default()
        },
    ];
    let attr = Attr {
        prog_type: BPF_PROG_TYPE_SOCKET_FILTER,
        insn_cnt: 4,
        insns: instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
    };
    // SAFETY: the instructions and the text outlive the call, which only reads.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_LOAD,
            &raw const attr,
            size_of::<Attr>(),
        )
    };
    match i32::try_from(descriptor) {
        // SAFETY: the kernel has just made it for us.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}
