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
mod observe;
mod older;
mod open_connections;
mod running;
mod sysctl;
mod target;
mod teardown;
mod usable_ports;
mod utilisation;
mod weight;
mod zero;

pub use carry_out::Kernel;
pub use error::Error;
pub use flush::{flush, flushable};
pub use follower::{Claim, FollowerState, LastApply, following};
pub use host_ports::HostPorts;
pub use listeners::Listeners;
pub use local_addresses::LocalAddresses;
pub use lock::Lock;
pub use namespace::{NAMESPACES, enter};
pub use observe::{interfaces, observe, observe_again, observe_loaded, observe_receiver};
pub use older::{refuse_older_module, remove_older_module};
pub use running::{
    RunningDataPlane, RunningService, has_ipvs, has_random_secret, pins_are_lost, running_daemons,
    running_data_plane, running_service_keys, running_services, running_services_named,
    running_state, running_timeouts, services_by_rule, syncs, unserved_services,
};
pub use teardown::teardown;
pub use usable_ports::UsablePorts;
pub use utilisation::{Busiest, RunningLocalIp, UsedPorts, running_local_ips, utilisation};
pub use weight::set_weight;
pub use zero::zero;
