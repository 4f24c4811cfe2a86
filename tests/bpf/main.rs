// SPDX-License-Identifier: GPL-2.0-only
//! The eBPF programs in this host's own kernel: as root, without IPVS.

mod bench;
mod capture;
mod fast_path;
mod fast_path6;
mod flow;
mod lease;
mod network;
mod packet;
mod packet6;
mod test_run;
mod wire;
