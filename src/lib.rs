// SPDX-License-Identifier: GPL-2.0-only
//! ipvs-bpf: declarative IPVS with full NAT by eBPF.
//!
//! Data flows one way: text → [`config`] → [`plan`] ← actual state
//! ([`director`]); the plan's steps → [`director`] → kernel
//! ([`ipvs_netlink`], [`kmod`], [`datapath`]).

pub mod cli;
pub mod commands;
pub mod config;
pub mod datapath;
pub mod director;
pub mod doctor;
pub mod ip_vs_conn;
pub mod ipvs_netlink;
pub mod ipvsadm;
pub mod keepalived;
pub mod kmod;
pub mod metrics;
pub mod model;
pub mod output;
pub mod plan;
mod rtnetlink;
pub mod toa;
