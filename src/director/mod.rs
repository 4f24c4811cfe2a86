// SPDX-License-Identifier: GPL-2.0-only
//! The director in the kernel: reads its state, carries out the steps of a plan, and does
//! the daily jobs that need no plan.

mod carry_out;
pub mod drain;
mod error;
mod flush;
mod follower;
mod host_ports;
mod listeners;
mod local_addresses;
mod lock;
mod namespace;
mod now;
mod observe;
mod older;
mod sysctl;
mod target;
mod teardown;
mod unfinished;
mod usable_ports;
mod utilisation;
mod weight;
mod zero;

pub use carry_out::Kernel;
pub use error::Error;
pub use flush::{flush, flushable};
pub use follower::{Claim, Following, LastApply, following};
pub use host_ports::HostPorts;
pub use listeners::Listeners;
pub use local_addresses::LocalAddresses;
pub use lock::Lock;
pub use namespace::{NAMESPACES, enter};
pub use now::{
    DataPlaneNow, ServiceNow, daemons_now, data_plane_now, has_ipvs, named_services_now,
    pins_are_lost, service_keys_now, services_by_rule, services_now, state_now,
    syncs_with_random_secret, timeouts_now, unserved_now,
};
pub use observe::{interfaces, observe, observe_again, observe_loaded, observe_receiver};
pub use older::take_away_older_module;
pub use teardown::teardown;
pub use usable_ports::UsablePorts;
pub use utilisation::{Busiest, LocalIpNow, local_ips_now, utilisation};
pub use weight::set_weight;
pub use zero::zero;
