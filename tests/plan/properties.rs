// SPDX-License-Identifier: GPL-2.0-only
//! What holds for the plan of any two states.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ipvs_bpf::model::{Family, Forward, Protocol, Server, Service, ServiceKey, State};
use ipvs_bpf::plan::{Op, Options, Plan, Refusal, Step, plan};
use proptest::prelude::*;

use super::kernel::{carry_out, has_address};
use super::states::{state, state_with_fixed_pools};

const STRICT: Options = Options {
    keep_weights: false,
    prune: true,
};

/// A plan may be refused for one reason alone: an only address moves.
fn is_refused(plan: &Plan) -> bool {
    for refusal in &plan.refusals {
        assert!(
            matches!(refusal, Refusal::LastAddress { .. }),
            "a state that is in order is refused: {refusal}"
        );
    }
    !plan.refusals.is_empty()
}

fn takes_connections(state: &State, key: &ServiceKey) -> bool {
    state
        .services
        .get(key)
        .is_some_and(|service| service.servers.values().any(|server| server.weight > 0))
}

fn has_hooks(state: &State, family: Family) -> bool {
    state.services.keys().any(|key| key.family() == family)
}

/// No connection of a full-NAT service is born native, and none finds its pool
/// empty or an interface without programs.
fn full_nat_is_whole(actual: &State, desired: &State, now: &State) {
    for (key, service) in &now.services {
        let was = actual.full_nat.contains_key(key);
        let will = desired.full_nat.contains_key(key);
        let is = now.full_nat.contains_key(key);
        if was && will {
            assert!(is, "{key} left the module on its way");
        }
        if will && !is && !service.servers.is_empty() {
            let untouched = actual.services.get(key) == Some(service);
            assert!(untouched, "{key} changes in IPVS, unknown to the module");
        }
        if was && !desired.services.contains_key(key) {
            assert!(is, "{key} leaves the module before it leaves IPVS");
        }
    }
    for (key, pool) in &now.full_nat {
        assert!(
            has_address(now, pool, key.family()),
            "pool {pool} of {key} is empty"
        );
        let (Some(datapath), Some(wanted)) = (&now.datapath, &desired.datapath) else {
            assert!(now.datapath.is_some(), "no datapath for {key}");
            continue;
        };
        if !actual.full_nat.contains_key(key) {
            assert!(datapath.interfaces.is_superset(&wanted.interfaces));
        }
    }
    if now.datapath.is_none() {
        assert!(now.local_ips.is_empty() && now.full_nat.is_empty());
    }
}

