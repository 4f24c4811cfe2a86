// SPDX-License-Identifier: GPL-2.0-only
//! Numbers, port ranges and durations in their written form.

use std::str::FromStr;

use super::reader::Invalid;
use crate::model::PortRange;

/// 31 days, the limit of ipvsadm: the kernel stores timeouts in ticks.
const LONGEST: u64 = 31 * 86_400;

/// The kernel counts the timeouts of connections up to `INT_MAX` ticks
/// (`ip_vs_set_timeout()`), of which some kernels have 1000 a second.
const LONGEST_TIMEOUT: u64 = i32::MAX as u64 / 1000;

/// Parses decimal digits only. `parse` would accept a sign.
pub(super) fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Parses "1024-65535".
pub(super) fn ports(text: &str) -> Result<PortRange, Invalid> {
    const FORM: &str = "write it like \"1024-65535\"";
    let (first, last) = text.split_once('-').ok_or(Invalid::new("", FORM))?;
    let (Some(first), Some(last)) = (number::<u16>(first), number::<u16>(last)) else {
        return Err(Invalid::new("both ends are 1 to 65535", FORM));
    };
    if first == 0 {
        return Err(Invalid::new("no packet comes from port 0", FORM));
    }
    if first > last {
        return Err(Invalid::new(
            "the first port is above the last",
            format!("write \"{last}-{first}\""),
        ));
    }
    Ok(PortRange { first, last })
}

/// Parses "90s", "15m" or "1h30m" into seconds, at least 1.
pub(super) fn duration(text: &str) -> Result<u32, Invalid> {
    seconds_up_to(LONGEST, text)
}

/// The same for `[timeouts]`.
pub(super) fn timeout(text: &str) -> Result<u32, Invalid> {
    seconds_up_to(LONGEST_TIMEOUT, text)
}

fn seconds_up_to(longest: u64, text: &str) -> Result<u32, Invalid> {
    match seconds(text) {
        None if bare_seconds(text) => Err(Invalid::did_you_mean(
            "its unit is missing",
            format!("{text}s"),
        )),
        None => Err(Invalid::new(
            "",
            "write it like \"90s\", \"15m\" or \"1h30m\"",
        )),
        // For the kernel 0 means "unchanged".
        Some(0) => Err(Invalid::new("it is zero", "the shortest is \"1s\"")),
        Some(seconds) => u32::try_from(seconds)
            .ok()
            .filter(|seconds| u64::from(*seconds) <= longest)
            .ok_or_else(|| {
                let days = longest / 86_400;
                Invalid::new("it is too long", format!("the longest is \"{days}d\""))
            }),
    }
}

/// True for a number without a unit that is a valid duration in seconds.
fn bare_seconds(text: &str) -> bool {
    number::<u64>(text).is_some_and(|seconds| (1..=LONGEST).contains(&seconds))
}

/// Parses a duration. A sum that overflows saturates.
fn seconds(text: &str) -> Option<u64> {
    let mut sum: u64 = 0;
    let mut rest = text;
    let mut smaller_than = u64::MAX;
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit())?);
        let mut letters = after.chars();
        let unit: u64 = match letters.next()? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        // Reject typing mistakes such as "30m1h" and "1m1m".
        if unit >= smaller_than || digits.is_empty() {
            return None;
        }
        smaller_than = unit;
        let count = digits.parse().unwrap_or(u64::MAX);
        sum = sum.saturating_add(unit.saturating_mul(count));
        rest = letters.as_str();
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds() {
        for (text, seconds) in [
            ("1s", 1),
            ("90s", 90),
            ("15m", 900),
            ("1h30m", 5400),
            ("1d1h1m1s", 90_061),
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
            "+1s",
            "1.5m",
            "1h5",
            "0s",
            "30m1h",
            "1m1m",
            "1 m",
            "32d",
            "99999999999999999999d",
            "15м",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_count_without_a_unit_is_suggested_in_seconds() {
        for (text, meant) in [("300", Some("300s")), ("0", None), ("2678401", None)] {
            let wrong = duration(text).unwrap_err();
            assert_eq!(wrong.fix.as_deref(), meant, "{text}");
            if let Some(meant) = meant {
                assert!(duration(meant).is_ok(), "{meant}");
            }
        }
    }

    #[test]
    fn ranges_of_ports_have_two_ends_in_order() {
        assert_eq!(
            ports("1-65535"),
            Ok(PortRange {
                first: 1,
                last: 65535
            })
        );
        assert_eq!(
            ports("80-80"),
            Ok(PortRange {
                first: 80,
                last: 80
            })
        );
        for text in [
            "", "80", "0-1", "2-1", "1-65536", "1-+2", "1--2", "a-b", "1-",
        ] {
            assert!(ports(text).is_err(), "{text}");
        }
    }
}
