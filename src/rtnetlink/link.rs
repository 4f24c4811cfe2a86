// SPDX-License-Identifier: GPL-2.0-only
//! Interfaces, as rtnetlink lists them. Reads only the attributes that are needed: the
//! crate's own parser reads all of them and fails on an alias that is not UTF-8, and on an
//! attribute that a later kernel makes longer.

use std::io;

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_DUMP, NetlinkDeserializable, NetlinkHeader, NlasIterator,
    parse_u32,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{BondMode, BondXmitHashPolicy, LinkMessage};

use super::{converse, open};

/// `struct ifinfomsg` (linux/rtnetlink.h).
const HEADER: usize = 16;
const ARPHRD_ETHER: u16 = 1;
const IFF_UP: u32 = 1;
const IFF_LOWER_UP: u32 = 1 << 16;

/// Attributes (linux/if_link.h).
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_BOND_MODE: u16 = 1;
const IFLA_BOND_XMIT_HASH_POLICY: u16 = 14;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const XDP_ATTACHED_DRV: u8 = 1;

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    /// With replacement characters if it is not UTF-8.
    pub name: String,
    pub up: bool,
    pub carrier: bool,
    /// Packets begin with an Ethernet header (`ARPHRD_ETHER`). The programs expect one
    /// before the IP header.
    pub ethernet: bool,
    pub hardware: Vec<u8>,
    pub mtu: u32,
    /// The kind, as `ip link` takes it: `veth`, `bond`, `vlan`, … Empty: hardware.
    pub kind: String,
    /// The interface below this one, as for a VLAN. 0: none, or in another namespace.
    pub lower: u32,
    /// The bridge, bond or VRF that it is a port of. 0: none.
    pub master: u32,
    pub xdp: Option<XdpProgram>,
    /// The mode of a bond, and how it chooses a port for a packet in some of them.
    pub bond: (BondMode, BondXmitHashPolicy),
}

/// The XDP program of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpProgram {
    pub program: u32,
    /// True if it runs in the driver alone, not in the generic mode or in hardware.
    pub native: bool,
}

/// All interfaces of the caller's network namespace.
pub fn links() -> io::Result<Vec<Link>> {
    let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    converse(&open()?, request, NLM_F_DUMP)
}

pub fn is_ethernet(index: u32) -> io::Result<bool> {
    let mut request = LinkMessage::default();
    request.header.index = index;
    let request = RouteNetlinkMessage::GetLink(request);
    let answers: Vec<Link> = converse(&open()?, request, NLM_F_ACK)?;
    Ok(answers.iter().any(|link| link.ethernet))
}

impl NetlinkDeserializable for Link {
    type Error = DecodeError;

    fn deserialize(_: &NetlinkHeader, message: &[u8]) -> Result<Self, DecodeError> {
        let Some((&[_, _, t0, t1, i0, i1, i2, i3, f0, f1, f2, f3, _, _, _, _], attributes)) =
            message.split_first_chunk::<HEADER>()
        else {
            return Err("an interface without a header".into());
        };
        let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
        let mut link = Link {
            index: u32::from_ne_bytes([i0, i1, i2, i3]),
            up: flags & IFF_UP != 0,
            carrier: flags & IFF_LOWER_UP != 0,
            ethernet: u16::from_ne_bytes([t0, t1]) == ARPHRD_ETHER,
            ..Link::default()
        };
        let mut elsewhere = false;
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() {
                IFLA_ADDRESS => link.hardware = value.to_vec(),
                IFLA_IFNAME => link.name = text(value),
                IFLA_MTU => link.mtu = parse_u32(value)?,
                IFLA_LINK => link.lower = parse_u32(value)?,
                IFLA_LINK_NETNSID => elsewhere = true,
                IFLA_MASTER => link.master = parse_u32(value)?,
                IFLA_LINKINFO => link.read_info(value)?,
                IFLA_XDP => link.xdp = xdp_program(value)?,
                _ => {}
            }
        }
        if elsewhere {
            link.lower = 0;
        }
        Ok(link)
    }
}