fn service_is_kept_up(actual: &State, desired: &State, now: &State) {
    for key in actual.services.keys() {
        if takes_connections(actual, key) && takes_connections(desired, key) {
            assert!(takes_connections(now, key), "{key} has nobody to serve it");
        }
    }
    for family in [Family::Ipv4, Family::Ipv6] {
        if has_hooks(actual, family) && has_hooks(desired, family) {
            assert!(
                has_hooks(now, family),
                "IPVS unregisters its {family} hooks"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn carrying_out_the_plan_ends_in_what_was_asked_for(desired in state(), actual in state()) {
        let plan = plan(&desired, &actual, &STRICT);
        prop_assume!(!is_refused(&plan));
        let end = carry_out(&plan, &actual, |_| {}).unwrap();
        prop_assert_eq!(end, desired);
    }

    #[test]
    fn no_full_nat_connection_is_ever_born_native(desired in state(), actual in state()) {
        let plan = plan(&desired, &actual, &STRICT);
        prop_assume!(!is_refused(&plan));
        carry_out(&plan, &actual, |now| full_nat_is_whole(&actual, &desired, now)).unwrap();
    }

    #[test]
    fn a_service_that_has_servers_before_and_after_always_has_one(
        desired in state(),
        actual in state(),
    ) {
        let plan = plan(&desired, &actual, &STRICT);
        prop_assume!(!is_refused(&plan));
        carry_out(&plan, &actual, |now| service_is_kept_up(&actual, &desired, now)).unwrap();
    }

    #[test]
    fn planning_again_gives_nothing(
        desired in state(),
        actual in state(),
        keep_weights in any::<bool>(),
        prune in any::<bool>(),
    ) {
        let options = Options { keep_weights, prune };
        let first = plan(&desired, &actual, &options);
        prop_assume!(first.refusals.is_empty());
        let end = carry_out(&first, &actual, |_| {}).unwrap();
        let second = plan(&desired, &end, &options);
        prop_assert!(second.is_empty(), "{}", second);
    }

    #[test]
    fn the_same_state_is_nothing_to_do(same in state()) {
        let plan = plan(&same, &same, &STRICT);
        prop_assert!(plan.is_empty(), "{}", plan);
    }

    #[test]
    fn without_moving_addresses_nothing_is_refused(
        desired in state_with_fixed_pools(),
        actual in state_with_fixed_pools(),
    ) {
        let plan = plan(&desired, &actual, &STRICT);
        prop_assert!(plan.refusals.is_empty(), "{}", plan);
    }

    #[test]
    fn without_prune_what_the_file_does_not_list_stays(desired in state(), actual in state()) {
        let options = Options { keep_weights: false, prune: false };
        for step in plan(&desired, &actual, &options).steps {
            match step {
                // The file lists this service, as a native one.
                Step::RemoveFullNat { service, .. } => {
                    prop_assert!(desired.services.contains_key(&service));
                }
                step => prop_assert!(step.op() != Op::Remove, "{}", step),
            }
        }
    }

    #[test]
    fn without_prune_the_file_is_still_carried_out(desired in state(), actual in state()) {
        let options = Options { keep_weights: false, prune: false };
        let plan = plan(&desired, &actual, &options);
        prop_assume!(plan.refusals.is_empty());
        let end = carry_out(&plan, &actual, |_| {}).unwrap();
        prop_assert!(desired.local_ips.iter().all(|(ip, ports)| end.local_ips.get(ip) == Some(ports)));
        for (key, service) in &desired.services {
            prop_assert_eq!(end.full_nat.get(key), desired.full_nat.get(key));
            for (address, server) in &service.servers {
                prop_assert_eq!(end.services[key].servers.get(address), Some(server));
            }
        }
    }

    #[test]
    fn with_keep_weights_only_new_servers_take_the_files_weight(
        desired in state(),
        actual in state(),
    ) {
        let options = Options { keep_weights: true, prune: true };
        let plan = plan(&desired, &actual, &options);
        prop_assume!(!is_refused(&plan));
        let mut end = carry_out(&plan, &actual, |_| {}).unwrap();
        for (key, service) in &mut end.services {
            for (address, server) in &mut service.servers {
                let wanted = desired.services[key].servers[address].weight;
                let there = actual.services.get(key).and_then(|s| s.servers.get(address));
                prop_assert_eq!(server.weight, there.map_or(wanted, |there| there.weight));
                server.weight = wanted;
            }
        }
        prop_assert_eq!(end, desired);
    }
}

/// One comparison a pair would be 10^10 of them: minutes, not seconds.
#[test]
fn a_hundred_thousand_servers_are_planned_in_one_walk() {
    let state = |weight| {
        let server = Server {
            weight,
            forward: Forward::Masq,
            upper_threshold: 0,
            lower_threshold: 0,
        };
        let servers: BTreeMap<SocketAddr, Server> = (0..100_000_u32)
            .map(|n| {
                let host = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n);
                (SocketAddr::from((host, 80)), server.clone())
            })
            .collect();
        let key = ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: "192.0.2.1:80".parse().unwrap(),
        };
        let service = Service {
            scheduler: "wrr".to_owned(),
            scheduler_flags: [false; 3],
            persistence: None,
            one_packet: false,
            servers,
        };
        State {
            services: BTreeMap::from([(key, service)]),
            ..State::default()
        }
    };
    let (desired, actual) = (state(2), state(1));
    let start = Instant::now();
    assert_eq!(plan(&desired, &actual, &STRICT).steps.len(), 100_000);
    assert!(start.elapsed() < Duration::from_secs(10));
}
