// SPDX-License-Identifier: GPL-2.0-only
//! Moving in and out: a state as a file, and as the text of ipvsadm.

mod export;
mod full_nat_states;
mod import;
mod save;
mod states;
