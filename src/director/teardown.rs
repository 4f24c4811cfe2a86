// SPDX-License-Identifier: GPL-2.0-only
//! Removes everything of ipvs-bpf from the kernel, in the opposite order of an `apply`. Skips
//! what is already gone, so that a failed run can be repeated.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::carry_out::stop_datapath;
use super::flush::without_covered_by_rules;
use super::running::has_ipvs;
use super::{Error, observe};
use crate::datapath::{self, Pins};
use crate::ipvs_netlink::unless_absent;
use crate::kmod;
use crate::kmod::module::{self, Unloaded};
use crate::kmod::proc::{self, FullNatChange, FullNatLine, LocalIpChange};
use crate::toa;

/// The longest time to wait without any session ending. A session ends as soon as no
/// packet uses its connection.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// Reports each thing that it removed to `done`, in a few words.
pub fn teardown(keep_native: bool, done: &mut dyn FnMut(&str)) -> Result<(), Error> {
    remove_services(keep_native, done)?;
    if module::is_loaded() {
        unless_unloaded(empty_module(done))?;
    }
    if toa::stop()? {
        done("the receiver of clients' addresses");
    }
    detach(done)?;
    if module::is_loaded() {
        let unloaded = match stop_datapath() {
            // Somebody else did it meanwhile.
            Err(Error::Module(kmod::Error::Unloaded { .. })) => Unloaded::Yes,
            result => result?,
        };
        done(match unloaded {
            Unloaded::InUse => "the maps; the module stays, another network namespace uses it",
            Unloaded::Disabled => "the maps; the module stays, kernel.modules_disabled is 1",
            Unloaded::Yes | Unloaded::NotLoaded => "the maps and the module ip_vs_bpf",
        });
    }
    Pins::of_this_namespace()?.remove()?;
    Ok(())
}

/// Accepts that somebody unloads the module meanwhile: nothing of it is left then.
fn unless_unloaded(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::Module(kmod::Error::Unloaded { .. })) => Ok(()),
        result => result,
    }
}

fn empty_module(done: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let rules = proc::rules()?;
    if !rules.is_empty() {
        proc::set_rules(&BTreeMap::new())?;
        done("the rules of the module");
    }
    remove_full_nat(done)?;
    end_sessions(done)?;
    remove_local_ips(done)
}

fn remove_services(keep_native: bool, done: &mut dyn FnMut(&str)) -> Result<(), Error> {
    // Asking for IPVS would load it.
    if !has_ipvs() {
        return Ok(());
    }
    let Some(mut ipvs) = observe::ipvs()? else {
        return Ok(());
    };
    let full_nat = proc::full_nat()?;
    for key in &without_covered_by_rules(ipvs.service_keys()?)? {
        if keep_native
            && !full_nat
                .iter()
                .any(|line| line.key == *key && !line.by_rule && line.made_by.is_none())
        {
            continue;
        }
        unless_absent(ipvs.remove_service(key))?;
        done(&key.to_string());
    }
    Ok(())
}

fn remove_full_nat(done: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let changes: Vec<_> = proc::full_nat()?
        .into_iter()
        .filter(FullNatLine::is_listed)
        .map(|line| FullNatChange::Remove(line.key))
        .collect();
    proc::change_full_nat(&changes)?;
    if !changes.is_empty() {
        done("the full-NAT services of the module");
    }
    Ok(())
}

fn end_sessions(done: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let mut begin = Instant::now();
    let mut ended = 0;
    let mut fewest = u32::MAX;
    loop {
        // A service stays while a connection is bound to it.
        let services = proc::full_nat()?;
        let left: u32 = services.iter().map(|line| line.sessions).sum();
        ended = ended.max(left);
        if services.is_empty() {
            break;
        }
        if left < fewest {
            fewest = left;
            begin = Instant::now();
        }
        if begin.elapsed() > PATIENCE {
            return Err(Error::SessionsRemain(left));
        }
        proc::flush_sessions()?;
        sleep(PAUSE);
    }
    if ended > 0 {
        done(&format!("sessions ({ended})"));
    }
    Ok(())
}

fn remove_local_ips(done: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let changes: Vec<_> = proc::local_ips()?
        .into_iter()
        .map(|line| LocalIpChange::Remove(line.local_ip.address))
        .collect();
    proc::change_local_ips(&changes)?;
    if !changes.is_empty() {
        done(&format!("local IPs ({})", changes.len()));
    }
    Ok(())
}

fn detach(done: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let pins = Pins::of_this_namespace()?;
    for interface in datapath::interfaces_with_xdp()? {
        if module::is_loaded() {
            proc::set_xdp(false)?;
        }
        datapath::detach_xdp(&pins, &interface)?;
        done(&format!("the program at XDP of {interface}"));
    }
    for interface in datapath::interfaces_with_leftovers()? {
        datapath::detach(&pins, &interface)?;
        done(&format!("the programs at {interface}"));
    }
    for interface in datapath::interfaces_with_our_qdisc(&pins)? {
        datapath::detach(&pins, &interface)?;
        done(&format!("the qdisc of {interface}"));
    }
    Ok(())
}
