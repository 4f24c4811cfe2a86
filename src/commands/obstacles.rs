// SPDX-License-Identifier: GPL-2.0-only
//! Finds the steps of a plan that this host cannot carry out. Only the requirements of
//! these steps are checked.

use std::collections::BTreeSet;
use std::path::Path;

use nix::net::if_::if_nametoindex;

use super::Error;
use crate::datapath;
use crate::director;
use crate::doctor::read;
use crate::kmod::module;
use crate::model::{Service, ServiceKey, State};
use crate::plan::{Plan, Refusal, Step};
use crate::rtnetlink;

/// `actual`: the state before the plan. `file`: the user's module file, if there is
/// one.
pub(super) fn refusals(
    plan: &Plan,
    actual: &State,
    file: Option<&Path>,
) -> Result<Vec<Refusal>, Error> {
    let mut refusals = Vec::new();
    if plan.steps.iter().any(Step::loads_module) && module::is_missing(file) {
        refusals.push(Refusal::NoModule {
            place: file.map_or("ip_vs_bpf".to_owned(), |path| path.display().to_string()),
        });
    }
    refusals.extend(other_interfaces(plan)?);
    refusals.extend(unfit_for_xdp(plan)?);
    refusals.extend(taken_ports(plan));
    refusals.extend(missing_parts(plan, actual));
    Ok(refusals)
}

fn other_interfaces(plan: &Plan) -> Result<Vec<Refusal>, Error> {
    let mut refusals = Vec::new();
    for step in &plan.steps {
        let Step::Attach { interface } = step else {
            continue;
        };
        // The interface disappeared just now. That is reported as another error.
        let Ok(index) = if_nametoindex(interface.as_str()) else {
            continue;
        };
        if !rtnetlink::is_ethernet(index).map_err(director::Error::Interfaces)? {
            refusals.push(Refusal::NotEthernet {
                interface: interface.clone(),
            });
        }
    }
    Ok(refusals)
}

fn unfit_for_xdp(plan: &Plan) -> Result<Vec<Refusal>, Error> {
    let mut refusals = Vec::new();
    for step in &plan.steps {
        let Step::AttachXdp { interface } = step else {
            continue;
        };
        let unfit = datapath::unfit(interface).map_err(director::Error::from)?;
        refusals.extend(unfit.map(|unfit| Refusal::xdp(interface, unfit)));
    }
    Ok(refusals)
}

fn taken_ports(plan: &Plan) -> Vec<Refusal> {
    let added = plan.steps.iter().filter_map(|step| match step {
        Step::AddFullNat { service, .. } => Some(service),
        _ => None,
    });
    let apps = read::apps();
    let taken = added.filter_map(|service| {
        let app = apps.iter().find(|app| app.holds(service))?;
        Some(Refusal::PortTaken {
            service: service.clone(),
            app: app.name.clone(),
        })
    });
    taken.collect()
}

/// Returns refusals that name each scheduler and engine with the first service that
/// needs it.
fn missing_parts(plan: &Plan, actual: &State) -> Vec<Refusal> {
    // A running service uses these, so they exist, whatever registered them.
    let mut schedulers: BTreeSet<&str> = actual.services.values().map(scheduler).collect();
    let mut engines: BTreeSet<&str> = actual.services.values().filter_map(engine).collect();
    let mut refusals = Vec::new();
    for (service, new) in plan.steps.iter().filter_map(changed) {
        let name = scheduler(new);
        if schedulers.insert(name) && module::lacks_scheduler(name) {
            refusals.push(Refusal::NoScheduler {
                service: service.clone(),
                scheduler: name.to_owned(),
            });
        }
        let Some(name) = engine(new) else {
            continue;
        };
        if engines.insert(name) && module::lacks_engine(name) {
            refusals.push(Refusal::NoEngine {
                service: service.clone(),
                engine: name.to_owned(),
            });
        }
    }
    refusals
}

fn changed(step: &Step) -> Option<(&ServiceKey, &Service)> {
    match step {
        Step::AddService { service, new } | Step::ChangeService { service, new, .. } => {
            Some((service, new))
        }
        _ => None,
    }
}

fn scheduler(service: &Service) -> &str {
    &service.scheduler
}

fn engine(service: &Service) -> Option<&str> {
    service.persistence.as_ref()?.engine.as_deref()
}
