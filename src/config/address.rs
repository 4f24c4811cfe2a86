// SPDX-License-Identifier: GPL-2.0-only
//! The written form of addresses: services, servers, local IPs.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::reader::Invalid;
use super::spelling::{meant, quoted};
use super::value::number;
use crate::model::{Family, Network, Protocol, ServiceKey};

/// The limit on addresses, over all pools.
pub(super) const MOST_ADDRESSES: u64 = 65_536;

const SERVICE: &str =
    "write it like \"tcp://10.0.0.1:80\", \"udp://[fd00::1]:53\" or \"fwmark://7\"";
const SERVER: &str = "write it like \"10.2.0.2:8080\" or \"[fd00:2::2]:8080\"";
const NO_NAMES: &str = "names are not looked up";
const RANGE: &str = "write it like \"10.2.0.1\", \"10.2.0.16/28\" or \"fd00:2::1\"";

/// Parses "tcp://10.0.0.1:80", "udp://[fd00::1]:53", "fwmark://7" or "fwmark6://7".
pub(super) fn service(text: &str) -> Result<ServiceKey, Invalid> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(match text.parse::<SocketAddr>() {
            Ok(_) => Invalid::new("the protocol is missing", format!("write \"tcp://{text}\""))
                .fix(format!("tcp://{text}")),
            Err(_) => Invalid::new("", SERVICE),
        });
    };
    let protocol = match scheme {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        "fwmark" => return fwmark(rest, Family::Ipv4),
        "fwmark6" => return fwmark(rest, Family::Ipv6),
        _ => {
            return Err(Invalid::new(
                format!("{} is not a protocol", quoted(scheme)),
                meant(scheme, ["tcp", "udp", "sctp", "fwmark", "fwmark6"]),
            ));
        }
    };
    let address = socket(rest, SERVICE).map_err(|wrong| match wrong.fix {
        Some(rest) => Invalid::did_you_mean(wrong.why, format!("{scheme}://{rest}")),
        None => wrong,
    })?;
    unicast(address.ip())?;
    Ok(ServiceKey::Address { protocol, address })
}

fn fwmark(text: &str, family: Family) -> Result<ServiceKey, Invalid> {
    match number(text) {
        Some(mark) if mark != 0 => Ok(ServiceKey::Fwmark { mark, family }),
        _ => Err(Invalid::new(
            format!("{} is not a firewall mark", quoted(text)),
            "a mark is 1 to 4294967295, in decimal",
        )),
    }
}

/// Parses "10.2.0.2:8080" or "[fd00:2::2]:8080".
pub(super) fn server(text: &str) -> Result<SocketAddr, Invalid> {
    let address = socket(text, SERVER)?;
    unicast(address.ip())?;
    match address.ip() {
        // ip_vs_ctl.c, ip_vs_new_dest().
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Err(Invalid::new(
            "it is link-local, which IPVS refuses",
            "use an address that is routed",
        )),
        _ => Ok(address),
    }
}

/// Parses a server of a group. The port is optional: "10.2.0.2", "fd00:2::2".
pub(super) fn member(text: &str) -> Result<(IpAddr, Option<u16>), Invalid> {
    let alone = text.parse::<IpAddr>();
    let address = match alone {
        Ok(ip) => server(&SocketAddr::new(ip, 1).to_string())?,
        Err(_) => server(text)?,
    };
    Ok((address.ip(), alone.is_err().then_some(address.port())))
}

/// Parses "224.0.0.81" or "ff02::81".
pub(super) fn multicast(text: &str) -> Result<IpAddr, Invalid> {
    const FORM: &str = "write it like \"224.0.0.81\" or \"ff02::81\"";
    let address: IpAddr = text.parse().map_err(|_| Invalid::new("", FORM))?;
    if address.is_multicast() {
        Ok(address)
    } else {
        Err(Invalid::new("it is an address of one host", FORM))
    }
}

/// Parses "10.2.0.1" or "10.2.0.16/28" into address and prefix length. The default length
/// is all bits of the address. `form`: the hint that an error shows.
fn prefix(text: &str, form: &str) -> Result<(IpAddr, u8), Invalid> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| not_ip(address, form))?;
    let bits = Family::of(address).bits();
    let length = match length {
        None => bits,
        Some(length) => number(length)
            .filter(|length| *length <= bits)
            .ok_or_else(|| {
                Invalid::new(
                    format!("{} is not a prefix length", quoted(&format!("/{length}"))),
                    format!("it is 0 to {bits} for {}", Family::of(address)),
                )
            })?,
    };
    Ok((address, length))
}

/// Parses "10.2.0.1" or "10.2.0.16/28" into a network, which its first address names.
/// `form`: the hint that an error shows.
pub(super) fn network(text: &str, form: &str) -> Result<Network, Invalid> {
    let (address, length) = prefix(text, form)?;
    let network = Network::containing(address, length);
    if network.address != address {
        return Err(Invalid::did_you_mean(
            "its address is not the first of the network",
            network.to_string(),
        ));
    }
    Ok(network)
}

