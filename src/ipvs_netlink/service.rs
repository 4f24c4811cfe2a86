// SPDX-License-Identifier: GPL-2.0-only
//! Virtual services in netlink messages: `IPVS_SVC_ATTR_*`, to and from [`Service`].

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use super::attribute::{Address, Flags, Port, attributes};
use super::error::Failure;
use super::statistics::{Counters, Stats};
use crate::model::{Family, Netmask, Persistence, Protocol, Service, ServiceKey};

const IP_VS_SVC_F_PERSISTENT: u32 = 0x0001;
const IP_VS_SVC_F_ONEPACKET: u32 = 0x0004;
/// `IP_VS_SVC_F_SCHED1..3`, in this order.
const IP_VS_SVC_F_SCHED: [u32; 3] = [0x0008, 0x0010, 0x0020];

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

attributes! {
    /// A service. Other commands use it to identify one.
    pub enum SvcAttribute {
        /// `AF_INET` or `AF_INET6`.
        Af(u16) = 1,
        /// The number in the IP header, 16 bits wide, in host byte order.
        Protocol(u16) = 2,
        Addr(Address) = 3,
        /// Big-endian.
        Port(Port) = 4,
        /// 32 bits. Used instead of protocol, address and port.
        Fwmark(u32) = 5,
        SchedName(String) = 6,
        Flags(Flags) = 7,
        /// The timeout of persistence, in seconds.
        Timeout(u32) = 8,
        /// IPv4: the mask in network byte order. IPv6: the prefix length, a 32-bit number
        /// in host byte order.
        Netmask([u8; 4]) = 9,
        Stats(Stats) = 10,
        PeName(String) = 11,
        Stats64(Stats) = 12,
    }
}

/// `AF_*` on the wire.
pub(super) fn address_family(family: Family) -> u16 {
    match family {
        Family::Ipv4 => AF_INET,
        Family::Ipv6 => AF_INET6,
    }
}

pub(super) fn family_from(number: u16) -> Result<Family, Failure> {
    match number {
        AF_INET => Ok(Family::Ipv4),
        AF_INET6 => Ok(Family::Ipv6),
        _ => Err(Failure::Foreign(format!("address family {number}"))),
    }
}

/// The attributes that identify a service.
pub fn key(key: &ServiceKey) -> Vec<SvcAttribute> {
    // The capacity includes the attributes that `whole` adds.
    let mut attributes = Vec::with_capacity(9);
    attributes.push(SvcAttribute::Af(address_family(key.family())));
    match key {
        ServiceKey::Address { protocol, address } => attributes.extend([
            SvcAttribute::Protocol(protocol.number().into()),
            SvcAttribute::Addr(address.ip().into()),
            SvcAttribute::Port(Port(address.port())),
        ]),
        ServiceKey::Fwmark { mark, .. } => attributes.push(SvcAttribute::Fwmark(*mark)),
    }
    attributes
}

/// All attributes of `IPVS_CMD_NEW_SERVICE` and `IPVS_CMD_SET_SERVICE`. A service without
/// persistence gets the whole netmask, the kernel's default: the kernel refuses 0 for
/// IPv6.
pub fn all_attributes(name: &ServiceKey, service: &Service) -> Vec<SvcAttribute> {
    let mut attributes = key(name);
    attributes.push(SvcAttribute::SchedName(service.scheduler.clone()));
    let persistence = service.persistence.as_ref();
    if let Some(engine) = persistence.and_then(|persistence| persistence.engine.clone()) {
        attributes.push(SvcAttribute::PeName(engine));
    }
    let netmask = persistence.map_or(Netmask::whole(name.family()), |persistence| {
        persistence.netmask
    });
    attributes.extend([
        SvcAttribute::Flags(Flags {
            flags: flags(service),
            mask: u32::MAX,
        }),
        SvcAttribute::Timeout(persistence.map_or(0, |persistence| persistence.timeout)),
        SvcAttribute::Netmask(match netmask {
            Netmask::V4(mask) => mask.octets(),
            Netmask::V6(prefix) => u32::from(prefix).to_ne_bytes(),
        }),
    ]);
    attributes
}

fn flags(service: &Service) -> u32 {
    let mut flags = 0;
    if service.persistence.is_some() {
        flags |= IP_VS_SVC_F_PERSISTENT;
    }
    if service.one_packet {
        flags |= IP_VS_SVC_F_ONEPACKET;
    }
    for (bit, set) in IP_VS_SVC_F_SCHED.into_iter().zip(service.scheduler_flags) {
        if set {
            flags |= bit;
        }
    }
    flags
}

