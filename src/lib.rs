// SPDX-License-Identifier: GPL-2.0-only
//! ipvs-bpf: declarative IPVS with full NAT by eBPF.
//!
//! Data flows one way: text → [`config`] → [`plan`] ← actual state
//! ([`ipvs_netlink`], [`kmod`], [`datapath`]); the plan's steps → kernel.

pub mod config;
pub mod datapath;
pub mod ipvs_netlink;
pub mod kmod;
pub mod model;
pub mod plan;
