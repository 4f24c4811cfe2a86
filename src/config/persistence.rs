// SPDX-License-Identifier: GPL-2.0-only
//! `persistence` of a service: `{ timeout = "5m", netmask = 24, engine = "sip" }`.

use std::net::Ipv4Addr;

use toml::de::DeValue;

use super::diagnostics::{Mistake, Mistakes};
use super::reader::{Section, Value, form, integer};
use super::spelling::quoted;
use super::value;
use crate::model::{Family, Netmask, Persistence};

/// The default timeout in seconds. That of `ipvsadm -p` is 360.
const TIMEOUT: u32 = 300;
/// `IP_VS_PENAME_MAXLEN`, without the NUL.
const LONGEST_NAME: usize = 15;

/// `family`: the family of the service, if it is known.
pub(super) fn read<'t>(
    value: &'t Value<'t>,
    family: Option<Family>,
    mistakes: &'t Mistakes,
) -> Option<Persistence> {
    if let Some(mistake) = not_in_braces(value) {
        mistakes.add(mistake);
        return None;
    }
    let section = Section::of("`persistence`", value, mistakes)?;
    let timeout = section
        .take("timeout")
        .and_then(|value| form(value, "timeout", "duration", value::duration, mistakes));
    let netmask = section
        .take("netmask")
        .and_then(|value| netmask(value, family, mistakes));
    let engine = section.string("engine").map(|(name, span)| {
        if !(1..=LONGEST_NAME).contains(&name.len()) {
            mistakes.add(Mistake::new(
                &span,
                format!(
                    "{} is not a valid name for a persistence engine",
                    quoted(name)
                ),
                format!("a name has 1 to {LONGEST_NAME} bytes, like \"sip\""),
            ));
        }
        name.to_owned()
    });
    section.finish();
    Some(Persistence {
        timeout: timeout.map_or(TIMEOUT, |(seconds, _)| seconds),
        netmask: netmask.unwrap_or(Netmask::whole(family.unwrap_or(Family::Ipv4))),
        engine,
    })
}

/// Reports a timeout or a switch in the place of the table.
fn not_in_braces(value: &Value) -> Option<Mistake> {
    let span = value.span();
    let timeout = match value.get_ref() {
        DeValue::String(text) => text.as_ref().to_owned(),
        DeValue::Integer(seconds) => format!("{seconds}s"),
        DeValue::Boolean(true) => "5m".to_owned(),
        DeValue::Boolean(false) => {
            let message = "`persistence` is a table, not a switch";
            return Some(Mistake::new(&span, message, "remove it"));
        }
        _ => return None,
    };
    let timeout = match value::duration(&timeout) {
        Ok(_) => timeout,
        Err(wrong) => wrong.fix?,
    };
    let right = format!("{{ timeout = \"{timeout}\" }}");
    let help = format!("write `persistence = {right}`");
    Some(Mistake::new(&span, "`persistence` is a table", help).fix(&span, right))
}

/// Reads a prefix length. For IPv4 also accepts a mask, like `ipvsadm -M`.
fn netmask(value: &Value, family: Option<Family>, mistakes: &Mistakes) -> Option<Netmask> {
    if family != Some(Family::Ipv6)
        && let Some(text) = value.get_ref().as_str()
    {
        if let Ok(mask) = text.parse::<Ipv4Addr>() {
            return Some(Netmask::V4(mask));
        }
        mistakes.add(Mistake::new(
            &value.span(),
            format!("{} is not a netmask", quoted(text)),
            "write a prefix length like 24, or a mask like \"255.255.255.0\"",
        ));
        return None;
    }
    let most: u8 = if family == Some(Family::Ipv4) {
        32
    } else {
        128
    };
    let (length, _) = integer(value, "netmask", 1, most.into(), mistakes)?;
    let length = u8::try_from(length).ok()?;
    Some(match family {
        Some(Family::Ipv6) => Netmask::V6(length),
        _ => Netmask::V4(
            u32::MAX
                .checked_shl(32u32.saturating_sub(length.into()))
                .unwrap_or(0)
                .into(),
        ),
    })
}
