// SPDX-License-Identifier: GPL-2.0-only
//! What needs a kernel with IPVS. Each test has a network namespace of its own.

mod ipvs_netlink;
