// SPDX-License-Identifier: GPL-2.0-only
//! Attaches the program at XDP, in the driver of an interface, with a pinned link for each
//! interface (`net/core/dev.c: bpf_xdp_link_attach()`). Generic XDP is never used: the
//! kernel has already allocated the skb, so there is no gain.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::path::Path;

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::XdpLink;
use aya::programs::{ProgramError, Xdp, XdpMode, loaded_programs};
use aya_obj::programs::XdpAttachType;
use nix::libc;
use nix::net::if_::if_nametoindex;

use super::object::XDP;
use super::{Error, Pins, ethtool};
use crate::model::Unfit;
use crate::rtnetlink::{self, BondMode, BondXmitHashPolicy, Link};

/// The name has the interface's index: the file system does not allow dots, which VLAN
/// names have.
fn pin(index: u32) -> String {
    format!("xdp-{index}")
}

fn program(pin: &Path) -> Result<Xdp, Error> {
    Xdp::from_pin(pin, XdpAttachType::Interface)
        .map_err(|source| Error::Program { name: XDP, source })
}

/// Attaches the pinned program. If one of ours is attached, of any build, the kernel
/// replaces it in one step, and the driver does not notice.
pub fn attach_xdp(pins: &Pins, interface: &str) -> Result<(), Error> {
    pins.forget_removed_interfaces()?;
    attach_pinned(pins, interface, &pins.path(XDP))
}

/// Attaches the program that is pinned at `path`.
pub(super) fn attach_pinned(pins: &Pins, interface: &str, path: &Path) -> Result<(), Error> {
    let index = if_nametoindex(interface).map_err(|_| Error::NoInterface(interface.to_owned()))?;
    let no_link = |source| Error::Link {
        interface: interface.to_owned(),
        source,
    };
    let refused = |source: ProgramError| Error::Xdp {
        interface: interface.to_owned(),
        reason: format!("{}: {}", causes(&source), advice(&source, interface)),
    };
    let mut program = program(path)?;
    let link_pin = pins.path(&pin(index));
    if let Ok(old) = PinnedLink::from_pin(&link_pin) {
        let link = XdpLink::try_from(FdLink::from(old)).map_err(no_link)?;
        // This fails if a new interface has the same index as a removed one.
        if program.attach_to_link(link).is_ok() {
            return Ok(());
        }
        pins.unpin(&pin(index))?;
    }
    let id = program
        .attach(interface, XdpMode::Driver)
        .map_err(refused)?;
    let link = program.take_link(id).map_err(refused)?;
    let link = FdLink::try_from(link).map_err(no_link)?;
    link.pin(&link_pin).map_err(|source| Error::Pin {
        path: link_pin,
        source,
    })?;
    Ok(())
}

/// The error with its causes: the innermost one has the driver's own words, if it has any.
fn causes(error: &ProgramError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text += &format!(": {inner}");
        cause = inner.source();
    }
    text
}

/// The cure when the kernel or the driver refuses the program.
fn advice(error: &ProgramError, interface: &str) -> String {
    let errno = match error {
        ProgramError::SyscallError(error) => error.io_error.raw_os_error(),
        ProgramError::XdpError(aya::programs::XdpError::NetlinkError(error)) => {
            error.raw_os_error()
        }
        _ => None,
    };
    match errno {
        // vmxnet3 says so of a large MTU.
        Some(libc::EOPNOTSUPP) => format!(
            "its driver, or that of a port of a bond, has no native XDP, or not with this MTU: \
             `ip link set {interface} mtu 1500`, or leave it out of [director] xdp"
        ),
        Some(libc::EBUSY | libc::EEXIST) => format!(
            "another XDP program is attached: `ip -details link show {interface}` names it; leave \
             one of them out"
        ),
        Some(libc::ENOMEM | libc::ENOSPC) => format!(
            "the driver has too few queues for it: free some with `ethtool -L {interface} \
             combined 1`, or leave the interface out of [director] xdp"
        ),
        _ => format!(
            "a frame must fit into a page, and the MTU or an offload may prevent that (see the \
             kernel's log): `ip link set {interface} mtu 1500`, `ethtool -K {interface} lro off \
             rx-gro-hw off`, or leave the interface out of [director] xdp"
        ),
    }
}

/// Detaches the program. If it is not attached, or the interface is gone, this is not an
/// error.
pub fn detach_xdp(pins: &Pins, interface: &str) -> Result<(), Error> {
    pins.unless_gone(interface, |index| pins.unpin(&pin(index)))
}

/// The interfaces that carry our program, of any build, in their drivers.
pub fn interfaces_with_xdp() -> Result<BTreeSet<String>, Error> {
    let ids = ids_of_ours()?;
    let links = rtnetlink::links().map_err(Error::Rtnetlink)?;
    let ours = links.into_iter().filter(|link| {
        link.xdp
            .is_some_and(|xdp| xdp.native && ids.contains(&xdp.program))
    });
    Ok(ours.map(|link| link.name).collect())
}

