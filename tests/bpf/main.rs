// SPDX-License-Identifier: GPL-2.0-only
//! Tests the eBPF programs in the kernel of this host: as root, without IPVS.

mod bench;
mod capture;
mod family;
mod flow;
mod frames;
mod lease;
mod network;
mod offloads;
mod option;
mod packet;
mod packet6;
mod repaired;
mod tc;
mod test_run;
mod wire;
mod xdp;
