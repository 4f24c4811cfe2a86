// SPDX-License-Identifier: GPL-2.0-only
//! End to end, in a kernel with IPVS: `lab/runner` boots one for this binary.

mod accounting;
mod balance;
mod changes;
mod download;
mod drain;
mod everything;
mod examples;
mod exhaustion;
mod failed_steps;
mod flush;
mod formats;
mod fragments;
mod full_nat;
mod icmp_errors;
mod ip_options;
mod ipv6;
mod ipvs_netlink;
mod ipvsadm_options;
mod lab;
mod lifecycle;
mod lifetimes;
mod many;
mod neighbours;
mod path_mtu;
mod places;
mod port_reuse;
mod proc_files;
mod reconcile;
mod reconcile_options;
mod sctp;
mod settings;
mod show;
mod talk;
mod vlan;
mod weight_and_zero;