impl Link {
    /// The kernel sends the kind before the data, which depends on it.
    fn read_info(&mut self, infos: &[u8]) -> Result<(), DecodeError> {
        for info in NlasIterator::new(infos) {
            let info = info?;
            match info.kind() {
                IFLA_INFO_KIND => self.kind = text(info.value()),
                IFLA_INFO_DATA if self.kind == "bond" => self.bond = bond_mode(info.value())?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn bond_mode(attributes: &[u8]) -> Result<(BondMode, BondXmitHashPolicy), DecodeError> {
    let mut found = (BondMode::default(), BondXmitHashPolicy::default());
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute?;
        match (attribute.kind(), attribute.value()) {
            (IFLA_BOND_MODE, &[mode]) => found.0 = mode.into(),
            (IFLA_BOND_XMIT_HASH_POLICY, &[policy]) => found.1 = policy.into(),
            _ => {}
        }
    }
    Ok(found)
}

fn xdp_program(attributes: &[u8]) -> Result<Option<XdpProgram>, DecodeError> {
    let (mut program, mut native) = (None, false);
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute?;
        match attribute.kind() {
            IFLA_XDP_ATTACHED => native = attribute.value() == [XDP_ATTACHED_DRV],
            IFLA_XDP_PROG_ID => program = Some(parse_u32(attribute.value())?),
            _ => {}
        }
    }
    Ok(program.map(|program| XdpProgram { program, native }))
}

/// A string of the kernel, without the 0 at its end.
fn text(value: &[u8]) -> String {
    let end = value.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(value.get(..end.unwrap_or(value.len())).unwrap_or(value)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = (4 + value.len()) as u16;
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn read(attributes: &[Vec<u8>]) -> Result<Link, DecodeError> {
        let mut message = vec![0, 0, 1, 0, 7, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0];
        message.extend(attributes.concat());
        Link::deserialize(&NetlinkHeader::default(), &message)
    }

    #[test]
    fn an_alias_that_is_not_utf8_does_not_matter() {
        const IFLA_IFALIAS: u16 = 20;
        let link = read(&[
            attribute(IFLA_IFNAME, b"eth0\0"),
            attribute(IFLA_IFALIAS, b"a\xffb\0"),
            attribute(IFLA_MTU, &1500_u32.to_ne_bytes()),
        ]);
        let expected = Link {
            index: 7,
            name: "eth0".to_owned(),
            up: true,
            carrier: true,
            ethernet: true,
            mtu: 1500,
            ..Link::default()
        };
        assert_eq!(link.unwrap(), expected);
    }

    #[test]
    fn the_mode_of_a_bond_and_its_xdp_program_are_read() {
        let data = [
            attribute(IFLA_BOND_MODE, &[4]),
            attribute(IFLA_BOND_XMIT_HASH_POLICY, &[1]),
        ];
        let info = [
            attribute(IFLA_INFO_KIND, b"bond\0"),
            attribute(IFLA_INFO_DATA, &data.concat()),
        ];
        let xdp = [
            attribute(IFLA_XDP_ATTACHED, &[XDP_ATTACHED_DRV]),
            attribute(IFLA_XDP_PROG_ID, &9_u32.to_ne_bytes()),
        ];
        let link = read(&[
            attribute(IFLA_IFNAME, b"bond\xff\0"),
            attribute(IFLA_LINKINFO, &info.concat()),
            attribute(IFLA_XDP, &xdp.concat()),
        ]);
        let link = link.unwrap();
        assert_eq!(
            (link.name.as_str(), link.kind.as_str()),
            ("bond\u{fffd}", "bond")
        );
        assert_eq!(
            link.bond,
            (BondMode::Ieee8023Ad, BondXmitHashPolicy::Layer34)
        );
        let expected = XdpProgram {
            program: 9,
            native: true,
        };
        assert_eq!(link.xdp, Some(expected));
    }
}
