// SPDX-License-Identifier: GPL-2.0-only
//! A model kernel that carries out plans. It does the steps, and refuses what IPVS and
//! the module refuse.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipvs_bpf::model::{
    Datapath, Family, FullNat, LocalIp, Protocol, ServiceKey, State, SyncDaemons, Toa,
};
use ipvs_bpf::plan::{Assignment, Plan, Step};

use super::states::without_unneeded_module;

/// Carries out the whole plan and returns the final state. `each` is called with the
/// state after each transaction.
pub fn carry_out(
    plan: &Plan,
    actual: &State,
    mut each: impl FnMut(&State),
) -> Result<State, String> {
    let mut state = actual.clone();
    let transactions = plan
        .transactions()
        .map_err(|refusals| format!("refused: {refusals:?}"))?;
    for transaction in transactions {
        let before = state.clone();
        for step in transaction {
            apply(step, &mut state).map_err(|error| format!("{step}: {error}"))?;
            // These succeed or fail one by one, even if they are sent together.
            if step.ipvs_service().is_some() {
                each(&state);
            }
        }
        if transaction.iter().all(Step::leaves) {
            without_unneeded_module(&mut state);
        }
        no_pool_in_use_is_emptied(&before, &state)
            .map_err(|error| format!("{transaction:?}: {error}"))?;
        no_rules_overlap(&state)?;
        each(&state);
    }
    Ok(state)
}

/// Follows `build_half()` in kmod/control/local_ips_proc.c.
fn no_pool_in_use_is_emptied(before: &State, after: &State) -> Result<(), String> {
    for (service, FullNat { pool, .. }) in &after.full_nat {
        let has = |state: &State| has_address(state, pool, service.family());
        if !has(after) && has(before) {
            return Err(format!("EBUSY: pool {pool} would be empty"));
        }
    }
    for (rule, FullNat { pool, .. }) in &after.rules {
        let has = |state: &State| has_address(state, pool, rule.family());
        if !has(after) && has(before) {
            return Err(format!("EBUSY: pool {pool} would be empty"));
        }
    }
    Ok(())
}

/// Follows `prepare_set()` in kmod/control/services_proc.c.
fn full_nat(state: &State, family: Family, new: &FullNat) -> Result<(), String> {
    check(has_address(state, &new.pool, family), "ENOENT: pool")
}

fn only_tcp_is_told(service: &ServiceKey, new: &FullNat) -> Result<(), String> {
    let is_tcp = matches!(
        service,
        ServiceKey::Address {
            protocol: Protocol::Tcp,
            ..
        }
    );
    check(is_tcp || new.client_address.is_none(), "EINVAL: toa")
}

/// Follows `ivb_rules_overlap()` in kmod/table/rules.c.
fn no_rules_overlap(state: &State) -> Result<(), String> {
    let rules: Vec<_> = state.rules.keys().collect();
    for (index, rule) in rules.iter().enumerate() {
        let others = rules.iter().skip(index + 1);
        if let Some(other) = others.into_iter().find(|other| other.overlaps(rule)) {
            return Err(format!("EEXIST: {rule} and {other}"));
        }
    }
    Ok(())
}