/// A service from a dump. Its servers are read by another command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    pub key: ServiceKey,
    pub service: Service,
    stats: Option<Stats>,
}

impl ServiceEntry {
    pub(super) fn read(attributes: Vec<SvcAttribute>) -> Result<Self, Failure> {
        let mut family = None;
        let mut protocol = None;
        let mut address = None;
        let mut port = None;
        let mut fwmark = None;
        let mut scheduler = None;
        let mut flags = None;
        let mut timeout = None;
        let mut netmask = None;
        let mut engine = None;
        let mut stats = None;
        let mut stats64 = None;
        for attribute in attributes {
            match attribute {
                SvcAttribute::Af(value) => family = Some(value),
                SvcAttribute::Protocol(value) => protocol = Some(value),
                SvcAttribute::Addr(value) => address = Some(value),
                SvcAttribute::Port(Port(value)) => port = Some(value),
                SvcAttribute::Fwmark(value) => fwmark = Some(value),
                SvcAttribute::SchedName(value) => scheduler = Some(value),
                SvcAttribute::Flags(value) => flags = Some(value.flags),
                SvcAttribute::Timeout(value) => timeout = Some(value),
                SvcAttribute::Netmask(value) => netmask = Some(value),
                SvcAttribute::PeName(value) => engine = Some(value),
                SvcAttribute::Stats(value) => stats = Some(value),
                SvcAttribute::Stats64(value) => stats64 = Some(value),
                SvcAttribute::Other(_) => {}
            }
        }

        let missing = Failure::missing;
        let family = family_from(family.ok_or_else(|| missing("IPVS_SVC_ATTR_AF"))?)?;
        let key = if let Some(mark) = fwmark {
            ServiceKey::Fwmark { mark, family }
        } else {
            let protocol = protocol.ok_or_else(|| missing("IPVS_SVC_ATTR_PROTOCOL"))?;
            let address = address.ok_or_else(|| missing("IPVS_SVC_ATTR_ADDR"))?;
            let port = port.ok_or_else(|| missing("IPVS_SVC_ATTR_PORT"))?;
            let address = SocketAddr::new(address.of_family(family), port);
            let known = u8::try_from(protocol).ok().and_then(Protocol::from_number);
            let protocol = known.ok_or_else(|| {
                Failure::Foreign(format!("a service of IP protocol {protocol} at {address}"))
            })?;
            ServiceKey::Address { protocol, address }
        };

        // This ignores HASHED, which the kernel sets itself, and bits that are not
        // defined yet.
        let flags = flags.ok_or_else(|| missing("IPVS_SVC_ATTR_FLAGS"))?;
        let persistence = if flags & IP_VS_SVC_F_PERSISTENT != 0 {
            let netmask = netmask.ok_or_else(|| missing("IPVS_SVC_ATTR_NETMASK"))?;
            Some(Persistence {
                timeout: timeout.ok_or_else(|| missing("IPVS_SVC_ATTR_TIMEOUT"))?,
                netmask: read_netmask(family, netmask)?,
                engine,
            })
        } else {
            None
        };
        Ok(ServiceEntry {
            service: Service {
                scheduler: scheduler.ok_or_else(|| missing("IPVS_SVC_ATTR_SCHED_NAME"))?,
                scheduler_flags: IP_VS_SVC_F_SCHED.map(|bit| flags & bit != 0),
                persistence,
                one_packet: flags & IP_VS_SVC_F_ONEPACKET != 0,
                servers: BTreeMap::new(),
            },
            key,
            stats: stats64.or(stats),
        })
    }

    pub(super) fn counters(&self) -> Result<Counters, Failure> {
        Counters::read(&self.stats)
    }
}

fn read_netmask(family: Family, bytes: [u8; 4]) -> Result<Netmask, Failure> {
    match family {
        Family::Ipv4 => Ok(Netmask::V4(Ipv4Addr::from(bytes))),
        Family::Ipv6 => {
            let prefix = u32::from_ne_bytes(bytes);
            match u8::try_from(prefix) {
                Ok(prefix @ ..=128) => Ok(Netmask::V6(prefix)),
                _ => Err(Failure::Foreign(format!(
                    "an IPv6 prefix length of {prefix}"
                ))),
            }
        }
    }
}
