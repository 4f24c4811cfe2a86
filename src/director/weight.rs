// SPDX-License-Identifier: GPL-2.0-only
//! Changes the weight of a running server.

use std::net::SocketAddr;

use super::Error;
use super::target::{Target, find};
use crate::ipvs_netlink::Ipvs;
use crate::model::{Server, ServiceKey};

/// Returns the previous weight of the server.
pub fn set_weight(key: &ServiceKey, address: SocketAddr, weight: u32) -> Result<u32, Error> {
    let mut ipvs = Ipvs::connect()?;
    let target = find(&mut ipvs, key, address)?;
    change_weight(&mut ipvs, key, address, &target, weight)?;
    Ok(target.server.weight)
}

/// Keeps all other properties of the server.
pub(super) fn change_weight(
    ipvs: &mut Ipvs,
    key: &ServiceKey,
    address: SocketAddr,
    target: &Target,
    weight: u32,
) -> Result<(), Error> {
    if target.server.weight == weight {
        return Ok(());
    }
    let server = Server {
        weight,
        ..target.server.clone()
    };
    Ok(ipvs.change_server(key, address, &server)?)
}
