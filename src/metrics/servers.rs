// SPDX-License-Identifier: GPL-2.0-only
//! The metric families of services and of their servers.

use super::family::{Family, Label};
use crate::director::RunningService;
use crate::ipvs_netlink::Counters;
use crate::model::ServiceKey;

pub(super) fn services(services: &[RunningService]) -> Vec<Family> {
    let mut info = Family::info(
        "service",
        "A virtual service; snat is its pool of local IPs, empty where IPVS serves it natively",
    );
    let mut totals = Totals::new("service", "service");
    let mut sessions = Family::gauge("service_sessions", "Sessions of full NAT");
    for running in services {
        let service = ("service", running.key.to_string());
        let pool = running.full_nat.as_ref().map(|its| its.pool.clone());
        info.add(
            &[
                service.clone(),
                ("protocol", protocol(&running.key)),
                ("scheduler", running.service.scheduler.clone()),
                ("snat", pool.unwrap_or_default()),
            ],
            1_u32,
        );
        let labels = [service];
        totals.add(&labels, &running.statistics.counters);
        if let Some(number) = running.sessions {
            sessions.add(&labels, number);
        }
    }
    let mut families = vec![info, sessions];
    families.extend(totals.0);
    families
}

pub(super) fn servers(services: &[RunningService]) -> Vec<Family> {
    let gauge = |name, help| Family::gauge(&format!("server_{name}"), help);
    let mut info = Family::info("server", "A real server of a virtual service");
    let mut weight = gauge("weight", "Weight; 0: no new connections");
    let mut threshold = gauge(
        "upper_threshold",
        "Connections above which no more are sent; 0: no limit",
    );
    let mut active = gauge("active_connections", "Connections that are established");
    let mut inactive = gauge(
        "inactive_connections",
        "Connections that are not established",
    );
    let mut persistent = gauge("persistent_connections", "Persistence templates");
    let mut totals = Totals::new("server", "server of a service");
    for running in services {
        for (address, server) in &running.service.servers {
            let labels = [
                ("service", running.key.to_string()),
                ("server", address.to_string()),
            ];
            let [service, of] = labels.clone();
            let forward = ("forward", server.forward.name().to_owned());
            info.add(&[service, of, forward], 1_u32);
            weight.add(&labels, server.weight);
            threshold.add(&labels, server.upper_threshold);
            let statistics = running.statistics.servers.get(address);
            let statistics = statistics.copied().unwrap_or_default();
            active.add(&labels, statistics.connections.active);
            inactive.add(&labels, statistics.connections.inactive);
            persistent.add(&labels, statistics.connections.persistent);
            totals.add(&labels, &statistics.counters);
        }
    }
    let mut families = vec![info, weight, threshold, active, inactive, persistent];
    families.extend(totals.0);
    families
}

/// The counters that IPVS keeps for a service and for each of its servers.
struct Totals([Family; 5]);

impl Totals {
    fn new(prefix: &str, of: &str) -> Self {
        let counter = |name, help| {
            let help = format!("{help}, of a {of}");
            Family::counter(&format!("{prefix}_{name}"), &help)
        };
        Totals([
            counter("connections", "Connections scheduled"),
            counter("incoming_packets", "Packets from clients"),
            counter("outgoing_packets", "Packets from servers"),
            counter("incoming_bytes", "Bytes from clients"),
            counter("outgoing_bytes", "Bytes from servers"),
        ])
    }

    fn add(&mut self, labels: &[Label], counters: &Counters) {
        let values = [
            counters.connections,
            counters.incoming_packets,
            counters.outgoing_packets,
            counters.incoming_bytes,
            counters.outgoing_bytes,
        ];
        for (family, value) in self.0.iter_mut().zip(values) {
            family.add(labels, value);
        }
    }
}

fn protocol(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address { protocol, .. } => protocol.to_string(),
        ServiceKey::Fwmark { .. } => "fwmark".to_owned(),
    }
}
