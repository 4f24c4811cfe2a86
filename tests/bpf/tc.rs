// SPDX-License-Identifier: GPL-2.0-only
//! The tests that both programs pass, for the one at tc ingress.

use crate::bench::Hook;

#[path = "checksums.rs"]
mod checksums;
#[path = "fast_path.rs"]
mod fast_path;
#[path = "fast_path4.rs"]
mod fast_path4;
#[path = "fast_path6.rs"]
mod fast_path6;
#[path = "packet_fixtures.rs"]
mod packet_fixtures;
#[path = "table.rs"]
mod table;

/// The program that the tests run.
const HOOK: Hook = Hook::Tc;
