// SPDX-License-Identifier: GPL-2.0-only
//! The eBPF programs in this host's own kernel: as root, without IPVS.

mod bench;
mod counter;
mod egress;
mod flow;
mod ingress;
mod packet;
mod test_run;
