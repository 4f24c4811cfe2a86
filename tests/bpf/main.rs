// SPDX-License-Identifier: GPL-2.0-only
//! The eBPF programs in this host's own kernel: as root, without IPVS.

mod bench;
mod capture;
mod counter;
mod egress;
mod flow;
mod ingress;
mod network;
mod packet;
mod test_run;
mod wire;
