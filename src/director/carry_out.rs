// SPDX-License-Identifier: GPL-2.0-only
//! Carries out the steps of a plan.

use std::path::PathBuf;

use super::{Error, sysctl};
use crate::datapath::{self, Pins};
use crate::ipvs_netlink::{Change, Ipvs, unless_absent};
use crate::kmod::module::{self, Unloaded};
use crate::kmod::proc::{self, FullNatChange, LocalIpChange};
use crate::model::{Family, LocalIp, Service, Timeout, Timeouts};
use crate::plan::Step;
use crate::toa;

/// An error that stopped the steps before all were carried out.
pub struct Stopped {
    /// True for each step that was carried out. Steps missing at the end were not.
    pub done: Vec<bool>,
    /// The error of the first step that failed.
    pub source: Box<Error>,
}

impl Stopped {
    fn before_anything(source: Error) -> Self {
        Stopped {
            done: Vec::new(),
            source: Box::new(source),
        }
    }
}

/// The kernel as the steps see it. Connects to IPVS when the first step needs it.
pub struct Kernel {
    module_file: Option<PathBuf>,
    ipvs: Option<Ipvs>,
}

impl Kernel {
    /// `module_file`: the module's file, used instead of the one that modprobe finds.
    pub fn new(module_file: Option<PathBuf>) -> Self {
        Kernel {
            module_file,
            ipvs: None,
        }
    }

    /// Carries out one slice of a plan ([`crate::plan::Plan::transactions`]): one step,
    /// several steps that the module applies together, or several IPVS steps that succeed
    /// or fail one by one.
    pub fn carry_out(&mut self, transaction: &[Step]) -> Result<(), Stopped> {
        match transaction {
            [] => Ok(()),
            [step, ..] if step.ipvs_service().is_some() => return self.ipvs_steps(transaction),
            [step, ..] if step.is_local_ip() => self.local_ips(transaction),
            [step, ..] if step.is_full_nat() => {
                let changes: Vec<_> = transaction.iter().filter_map(full_nat_change).collect();
                proc::change_full_nat(&changes).map_err(Error::from)
            }
            [step, ..] if step.is_rule() => change_rules(transaction),
            steps => steps.iter().try_for_each(|step| self.step(step)),
        }
        .map_err(Stopped::before_anything)
    }

    fn local_ips(&self, steps: &[Step]) -> Result<(), Error> {
        module::load(self.module_file.as_deref())?;
        let changes: Vec<_> = steps.iter().filter_map(local_ip_change).collect();
        proc::change_local_ips(&changes)?;
        // If maps are registered, the module is unloaded together with them.
        if proc::local_ips()?.is_empty() && proc::registered_maps()?.is_none() {
            module::unload()?;
        }
        Ok(())
    }

    fn ipvs_steps(&mut self, steps: &[Step]) -> Result<(), Stopped> {
        let changes: Vec<_> = steps.iter().filter_map(ipvs_change).collect();
        let services = || steps.iter().filter_map(new_service);
        module::load_parts(
            &services()
                .map(|service| service.scheduler.as_str())
                .collect(),
            &services().filter_map(engine).collect(),
        );
        let ipvs = self.ipvs().map_err(Stopped::before_anything)?;
        let results = ipvs.carry_out(&changes).into_iter().map(unless_absent);
        let results: Vec<_> = results.collect();
        // The module would notice by itself, but only within a second.
        if changes.iter().any(Change::ends_connections) {
            proc::revoke_leases();
        }
        let done = results.iter().map(Result::is_ok).collect();
        match results.into_iter().find_map(Result::err) {
            Some(error) => Err(Stopped {
                done,
                source: Box::new(error.into()),
            }),
            None => Ok(()),
        }
    }

