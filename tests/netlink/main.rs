// SPDX-License-Identifier: GPL-2.0-only
//! The IPVS family without a kernel: with a scripted one, and with bytes captured from
//! `ipvsadm` and a real kernel.

mod encoding;
mod faults;
mod golden;
mod many_changes;
mod reading;
mod refusals;
mod replay;
mod scripted;
mod settings;
