// SPDX-License-Identifier: GPL-2.0-only
//! Values on the command line, in the syntax of the file.

use std::net::SocketAddr;

use super::address;
use super::reader::Invalid;
use super::spelling::{closest, listed, quoted};
use super::value;
use crate::model::ServiceKey;

/// A message lists at most this many of the existing names.
const LISTED: usize = 5;

/// Parses "tcp://10.0.0.1:80" or "fwmark://7".
pub fn service(text: &str) -> Result<ServiceKey, String> {
    address::service(text).map_err(sentence)
}

/// Parses "10.2.0.2:8080".
pub fn server(text: &str) -> Result<SocketAddr, String> {
    address::server(text).map_err(sentence)
}

/// Parses "90s", "15m", "1h30m" or "0s" into seconds.
pub fn duration(text: &str) -> Result<u32, String> {
    match text {
        "0s" => Ok(0),
        _ => value::duration(text).map_err(sentence),
    }
}

fn sentence(wrong: Invalid) -> String {
    if wrong.why.is_empty() {
        wrong.right
    } else {
        format!("{}; {}", wrong.why, wrong.right)
    }
}

/// Suggests an existing name that is close to `name`, or else lists the
/// existing names.
pub fn near(name: &str, there: &[String]) -> String {
    if there.is_empty() {
        return "there are none at all".to_owned();
    }
    if let Some(meant) = closest(name, there.iter().map(String::as_str)) {
        return format!("did you mean {}?", quoted(meant));
    }
    let some = listed(there.iter().take(LISTED).map(String::as_str));
    match there.len().saturating_sub(LISTED) {
        0 => format!("there are: {some}"),
        more => format!("there are: {some} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_otherwise_the_first_are_listed() {
        let there: Vec<String> = (1..=7).map(|n| format!("tcp://10.0.0.{n}:80")).collect();
        assert_eq!(
            near("tcp://10.0.0.3:8", &there),
            "did you mean `tcp://10.0.0.3:80`?"
        );
        assert_eq!(
            near("fwmark://7", &there[..2]),
            "there are: `tcp://10.0.0.1:80`, `tcp://10.0.0.2:80`"
        );
        assert!(near("fwmark://7", &there).ends_with("`tcp://10.0.0.5:80` and 2 more"));
        assert_eq!(near("fwmark://7", &[]), "there are none at all");
    }

    #[test]
    fn a_wrong_argument_is_explained_in_one_sentence() {
        assert_eq!(
            service("10.0.0.1:80").unwrap_err(),
            "the protocol is missing; write \"tcp://10.0.0.1:80\""
        );
        assert!(server("10.2.0.2").unwrap_err().contains("port is missing"));
        assert_eq!(duration("0s"), Ok(0));
        assert_eq!(
            duration("5").unwrap_err(),
            "its unit is missing; did you mean \"5s\"?"
        );
        assert!(duration("x").unwrap_err().contains("write it like"));
    }
}
