// SPDX-License-Identifier: GPL-2.0-only
//! The forms of single values: addresses, port ranges, durations. Each returns
//! what is wrong as a sentence's second half.

use std::net::{IpAddr, SocketAddr};

use crate::model::{Family, PortRange, Protocol, ServiceKey};

/// Addresses that one pool entry may stand for.
pub(super) const LARGEST_RANGE: u64 = 65_536;

/// "tcp://10.0.0.1:80", "udp://[fd00::1]:53", "fwmark://7", "fwmark6://7".
pub(super) fn service(text: &str) -> Result<ServiceKey, String> {
    const FORM: &str =
        "must be like \"tcp://10.0.0.1:80\", \"udp://[fd00::1]:53\" or \"fwmark://7\"";
    let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
    let protocol = match scheme {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        "fwmark" => return fwmark(rest, Family::Ipv4),
        "fwmark6" => return fwmark(rest, Family::Ipv6),
        _ => {
            return Err(format!(
                "`{scheme}` is none of tcp, udp, sctp, fwmark, fwmark6"
            ));
        }
    };
    Ok(ServiceKey::Address {
        protocol,
        address: socket(rest)?,
    })
}

fn fwmark(text: &str, family: Family) -> Result<ServiceKey, String> {
    match text.parse() {
        Ok(mark) if mark != 0 => Ok(ServiceKey::Fwmark { mark, family }),
        _ => Err("a firewall mark is 1 to 4294967295".to_owned()),
    }
}

/// "10.0.0.1:80", "[fd00::1]:80".
pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    // Say which half is wrong.
    let (host, port) = text
        .rsplit_once(':')
        .ok_or("the port is missing: \"ADDRESS:PORT\"")?;
    if text.parse::<IpAddr>().is_ok() {
        return Err(format!(
            "an IPv6 address with a port is written \"[{text}]:PORT\""
        ));
    }
    if port.parse::<u16>().is_err() {
        return Err(format!("`{port}` is no port: 0 to 65535"));
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Err(format!("`{host}` is no IP address"))
}

/// "10.2.0.1" or "10.2.0.16/28": the first address and how many.
pub(super) fn range(text: &str) -> Result<(IpAddr, u64), String> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address
        .parse()
        .map_err(|_| format!("`{address}` is no IP address"))?;
    let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
    let Some(length) = length else {
        return Ok((address, 1));
    };
    let length = match length.parse::<u32>() {
        Ok(length) if length <= bits => length,
        _ => return Err(format!("`/{length}` is no prefix length: 0 to {bits}")),
    };
    let free = bits - length;
    if free > 16 {
        return Err(format!("a range has at most {LARGEST_RANGE} addresses"));
    }
    let count = 1u64 << free;
    if !number(address).is_multiple_of(u128::from(count)) {
        return Err(format!(
            "bits of the host are set: the range begins at {}",
            nth(address, 0, count)
        ));
    }
    Ok((address, count))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// The address of that index in the range of `count` (a power of two) addresses
/// around `address`.
pub(super) fn nth(address: IpAddr, index: u64, count: u64) -> IpAddr {
    let mask = u128::from(count.saturating_sub(1));
    let value = (number(address) & !mask) | (u128::from(index) & mask);
    match address {
        // The mask has at most 16 bits, so the value stays within 32.
        IpAddr::V4(_) => IpAddr::V4((value as u32).into()),
        IpAddr::V6(_) => IpAddr::V6(value.into()),
    }
}

/// "1024-65535".
pub(super) fn ports(text: &str) -> Result<PortRange, String> {
    const FORM: &str = "must be like \"1024-65535\"";
    let (first, last) = text.split_once('-').ok_or(FORM)?;
    let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else {
        return Err(FORM.to_owned());
    };
    if first == 0 {
        return Err("port 0 cannot be used".to_owned());
    }
    if first > last {
        return Err("the first port is above the last".to_owned());
    }
    Ok(PortRange { first, last })
}

/// "90s", "15m", "1h30m": seconds.
pub(super) fn duration(text: &str) -> Result<u32, String> {
    const FORM: &str = "must be like \"90s\", \"15m\" or \"1h30m\"";
    let mut seconds: u64 = 0;
    let mut digits = String::new();
    for letter in text.chars() {
        let unit: u64 = match letter {
            '0'..='9' => {
                digits.push(letter);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(FORM.to_owned()),
        };
        let count: u64 = digits.parse().map_err(|_| FORM)?;
        seconds = count
            .checked_mul(unit)
            .and_then(|more| seconds.checked_add(more))
            .ok_or("it is too long")?;
        digits.clear();
    }
    if !digits.is_empty() || text.is_empty() {
        return Err(FORM.to_owned());
    }
    // The kernel counts timeouts in ticks of 32 bits, a thousand a second.
    match u32::try_from(seconds) {
        Ok(seconds) if seconds <= LONGEST => Ok(seconds),
        _ => Err(format!("it is longer than {} days", LONGEST / 86_400)),
    }
}

/// 31 days, the limit of ipvsadm.
const LONGEST: u32 = 31 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("15m", 900),
            ("1h30m", 5400),
            ("31d", 2_678_400),
        ] {
            assert_eq!(duration(text), Ok(seconds), "{text}");
        }
        for text in [
            "",
            "5",
            "m",
            "1x",
            "-1s",
            "1.5m",
            "32d",
            "99999999999999999999d",
            "1h5",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_begin_at_their_first_address() {
        assert_eq!(
            range("10.2.0.16/28"),
            Ok(("10.2.0.16".parse().unwrap(), 16))
        );
        assert_eq!(range("fd00::1"), Ok(("fd00::1".parse().unwrap(), 1)));
        assert_eq!(
            nth("10.2.0.16".parse().unwrap(), 15, 16).to_string(),
            "10.2.0.31"
        );
        assert_eq!(
            nth("fd00::f0".parse().unwrap(), 3, 16).to_string(),
            "fd00::f3"
        );
        for text in [
            "",
            "10.2.0.17/28",
            "10.0.0.0/8",
            "10.2.0.1/33",
            "fd00::/64",
            "10.2.0/24",
            "10.2.0.1/",
        ] {
            assert!(range(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        assert!(socket("10.0.0.1").unwrap_err().contains("port is missing"));
        assert!(socket("10.0.0.1:70000").unwrap_err().contains("70000"));
        assert!(socket("10.0.0.256:80").unwrap_err().contains("10.0.0.256"));
        assert!(socket("fd00::1").unwrap_err().contains("[fd00::1]"));
        assert!(service("http://10.0.0.1:80").unwrap_err().contains("http"));
        assert!(service("fwmark://0").is_err());
    }
}
