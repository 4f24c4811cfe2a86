// SPDX-License-Identifier: GPL-2.0-only
//! Properties of the plan for any two states.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ipvs_bpf::model::{
    Family, Forward, FullNat, Protocol, Server, Service, ServiceKey, State, SyncState, Timeout,
};
use ipvs_bpf::plan::{Op, Options, Plan, Prune, Refusal, Step, goal, plan};
use proptest::prelude::*;
use proptest::sample::select;

use super::kernel::{carry_out, has_address, has_daemons, has_mixed_families};
use super::states::{running, state, state_with_fixed_pools};

const STRICT: Options = Options {
    keep_weights: false,
    prune: Prune::Everything,
};

/// A plan may be refused for only two reasons. A daemon that the file does not mention
/// excludes a server that it lists. Or removing a rule would remove another program's
/// services.
fn is_refused(plan: &Plan, goal: &State, actual: &State) -> bool {
    for refusal in &plan.refusals {
        let right = match refusal {
            Refusal::MixedFamilies { .. } => {
                goal.sync.as_ref().is_some_and(has_daemons) && has_mixed_families(goal)
            }
            Refusal::ServicesOfOthers { rule, service, .. } => {
                actual.services.contains_key(service)
                    && rule.covers(service)
                    && actual.rules.contains_key(rule)
                    && !goal.rules.keys().any(|rule| rule.covers(service))
            }
            _ => false,
        };
        assert!(right, "a state that is in order is refused: {refusal}");
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

/// No connection of a full-NAT service starts as a native one, and none finds its pool
/// empty.
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
    for (key, FullNat { pool, .. }) in &now.full_nat {
        assert!(
            has_address(now, pool, key.family()),
            "pool {pool} of {key} is empty"
        );
    }
    for (rule, FullNat { pool, .. }) in &now.rules {
        assert!(
            has_address(now, pool, rule.family()),
            "pool {pool} of {rule} is empty"
        );
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

/// Checks the same again, without the functions of `goal`.
fn listed_settings_are_present(desired: &State, end: &State) {
    assert_eq!(end.services, desired.services);
    assert_eq!(end.full_nat, desired.full_nat);
    assert_eq!(end.rules, desired.rules);
    assert_eq!(end.local_ips, desired.local_ips);
    assert_eq!(end.datapath, desired.datapath);
    for timeout in Timeout::ALL {
        if let Some(seconds) = desired.timeouts.get(timeout) {
            assert_eq!(end.timeouts.get(timeout), Some(seconds));
        }
    }
    for (name, value) in &desired.sysctls {
        let there = &end.sysctls[name];
        assert!(there == value || (name == "drop_entry" && (value == "1" && there == "2")));
    }
    let Some(listed) = &desired.sync else { return };
    for state in SyncState::ALL {
        let there = end.sync.as_ref().and_then(|daemons| daemons.get(state));
        match (listed.get(state), there) {
            (Some(listed), Some(there)) => {
                let mut there = there.clone();
                if listed.sync_maxlen.is_none() {
                    there.sync_maxlen = None;
                }
                assert_eq!(there, *listed);
            }
            (listed, there) => assert_eq!(listed, there),
        }
    }
}

proptest! {
    // A third of the pairs of states is refused and replaced by another pair.
    #![proptest_config(ProptestConfig {
        cases: 2000,
        max_global_rejects: 20_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn carrying_out_the_plan_reaches_the_wanted_state(desired in state(), actual in running()) {
        let plan = plan(&desired, &actual, &STRICT);
        let goal = goal(&desired, &actual, &STRICT);
        prop_assume!(!is_refused(&plan, &goal, &actual));
        let end = carry_out(&plan, &actual, |_| {}).unwrap();
        prop_assert_eq!(&end, &goal);
        listed_settings_are_present(&desired, &end);
    }

    #[test]
    fn no_full_nat_connection_is_ever_native(desired in state(), actual in running()) {
        let plan = plan(&desired, &actual, &STRICT);
        prop_assume!(!is_refused(&plan, &goal(&desired, &actual, &STRICT), &actual));
        carry_out(&plan, &actual, |now| full_nat_is_whole(&actual, &desired, now)).unwrap();
    }

    #[test]
    fn a_service_that_has_servers_before_and_after_always_has_one(
        desired in state(),
        actual in running(),
    ) {
        let plan = plan(&desired, &actual, &STRICT);
        prop_assume!(!is_refused(&plan, &goal(&desired, &actual, &STRICT), &actual));
        carry_out(&plan, &actual, |now| service_is_kept_up(&actual, &desired, now)).unwrap();
    }

    #[test]
    fn planning_again_gives_nothing(
        desired in state(),
        actual in running(),
        keep_weights in any::<bool>(),
        prune in select(vec![Prune::Everything, Prune::Listed, Prune::Nothing]),
    ) {
        let options = Options { keep_weights, prune };
        let first = plan(&desired, &actual, &options);
        prop_assume!(first.refusals.is_empty());
        let end = carry_out(&first, &actual, |_| {}).unwrap();
        let second = plan(&desired, &end, &options);
        prop_assert!(second.is_empty(), "{}", second);
    }

    #[test]
    fn no_step_is_about_the_servers_of_another_program(
        mut desired in state(),
        actual in running(),
        keep_weights in any::<bool>(),
        prune in select(vec![Prune::Everything, Prune::Listed, Prune::Nothing]),
    ) {
        for service in desired.services.values_mut() {
            service.servers.clear();
        }
        desired.external_servers = desired.services.keys().cloned().collect();
        let options = Options { keep_weights, prune };
        let plan = plan(&desired, &actual, &options);
        for step in &plan.steps {
            let about = match step {
                Step::AddServer { service, .. }
                | Step::ChangeServer { service, .. }
                | Step::RemoveServer { service, .. } => desired.services.contains_key(service),
                _ => false,
            };
            prop_assert!(!about, "{}", step);
        }
        prop_assume!(plan.refusals.is_empty());
        let end = carry_out(&plan, &actual, |_| {}).unwrap();
        for key in desired.services.keys() {
            let before = actual.services.get(key).map(|service| service.servers.clone());
            prop_assert_eq!(&end.services[key].servers, &before.unwrap_or_default());
        }
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
        let of_others = |refusal: &Refusal| matches!(refusal, Refusal::ServicesOfOthers { .. });
        prop_assert!(plan.refusals.iter().all(of_others), "{}", plan);
    }

    #[test]
    fn no_service_that_a_rule_left_to_another_program_is_removed(
        desired in state(),
        actual in running(),
        prune in select(vec![Prune::Everything, Prune::Listed, Prune::Nothing]),
    ) {
        let options = Options { keep_weights: false, prune };
        let plan = plan(&desired, &actual, &options);
        prop_assume!(plan.refusals.is_empty());
        for step in &plan.steps {
            if let Step::RemoveService { service, .. } = step {
                let left = actual.rules.keys().any(|rule| rule.covers(service));
                let own = actual.full_nat.contains_key(service);
                prop_assert!(own || !left, "{}", step);
            }
        }
    }

    #[test]
    fn without_prune_what_the_file_does_not_list_stays(desired in state(), actual in running()) {
        let options = Options { keep_weights: false, prune: Prune::Nothing };
        for step in plan(&desired, &actual, &options).steps {
            match step {
                // The file lists this service as a native one.
                Step::RemoveFullNat { service, .. } => {
                    prop_assert!(desired.services.contains_key(&service));
                }
                // The daemon is restarted.
                Step::StopDaemon { state, .. } => {
                    let listed = desired.sync.as_ref().and_then(|sync| sync.get(state));
                    prop_assert!(listed.is_some());
                }
                step => prop_assert!(step.op() != Op::Remove, "{}", step),
            }
        }
    }

    #[test]
    fn without_prune_the_file_is_still_carried_out(desired in state(), actual in running()) {
        let options = Options { keep_weights: false, prune: Prune::Nothing };
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
    fn settings_that_are_not_listed_are_left_alone(desired in state(), actual in running()) {
        for step in plan(&desired, &actual, &STRICT).steps {
            match step {
                Step::ChangeTimeout { timeout, new, .. } => {
                    prop_assert_eq!(desired.timeouts.get(timeout), Some(new));
                }
                Step::ChangeSysctl { name, new, .. } => {
                    prop_assert_eq!(desired.sysctls.get(&name), Some(&new));
                }
                Step::StartDaemon { .. } | Step::StopDaemon { .. } => {
                    prop_assert!(desired.sync.is_some());
                }
                _ => {}
            }
        }
    }

    #[test]
    fn only_listed_takes_from_listed_services_and_pools_alone(
        desired in state(),
        actual in running(),
    ) {
        let options = Options { keep_weights: false, prune: Prune::Listed };
        let lists_pool = |pool: &str| desired.local_ips.keys().any(|ip| ip.pool == pool);
        for step in plan(&desired, &actual, &options).steps {
            match step {
                Step::RemoveService { .. } | Step::Detach { .. } | Step::DetachXdp { .. } | Step::StopDatapath { .. } => {
                    prop_assert!(false, "{}", step);
                }
                Step::RemoveServer { service, .. } | Step::RemoveFullNat { service, .. } => {
                    prop_assert!(desired.services.contains_key(&service));
                }
                Step::RemoveLocalIp { old, .. } => prop_assert!(lists_pool(&old.pool)),
                _ => {}
            }
        }
    }

    #[test]
    fn with_keep_weights_only_new_servers_take_the_files_weight(
        desired in state(),
        actual in running(),
    ) {
        let options = Options { keep_weights: true, prune: Prune::Everything };
        let plan = plan(&desired, &actual, &options);
        let goal = goal(&desired, &actual, &options);
        prop_assume!(!is_refused(&plan, &goal, &actual));
        let mut end = carry_out(&plan, &actual, |_| {}).unwrap();
        for (key, service) in &mut end.services {
            for (address, server) in &mut service.servers {
                let wanted = desired.services[key].servers[address].weight;
                let there = actual.services.get(key).and_then(|s| s.servers.get(address));
                prop_assert_eq!(server.weight, there.map_or(wanted, |there| there.weight));
                server.weight = wanted;
            }
        }
        listed_settings_are_present(&desired, &end);
    }
}

/// Comparing every pair would take 10^10 comparisons: minutes instead of seconds.
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