    fn ipvs(&mut self) -> Result<&mut Ipvs, Error> {
        if self.ipvs.is_none() {
            module::load_ipvs()?;
        }
        match &mut self.ipvs {
            Some(ipvs) => Ok(ipvs),
            none => Ok(none.insert(Ipvs::connect()?)),
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::StartDatapath {
                max_sessions,
                fast_path,
            } => {
                module::load(self.module_file.as_deref())?;
                proc::set_fast_path(*fast_path)?;
                datapath::start(&Pins::of_this_namespace()?, *max_sessions)?;
            }
            Step::ChangeFastPath { new, .. } => proc::set_fast_path(*new)?,
            Step::ChangePortSecret { new, .. } => {
                module::load(self.module_file.as_deref())?;
                proc::set_port_secret(*new)?;
            }
            Step::ChangeDatapath { new, .. } => {
                let pins = Pins::of_this_namespace()?;
                let were_lost = !datapath::is_pinned(&pins);
                datapath::replace(&pins, *new)?;
                if were_lost {
                    datapath::claim_qdiscs(&pins)?;
                }
                let at_xdp = !datapath::attached_xdp(&pins)?.is_empty();
                if proc::xdp()? != at_xdp {
                    proc::set_xdp(at_xdp)?;
                }
            }
            Step::StartToa { trust } | Step::ChangeToa { new: trust, .. } => toa::run(trust)?,
            Step::StopToa { .. } => {
                toa::stop()?;
            }
            Step::StopDatapath { .. } => drop(stop_datapath()?),
            Step::Attach { interface } => datapath::attach(&Pins::of_this_namespace()?, interface)?,
            Step::Detach { interface } => datapath::detach(&Pins::of_this_namespace()?, interface)?,
            Step::AttachXdp { interface } => {
                // Leases for XDP do no harm where no program runs.
                proc::set_xdp(true)?;
                datapath::attach_xdp(&Pins::of_this_namespace()?, interface)?;
            }
            Step::DetachXdp { interface } => detach_xdp(interface)?,
            Step::HandOver {
                address, old, new, ..
            } => proc::hand_over(&old.pool, &new.pool, Family::of(*address))?,
            Step::ChangeTimeout { timeout, new, .. } if Timeout::UNANSWERED.contains(timeout) => {
                module::load(self.module_file.as_deref())?;
                proc::set_unanswered(*timeout, *new)?;
            }
            Step::ChangeTimeout { timeout, new, .. } => {
                let mut timeouts = Timeouts::default();
                timeouts.set(*timeout, Some(*new));
                self.ipvs()?.set_timeouts(&timeouts)?;
            }
            Step::ChangeSysctl { name, new, .. } => {
                // The sysctls exist only while IPVS is loaded.
                self.ipvs()?;
                sysctl::set(name, new)?;
            }
            Step::StartDaemon { state, new } => self.ipvs()?.start_daemon(*state, new)?,
            Step::StopDaemon { state, .. } => unless_absent(self.ipvs()?.stop_daemon(*state))?,
            // carry_out() handles these: their slices can have several steps.
            Step::AddService { .. }
            | Step::ChangeService { .. }
            | Step::RemoveService { .. }
            | Step::AddServer { .. }
            | Step::ChangeServer { .. }
            | Step::RemoveServer { .. }
            | Step::AddLocalIp { .. }
            | Step::ChangeLocalIp { .. }
            | Step::RemoveLocalIp { .. }
            | Step::AddFullNat { .. }
            | Step::ChangeFullNat { .. }
            | Step::RemoveFullNat { .. }
            | Step::AddRule { .. }
            | Step::ChangeRule { .. }
            | Step::RemoveRule { .. } => {}
        }
        Ok(())
    }
}

fn new_service(step: &Step) -> Option<&Service> {
    match step {
        Step::AddService { new, .. } | Step::ChangeService { new, .. } => Some(new),
        _ => None,
    }
}

fn engine(service: &Service) -> Option<&str> {
    service.persistence.as_ref()?.engine.as_deref()
}

fn ipvs_change(step: &Step) -> Option<Change<'_>> {
    Some(match step {
        Step::AddService { service, new } => Change::AddService(service, new),
        Step::ChangeService { service, new, .. } => Change::ChangeService(service, new),
        Step::RemoveService { service, .. } => Change::RemoveService(service),
        Step::AddServer {
            service,
            server,
            new,
        } => Change::AddServer(service, *server, new),
        Step::ChangeServer {
            service,
            server,
            new,
            ..
        } => Change::ChangeServer(service, *server, new),
        Step::RemoveServer {
            service, server, ..
        } => Change::RemoveServer(service, *server),
        _ => return None,
    })
}

fn local_ip_change(step: &Step) -> Option<LocalIpChange> {
    match step {
        Step::AddLocalIp { address, new } | Step::ChangeLocalIp { address, new, .. } => {
            let local_ip = LocalIp {
                pool: new.pool.clone(),
                address: *address,
            };
            Some(LocalIpChange::Set(local_ip, new.ports))
        }
        Step::RemoveLocalIp { address, .. } => Some(LocalIpChange::Remove(*address)),
        _ => None,
    }
}

fn full_nat_change(step: &Step) -> Option<FullNatChange> {
    match step {
        Step::AddFullNat { service, new } | Step::ChangeFullNat { service, new, .. } => {
            Some(FullNatChange::Set(service.clone(), new.clone()))
        }
        Step::RemoveFullNat { service, .. } => Some(FullNatChange::Remove(service.clone())),
        _ => None,
    }
}

/// Writes all rules at once: the module takes the whole list.
fn change_rules(steps: &[Step]) -> Result<(), Error> {
    let mut rules = proc::rules()?;
    for step in steps {
        match step {
            Step::AddRule { rule, new } | Step::ChangeRule { rule, new, .. } => {
                rules.insert(rule.clone(), new.clone());
            }
            Step::RemoveRule { rule, .. } => {
                rules.remove(rule);
            }
            _ => {}
        }
    }
    Ok(proc::set_rules(&rules)?)
}

/// A device that loses its program may no longer take frames from programs at other
/// devices, so during the change none of them sends any.
pub(super) fn detach_xdp(interface: &str) -> Result<(), Error> {
    let pins = Pins::of_this_namespace()?;
    proc::set_xdp(false)?;
    datapath::detach_xdp(&pins, interface)?;
    if !datapath::interfaces_with_xdp()?.is_empty() {
        proc::set_xdp(true)?;
    }
    Ok(())
}

/// The module stays loaded while another network namespace uses it, and where the kernel
/// unloads none.
pub(super) fn stop_datapath() -> Result<Unloaded, Error> {
    proc::unregister_maps()?;
    Pins::of_this_namespace()?.remove()?;
    Ok(module::unload()?)
}