fn apply(step: &Step, state: &mut State) -> Result<(), String> {
    match step {
        Step::ChangeTimeout { timeout, old, new } => {
            check(state.timeouts.get(*timeout) == *old, "old value")?;
            check(*old != Some(*new), "no change")?;
            state.timeouts.set(*timeout, Some(*new));
            Ok(())
        }
        Step::ChangeSysctl { name, old, new } => {
            let before = state.sysctls.insert(name.clone(), new.clone());
            check(before == *old, "old value")?;
            check(old.as_ref() != Some(new), "no change")
        }
        Step::ChangePortSecret { old, new } => {
            check(state.port_secret == *old, "old value")?;
            check(old != new, "no change")?;
            state.port_secret = *new;
            Ok(())
        }
        Step::StartDaemon { state: role, new } => {
            let daemons = state.sync.get_or_insert_default();
            check(daemons.get(*role).is_none(), "EEXIST")?;
            daemons.set(*role, Some(new.clone()));
            no_mixed_families(state)
        }
        Step::StopDaemon { state: role, old } => {
            let daemons = state.sync.as_mut().ok_or("ESRCH")?;
            check(daemons.get(*role) == Some(old), "old value")?;
            daemons.set(*role, None);
            Ok(())
        }
        Step::StartToa { trust } => {
            let toa = state.toa.get_or_insert_default();
            check(!toa.is_running(), "already runs")?;
            check(!trust.is_empty(), "trusts nobody")?;
            toa.trust.clone_from(trust);
            Ok(())
        }
        Step::ChangeToa {
            other_build,
            old,
            new,
        } => {
            let toa = state.toa.as_mut().ok_or("no receiver")?;
            check(toa.is_running() && !new.is_empty(), "running")?;
            check(
                (&toa.trust, toa.other_build) == (old, *other_build),
                "old value",
            )?;
            check(*other_build || old != new, "no change")?;
            *toa = Toa {
                trust: new.clone(),
                other_build: false,
            };
            Ok(())
        }
        Step::StopToa { trust } => {
            let toa = state.toa.as_mut().ok_or("no receiver")?;
            check(toa.is_running() && toa.trust == *trust, "old value")?;
            *toa = Toa::default();
            Ok(())
        }
        Step::StartDatapath {
            max_sessions,
            fast_path,
        } => {
            check(state.datapath.is_none(), "already runs")?;
            state.datapath = Some(Datapath {
                max_sessions: *max_sessions,
                fast_path: *fast_path,
                ..Datapath::default()
            });
            Ok(())
        }
        Step::ChangeFastPath { old, new } => {
            let datapath = state.datapath.as_mut().ok_or("nothing runs")?;
            check(datapath.fast_path == *old, "old value")?;
            check(old != new, "no change")?;
            datapath.fast_path = *new;
            Ok(())
        }
        Step::ChangeDatapath {
            other_build,
            old,
            new,
        } => {
            let datapath = state.datapath.as_mut().ok_or("nothing to change")?;
            check(datapath.max_sessions == *old, "old value")?;
            check(datapath.other_build == *other_build, "another build's")?;
            datapath.max_sessions = *new;
            datapath.other_build = false;
            Ok(())
        }
        Step::Attach { interface } => {
            let datapath = state.datapath.as_mut().ok_or("nothing to attach")?;
            let fresh = datapath.interfaces.insert(interface.clone());
            check(fresh, "EEXIST")
        }
        Step::Detach { interface } => {
            let datapath = state.datapath.as_mut().ok_or("nothing to detach")?;
            check(!datapath.xdp.contains(interface), "at XDP without tc")?;
            check(datapath.interfaces.remove(interface), "ENOENT")
        }
        Step::AttachXdp { interface } => {
            let datapath = state.datapath.as_mut().ok_or("nothing to attach")?;
            check(datapath.interfaces.contains(interface), "no tc below XDP")?;
            check(datapath.xdp.insert(interface.clone()), "EEXIST")
        }
        Step::DetachXdp { interface } => {
            let datapath = state.datapath.as_mut().ok_or("nothing to detach")?;
            check(datapath.xdp.remove(interface), "ENOENT")
        }
        Step::StopDatapath { max_sessions } => {
            let datapath = state.datapath.take().ok_or("does not run")?;
            check(datapath.interfaces.is_empty(), "still attached")?;
            check(datapath.max_sessions == *max_sessions, "old value")
        }

        Step::AddLocalIp { address, new } => {
            check(assignment(state, *address).is_none(), "EEXIST")?;
            put(state, *address, new);
            Ok(())
        }
        Step::ChangeLocalIp { address, old, new } => {
            check(old != new, "no change")?;
            take(state, *address, old)?;
            put(state, *address, new);
            Ok(())
        }
        Step::RemoveLocalIp { address, old } => take(state, *address, old),
        Step::HandOver {
            address,
            old,
            new,
            services,
        } => {
            let family = Family::of(*address);
            check(!has_address(state, &new.pool, family), "EEXIST")?;
            take(state, *address, old)?;
            check(!has_address(state, &old.pool, family), "not the last")?;
            check(old.ports == new.ports, "ports stay")?;
            put(state, *address, new);
            let users = state.full_nat.iter_mut();
            let mut moved = users
                .filter(|(service, its)| service.family() == family && its.pool == old.pool)
                .map(|(service, its)| {
                    its.pool.clone_from(&new.pool);
                    service
                });
            check(moved.by_ref().eq(services), "the pool's services")?;
            for (rule, its) in &mut state.rules {
                if rule.family() == family && its.pool == old.pool {
                    its.pool.clone_from(&new.pool);
                }
            }
            Ok(())
        }

        Step::AddFullNat { service, new } => {
            full_nat(state, service.family(), new)?;
            only_tcp_is_told(service, new)?;
            insert(&mut state.full_nat, service, new)
        }
        Step::ChangeFullNat { service, old, new } => {
            full_nat(state, service.family(), new)?;
            only_tcp_is_told(service, new)?;
            replace(&mut state.full_nat, service, old, new)
        }
        Step::RemoveFullNat { service, old } => remove(&mut state.full_nat, service, old),

        Step::AddRule { rule, new } => {
            full_nat(state, rule.family(), new)?;
            insert(&mut state.rules, rule, new)
        }
        Step::ChangeRule { rule, old, new } => {
            full_nat(state, rule.family(), new)?;
            replace(&mut state.rules, rule, old, new)
        }
        Step::RemoveRule { rule, old } => remove(&mut state.rules, rule, old),

        Step::AddService { service, new } => {
            check(new.servers.is_empty(), "servers are steps of their own")?;
            insert(&mut state.services, service, new)
        }
        Step::ChangeService { service, old, new } => {
            check(
                old.servers.is_empty() && new.servers.is_empty(),
                "servers are steps of their own",
            )?;
            let running = state.services.get_mut(service).ok_or("ESRCH")?;
            let servers = std::mem::take(&mut running.servers);
            check(running == old, "old value")?;
            check(old != new, "no change")?;
            *running = new.clone();
            running.servers = servers;
            Ok(())
        }
        Step::RemoveService { service, old } => remove(&mut state.services, service, old),

        Step::AddServer {
            service,
            server,
            new,
        } => {
            let running = state.services.get_mut(service).ok_or("ESRCH")?;
            insert(&mut running.servers, server, new)?;
            no_mixed_families(state)
        }
        Step::ChangeServer {
            service,
            server,
            old,
            new,
        } => {
            let service = state.services.get_mut(service).ok_or("ESRCH")?;
            replace(&mut service.servers, server, old, new)
        }
        Step::RemoveServer {
            service,
            server,
            old,
        } => {
            let service = state.services.get_mut(service).ok_or("ESRCH")?;
            remove(&mut service.servers, server, old)
        }
    }
}

