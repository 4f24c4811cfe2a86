// SPDX-License-Identifier: GPL-2.0-only
//! The family IPVS without a kernel: against a scripted one, and against
//! bytes captured from `ipvsadm` and a real kernel.

mod encoding;
mod faults;
mod golden;
mod many_changes;
mod reading;
mod refusals;
mod replay;
mod scripted;
mod settings;
