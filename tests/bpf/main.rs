// SPDX-License-Identifier: GPL-2.0-only
//! Tests the eBPF program in the kernel of this host: as root, without IPVS.

mod bench;
mod capture;
mod family;
mod fast_path;
mod fast_path4;
mod fast_path6;
mod flow;
mod frames;
mod lease;
mod network;
mod offloads;
mod option;
mod packet;
mod packet6;
mod packet_fixtures;
mod repaired;
mod table;
mod test_run;
mod wire;
