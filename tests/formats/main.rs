// SPDX-License-Identifier: GPL-2.0-only
//! Saves, exports and imports states: as a file, and as text of ipvsadm.

mod export;
mod full_nat_states;
mod import;
mod keepalived;
mod save;
mod states;
