// SPDX-License-Identifier: GPL-2.0-only
//! The receiver of clients' addresses in a kernel that `lab/runner.sh` boots for this
//! binary. The test itself is the client, segment by segment, and the kernel is the
//! server.

mod addresses;
mod client;
mod director;
mod group;
mod handshakes;
mod lifetimes;
mod mptcp;
mod network;
mod options;
mod programs;
mod server;
mod socket;
mod stock;
mod tool;