/// The interfaces that carry the pinned program.
pub fn attached_xdp(pins: &Pins) -> Result<BTreeSet<String>, Error> {
    let info = program(&pins.path(XDP))?
        .info()
        .map_err(|source| Error::Program { name: XDP, source })?;
    let links = rtnetlink::links().map_err(Error::Rtnetlink)?;
    let ours = links.into_iter().filter(|link| {
        link.xdp
            .is_some_and(|xdp| xdp.native && xdp.program == info.id())
    });
    Ok(ours.map(|link| link.name).collect())
}

/// Kinds that have no native XDP in any kernel.
const WITHOUT_XDP: [&str; 12] = [
    "bridge",
    "dummy",
    "geneve",
    "gretap",
    "ifb",
    "ip6gretap",
    "ipvlan",
    "macvlan",
    "nlmon",
    "team",
    "vlan",
    "vxlan",
];

/// `None`: nothing is known against it, or there is no such interface.
pub fn unfit(interface: &str) -> Result<Option<Unfit>, Error> {
    let links = rtnetlink::links().map_err(Error::Rtnetlink)?;
    let Some(link) = links.iter().find(|link| link.name == interface) else {
        return Ok(None);
    };
    if let Some(other) = other(link) {
        return Ok(Some(other));
    }
    if WITHOUT_XDP.contains(&link.kind.as_str()) {
        return Ok(Some(Unfit::Virtual(link.kind.clone())));
    }
    let master = links.iter().find(|other| other.index == link.master);
    let takes_over = |master: &&Link| ["bond", "bridge", "team"].contains(&&*master.kind);
    if let Some(master) = master.filter(takes_over) {
        return Ok(Some(Unfit::Port(master.name.clone())));
    }
    let ports: Vec<&Link> = links
        .iter()
        .filter(|other| link.kind == "bond" && other.master == link.index)
        .collect();
    if let Some(unfit) = bond(link, &ports) {
        return Ok(Some(unfit));
    }
    Ok(tags(link, &ports, &links))
}

/// The kernel's own conditions for a bond (`bond_xdp_set()`, drivers/net/bonding). It tells
/// only its log which of them is not met.
fn bond(link: &Link, ports: &[&Link]) -> Option<Unfit> {
    use BondMode::{ActiveBackup, BalanceRr, BalanceXor, Ieee8023Ad};
    if link.kind != "bond" {
        return None;
    }
    let (mode, policy) = link.bond;
    let mode = match (mode, policy) {
        (BalanceXor | Ieee8023Ad, BondXmitHashPolicy::VlanSrcMac) => {
            format!("the hash policy {policy}")
        }
        (BalanceRr | ActiveBackup | BalanceXor | Ieee8023Ad, _) => {
            // Also ours: apply attaches before it detaches.
            let taken = ports.iter().find(|port| port.xdp.is_some())?;
            return Some(Unfit::PortTaken(taken.name.clone()));
        }
        _ => format!("the mode {mode}"),
    };
    Some(Unfit::Bond { mode })
}

/// Tags that the program cannot see, of a VLAN on top of the interface or of one of its ports.
fn tags(link: &Link, ports: &[&Link], links: &[Link]) -> Option<Unfit> {
    let mut over = links.iter().filter(|other| other.kind == "vlan");
    let vlan = over.find(|vlan| {
        vlan.lower == link.index || ports.iter().any(|port| vlan.lower == port.index)
    })?;
    let devices: &[&Link] = if ports.is_empty() { &[link] } else { ports };
    // A veth hands tags over outside of the frame, whatever its offloads are.
    let hides = |device: &&&Link| device.kind == "veth" || ethtool::strips_tags(&device.name);
    let device = devices.iter().find(hides)?;
    Some(Unfit::Tags {
        vlan: vlan.name.clone(),
        device: device.name.clone(),
        by_hardware: device.kind != "veth",
    })
}

/// The XDP program of another tool at an interface, or ours in another mode.
fn other(link: &Link) -> Option<Unfit> {
    let xdp = link.xdp?;
    // It may have been unloaded meanwhile.
    let mut programs = loaded_programs().filter_map(Result::ok);
    let found = programs.find(|program| program.id() == xdp.program);
    let name = found
        .as_ref()
        .and_then(|program| program.name_as_str())
        .unwrap_or_default();
    let ours = name == XDP && xdp.native;
    (!ours).then(|| Unfit::Taken {
        id: xdp.program,
        name: name.to_owned(),
    })
}

fn ids_of_ours() -> Result<BTreeSet<u32>, Error> {
    let programs = loaded_programs().filter_map(Result::ok);
    let ours = programs.filter(|program| program.name_as_str() == Some(XDP));
    Ok(ours.map(|program| program.id()).collect())
}
