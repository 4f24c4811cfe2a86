// SPDX-License-Identifier: GPL-2.0-only
//! The director as the kernel has it: observing its state, and carrying out
//! the steps of a plan.

mod carry_out;
mod error;
mod local_addresses;
mod lock;
mod namespace;
mod now;
mod observe;
mod sysctl;
mod teardown;

pub use carry_out::Kernel;
pub use error::Error;
pub use local_addresses::LocalAddresses;
pub use lock::Lock;
pub use namespace::enter;
pub use now::{DataPlaneNow, ServiceNow, daemons_now, data_plane_now, services_now, timeouts_now};
pub use observe::{interfaces, observe, observe_again};
pub use teardown::teardown;
