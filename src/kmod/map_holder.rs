// SPDX-License-Identifier: GPL-2.0-only
//! An eBPF program that only uses one map. On kernels before 5.18, which do not export
//! `bpf_map_get()`, the module gets the map from the descriptor of this program.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::libc;

/// `enum bpf_cmd`, `enum bpf_prog_type` (linux/bpf.h).
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_TYPE_SOCKET_FILTER: u32 = 1;

/// The beginning of `union bpf_attr` as `BPF_PROG_LOAD` takes it.
#[repr(C)]
struct Attr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
}

/// `struct bpf_insn`. `registers`: the destination is in the low half.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// Loads such a program. It is freed when the descriptor is closed. The map stays if the
/// module took a reference to it.
pub fn map_holder(map: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let instructions = [
        // r1 = map. Takes two instructions: BPF_LD | BPF_IMM | BPF_DW, BPF_PSEUDO_MAP_FD
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
    // SAFETY: the instructions and the text outlive the call, which only reads them.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_LOAD,
            &raw const attr,
            size_of::<Attr>(),
        )
    };
    match i32::try_from(descriptor) {
        // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}
