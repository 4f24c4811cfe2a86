// SPDX-License-Identifier: GPL-2.0-only
//! The family's number. The kernel chooses it when `ip_vs` is loaded. The generic-netlink
//! controller (`nlctrl`) reports it.

use netlink_packet_core::{DecodeError, NlasIterator, ParseableParametrized, parse_u16};
use netlink_packet_generic::constants::CTRL_ATTR_FAMILY_ID;
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};

use super::message::IpvsMessage;

/// `CTRL_CMD_GETFAMILY` for `IPVS`. The kernel tries to load the module
/// (`MODULE_ALIAS_GENL_FAMILY`) before it answers `ENOENT`.
pub fn request() -> GenlMessage<GenlCtrl> {
    GenlMessage::from_payload(GenlCtrl {
        cmd: GenlCtrlCmd::GetFamily,
        nlas: vec![GenlCtrlAttrs::FamilyName(
            IpvsMessage::family_name().to_owned(),
        )],
    })
}

/// The only part of the controller's answer that is needed here. The crate's own parser
/// reads all of it and fails on attributes that later kernels may add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyId(pub Option<u16>);

impl ParseableParametrized<[u8], GenlHeader> for FamilyId {
    fn parse_with_param(bytes: &[u8], _: GenlHeader) -> Result<Self, DecodeError> {
        for attribute in NlasIterator::new(bytes) {
            let attribute = attribute?;
            if attribute.kind() == CTRL_ATTR_FAMILY_ID {
                return parse_u16(attribute.value()).map(|id| FamilyId(Some(id)));
            }
        }
        Ok(FamilyId(None))
    }
}
