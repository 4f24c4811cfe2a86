// SPDX-License-Identifier: GPL-2.0-only
//! The eBPF program in this host's own kernel: as root, without IPVS.

mod bench;
mod capture;
mod family;
mod fast_path;
mod fast_path6;
mod flow;
mod frames;
mod lease;
mod network;
mod offloads;
mod option;
mod packet;
mod packet6;
mod repaired;
mod table;
mod test_run;
mod wire;