/// Follows `ip_vs_genl_new_daemon()` and `ip_vs_genl_set_cmd()`.
fn no_mixed_families(state: &State) -> Result<(), String> {
    let runs = state.sync.as_ref().is_some_and(has_daemons);
    check(
        !(runs && has_mixed_families(state)),
        "EINVAL: mixed families",
    )
}

pub fn has_daemons(daemons: &SyncDaemons) -> bool {
    daemons.master.is_some() || daemons.backup.is_some()
}

pub fn has_mixed_families(state: &State) -> bool {
    state.services.iter().any(|(key, service)| {
        let mut servers = service.servers.keys();
        servers.any(|server| Family::of(server.ip()) != key.family())
    })
}

fn check(holds: bool, error: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(error.to_owned()) }
}

fn insert<K: Ord + Clone, V: Clone>(
    table: &mut BTreeMap<K, V>,
    key: &K,
    new: &V,
) -> Result<(), String> {
    check(table.insert(key.clone(), new.clone()).is_none(), "EEXIST")
}

fn replace<K: Ord, V: Clone + PartialEq>(
    table: &mut BTreeMap<K, V>,
    key: &K,
    old: &V,
    new: &V,
) -> Result<(), String> {
    let value = table.get_mut(key).ok_or("ENOENT")?;
    check(value == old, "old value")?;
    check(old != new, "no change")?;
    *value = new.clone();
    Ok(())
}

fn remove<K: Ord, V: PartialEq>(
    table: &mut BTreeMap<K, V>,
    key: &K,
    old: &V,
) -> Result<(), String> {
    let value = table.remove(key).ok_or("ENOENT")?;
    check(value == *old, "old value")
}

/// The module's table is keyed by the address alone.
fn assignment(state: &State, address: IpAddr) -> Option<Assignment> {
    let mut places = state
        .local_ips
        .iter()
        .filter(|(ip, _)| ip.address == address)
        .map(|(ip, ports)| Assignment {
            pool: ip.pool.clone(),
            ports: *ports,
        });
    let place = places.next();
    assert!(places.next().is_none(), "{address} is in two pools");
    place
}

fn put(state: &mut State, address: IpAddr, new: &Assignment) {
    let pool = new.pool.clone();
    state.local_ips.insert(LocalIp { pool, address }, new.ports);
}

fn take(state: &mut State, address: IpAddr, old: &Assignment) -> Result<(), String> {
    check(
        assignment(state, address).as_ref() == Some(old),
        "old value",
    )?;
    let pool = old.pool.clone();
    state.local_ips.remove(&LocalIp { pool, address });
    Ok(())
}

pub fn has_address(state: &State, pool: &str, family: Family) -> bool {
    state
        .local_ips
        .keys()
        .any(|ip| ip.pool == pool && Family::of(ip.address) == family)
}