/// Parses "10.2.0.1" or "10.2.0.16/28" into the first address and the number of
/// addresses.
pub(super) fn range(text: &str) -> Result<(IpAddr, u64), Invalid> {
    let (first, length) = prefix(text, RANGE)?;
    let bits = u32::from(Family::of(first).bits());
    let length = u32::from(length);
    let count = 1u64
        .checked_shl(bits - length)
        .filter(|count| *count <= MOST_ADDRESSES)
        .ok_or_else(|| {
            Invalid::new(
                format!("it has more than {MOST_ADDRESSES} addresses"),
                format!("/{} is the largest range", bits - 16),
            )
        })?;
    let begin = nth(first, 0, count);
    if begin != first {
        return Err(Invalid::new(
            "its address is not the first of the range",
            format!("the range around it is \"{begin}/{length}\""),
        ));
    }
    for end in [begin, nth(begin, count - 1, count)] {
        unicast(end)?;
        if matches!(end, IpAddr::V6(ip) if ip.is_unicast_link_local()) {
            return Err(Invalid::new(
                "it is link-local, which is ambiguous without an interface",
                "use an address that is routed",
            ));
        }
        if end.is_loopback() {
            return Err(Invalid::new(
                "a loopback address never leaves this host",
                "use an address that the servers can answer to",
            ));
        }
    }
    Ok((begin, count))
}

/// Returns the address with index `index` in the range of `count` addresses around
/// `address`. `count` is a power of two and at most [`MOST_ADDRESSES`].
pub(super) fn nth(address: IpAddr, index: u64, count: u64) -> IpAddr {
    let mask = count.saturating_sub(1);
    match address {
        // Both have at most 16 bits.
        IpAddr::V4(address) => {
            let (mask, index) = (mask as u32, (index & mask) as u32);
            IpAddr::V4(((u32::from(address) & !mask) | index).into())
        }
        IpAddr::V6(address) => {
            let (mask, index) = (u128::from(mask), u128::from(index & mask));
            IpAddr::V6(((u128::from(address) & !mask) | index).into())
        }
    }
}

/// Port names that people often write in place of the number.
const PORTS: [(&str, u16); 5] = [
    ("http", 80),
    ("https", 443),
    ("domain", 53),
    ("dns", 53),
    ("smtp", 25),
];

/// Returns the address that was probably meant, and why the text is wrong.
fn slip(text: &str) -> Option<(&'static str, SocketAddr)> {
    let (why, meant) = if let Some((before, after)) = text.split_once('/') {
        // "10.0.0.1/32:80", "10.0.0.1:80/32", "10.0.0.1:80/"
        let port = after.split_once(':').map(|(_, port)| port);
        let whole = match port {
            Some(port) => format!("{before}:{port}"),
            None => before.to_owned(),
        };
        ("it is one address and one port", whole)
    } else {
        let (host, port) = text.rsplit_once(':')?;
        if host.parse::<Ipv6Addr>().is_ok() {
            ("the brackets are missing", format!("[{host}]:{port}"))
        } else {
            let (_, number) = PORTS.iter().find(|(name, _)| *name == port)?;
            (NO_NAMES, format!("{host}:{number}"))
        }
    };
    Some((why, meant.parse().ok()?))
}

/// Parses an address with a port. An error says which of the two is wrong.
fn socket(text: &str, form: &str) -> Result<SocketAddr, Invalid> {
    match text.parse() {
        Ok(SocketAddr::V6(address)) if address.scope_id() != 0 => {
            return Err(Invalid::new(
                "IPVS does not support zones",
                format!("leave %{} out", address.scope_id()),
            ));
        }
        Ok(address) => return Ok(address),
        Err(_) => {}
    }
    if let Some((why, meant)) = slip(text) {
        return Err(Invalid::did_you_mean(why, meant.to_string()));
    }
    let unbracketed = |text: &str| -> Option<IpAddr> {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse().ok()
    };
    if let Some(ip) = text.parse().ok().or_else(|| unbracketed(text)) {
        let right = match ip {
            IpAddr::V4(_) => format!("with a port it is {ip}:PORT"),
            IpAddr::V6(_) => format!("with a port it is [{ip}]:PORT"),
        };
        return Err(Invalid::new("the port is missing", right));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(Invalid::new("", form));
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if bare.parse::<IpAddr>().is_err() {
        return Err(not_ip(bare, form));
    }
    if let Some((first, last)) = port.split_once('-')
        && number::<u16>(first).is_some()
        && number::<u16>(last).is_some()
    {
        return Err(Invalid::new(
            "a range of ports",
            "write one for each port; many ports of a VIP are a firewall mark: \"fwmark://7\"",
        ));
    }
    if port.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return Err(Invalid::new(
            format!("{} is not a port: {NO_NAMES}", quoted(port)),
            "write its number",
        ));
    }
    if number::<u16>(port).is_none() {
        return Err(Invalid::new(
            format!("{} is not a port", quoted(port)),
            "a port is 0 to 65535",
        ));
    }
    Err(Invalid::new("", form))
}

fn not_ip(text: &str, form: &str) -> Invalid {
    if text.bytes().any(|byte| byte.is_ascii_alphabetic()) && !text.contains(':') {
        return Invalid::new(
            format!("{} is not an IP address: {NO_NAMES}", quoted(text)),
            "write its address",
        );
    }
    Invalid::new(format!("{} is not an IP address", quoted(text)), form)
}

/// Checks that the address can belong to one host.
fn unicast(address: IpAddr) -> Result<(), Invalid> {
    let (broadcast, mapped) = match address {
        IpAddr::V4(address) => (address.is_broadcast(), None),
        IpAddr::V6(address) => (false, address.to_ipv4_mapped()),
    };
    if let Some(mapped) = mapped {
        return Err(Invalid::new(
            "it is an IPv4 address in the form of an IPv6 one",
            format!("write {mapped}"),
        ));
    }
    if address.is_unspecified() || address.is_multicast() || broadcast {
        return Err(Invalid::new(
            format!("{address} is not the address of a single host"),
            "use a unicast address",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
