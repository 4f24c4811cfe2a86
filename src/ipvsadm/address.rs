// SPDX-License-Identifier: GPL-2.0-only
//! Parses `host[:port]` of services and servers, and firewall marks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::names::Names;
use super::tokens::Word;
use crate::config::diagnostics::{Mistake, Mistakes};
use crate::config::spelling::quoted;
use crate::model::Protocol;

/// Parses an address. The port is `None` if the text has none.
pub(super) fn host_and_port(
    word: &Word,
    protocol: Protocol,
    names: &Names,
    mistakes: &Mistakes,
) -> Option<(IpAddr, Option<u16>)> {
    let text = word.text.as_str();
    let wrong = |message: String, help: String| {
        mistakes.add(Mistake::new(&word.span, message, help));
        None
    };
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Some((address.into(), None));
    }
    if let Some(bracketed) = text.strip_prefix('[') {
        let Some((host, rest)) = bracketed.split_once(']') else {
            return wrong(
                format!("{} has no closing bracket", quoted(text)),
                "write it like [fd00::1]:80".to_owned(),
            );
        };
        let Ok(address) = host.parse::<Ipv6Addr>() else {
            return wrong(
                format!("{} is not an IPv6 address", quoted(host)),
                "write it like [fd00::1]:80; an IPv4 address has no brackets".to_owned(),
            );
        };
        let Some(port) = rest.strip_prefix(':') else {
            return wrong(
                format!("{} has no port behind its bracket", quoted(text)),
                format!("write [{address}]:PORT, or {address} without brackets"),
            );
        };
        return Some((
            address.into(),
            Some(self::port(port, word, protocol, names, mistakes)?),
        ));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let Some(address) = ipv4(host).or_else(|| names.host(host)) else {
        return wrong(
            format!(
                "{} is not an IP address, and not a name in /etc/hosts",
                quoted(host)
            ),
            "write the address; `ipvsadm -Sn` prints no names".to_owned(),
        );
    };
    match port {
        None => Some((address, None)),
        Some(port) => Some((
            address,
            Some(self::port(port, word, protocol, names, mistakes)?),
        )),
    }
}

fn ipv4(text: &str) -> Option<IpAddr> {
    text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

fn port(
    text: &str,
    word: &Word,
    protocol: Protocol,
    names: &Names,
    mistakes: &Mistakes,
) -> Option<u16> {
    let port = decimal(text).and_then(|number| u16::try_from(number).ok());
    let port = port.or_else(|| names.port(text, protocol));
    if port.is_none() {
        let message = if decimal(text).is_some() {
            format!("{} is not a port", quoted(text))
        } else {
            format!(
                "{} is not a port, and not the name of one in /etc/services",
                quoted(text)
            )
        };
        let help = "a port is 0 to 65535; `ipvsadm -Sn` prints no names";
        mistakes.add(Mistake::new(&word.span, message, help));
    }
    port
}

/// Parses a mark of 32 bits. `ipvsadm -S` prints marks from 2³¹ on as negative
/// numbers.
pub(super) fn mark(word: &Word, mistakes: &Mistakes) -> Option<u32> {
    let mark = decimal(&word.text)
        .and_then(|number| {
            u32::try_from(number)
                .ok()
                .or_else(|| i32::try_from(number).ok().map(i32::cast_unsigned))
        })
        .filter(|mark| *mark != 0);
    if mark.is_none() {
        mistakes.add(Mistake::new(
            &word.span,
            format!("{} is not a firewall mark", quoted(&word.text)),
            "a mark is 1 to 4294967295, in decimal",
        ));
    }
    mark
}

pub(super) fn number(word: &Word, least: u32, most: u32, mistakes: &Mistakes) -> Option<u32> {
    let number = decimal(&word.text)
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| (least..=most).contains(number));
    if number.is_none() {
        mistakes.add(Mistake::new(
            &word.span,
            format!("{} is out of range, or not a number", quoted(&word.text)),
            format!("it is {least} to {most}"),
        ));
    }
    number
}

/// Parses a number like strtol(3), which accepts a sign.
fn decimal(text: &str) -> Option<i64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Word {
        Word {
            text: text.to_owned(),
            span: 0..text.len(),
        }
    }

    fn read(text: &str) -> Result<String, String> {
        let names = Names::new("10.0.0.9 web\n", "http 80/tcp\n");
        let mistakes = Mistakes::default();
        let found = host_and_port(&word(text), Protocol::Tcp, &names, &mistakes);
        match (found, mistakes.into_diagnostics("", text)) {
            (Some((host, port)), None) => Ok(format!("{host} {}", port.map_or(-1, i32::from))),
            (None, Some(diagnostics)) => Err(diagnostics.render(false)),
            (found, diagnostics) => panic!("{found:?} {diagnostics:?}"),
        }
    }

    #[test]
    fn addresses_are_read_as_ipvsadm_reads_them() {
        for (text, expected) in [
            ("10.0.0.1:80", "10.0.0.1 80"),
            ("10.0.0.1", "10.0.0.1 -1"),
            ("10.0.0.1:http", "10.0.0.1 80"),
            ("web:http", "10.0.0.9 80"),
            ("[fd00::1]:80", "fd00::1 80"),
            ("fd00::1", "fd00::1 -1"),
            ("fd00::1:80", "fd00::1:80 -1"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn mistakes_in_an_address_are_explained() {
        for (text, why) in [
            ("", "not an IP address"),
            ("80", "not an IP address"),
            ("lb.example:80", "not a name in /etc/hosts"),
            ("10.0.0.1:70000", "not a port"),
            ("10.0.0.1:-1", "not a port"),
            ("10.0.0.1:", "not a port"),
            ("10.0.0.1:gopher", "/etc/services"),
            ("[fd00::1", "no closing bracket"),
            ("[fd00::1]", "no port behind"),
            ("[10.0.0.1]:80", "not an IPv6 address"),
            ("[]:80", "not an IPv6 address"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }

    #[test]
    fn negative_marks_are_large_ones() {
        let mistakes = Mistakes::default();
        for (text, expected) in [
            ("1", Some(1)),
            ("-1", Some(u32::MAX)),
            ("-2147483648", Some(1 << 31)),
            ("4294967295", Some(u32::MAX)),
            ("0", None),
            ("4294967296", None),
            ("-2147483649", None),
            ("0x10", None),
        ] {
            assert_eq!(mark(&word(text), &mistakes), expected, "{text}");
        }
    }
}
