// SPDX-License-Identifier: GPL-2.0-only
//! The sessions of the module: `/proc/net/ip_vs_bpf/sessions`
//! (`kmod/control/sessions_proc.c`).

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use super::Error;
use super::text::protocol;
use crate::model::Protocol;

const FILE: &str = "/proc/thread-self/net/ip_vs_bpf/sessions";

/// One full-NAT connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Session {
    pub protocol: Protocol,
    pub client: SocketAddr,
    pub vip: SocketAddr,
    /// The source address that the server sees.
    pub local_ip: SocketAddr,
    pub server: SocketAddr,
    /// The directions that the eBPF program forwards at the moment.
    pub fast_path: Directions,
    /// Those of them that leave at XDP; the others leave at tc.
    pub xdp: Directions,
}

/// Directions of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Directions {
    None,
    /// From the client to the server.
    Original,
    /// From the server to the client.
    Reply,
    Both,
}

impl Directions {
    pub fn word(self) -> &'static str {
        match self {
            Directions::None => "-",
            Directions::Original => "original",
            Directions::Reply => "reply",
            Directions::Both => "both",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        use Directions::{Both, None, Original, Reply};
        [None, Original, Reply, Both]
            .into_iter()
            .find(|known| known.word() == word)
    }
}

/// Every session of the caller's network namespace, sorted. Empty if the module is not
/// loaded. A session that begins or ends during the call may be missing.
pub fn sessions() -> Result<Vec<Session>, Error> {
    let path = Path::new(FILE);
    let fail = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file.map_err(fail)?,
    };
    let mut found = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(fail)?;
        found.push(session(&line).ok_or_else(|| Error::Unreadable {
            path: path.to_owned(),
            line,
        })?);
    }
    // The module may list a session twice if its table grows during the call.
    found.sort_unstable();
    found.dedup_by(|one, other| {
        (one.client, one.local_ip, one.server, one.protocol)
            == (other.client, other.local_ip, other.server, other.protocol)
    });
    Ok(found)
}

/// Parses "tcp 10.1.0.2:36284 10.0.0.1:80 10.2.0.100:36284 10.2.0.2:8080 both original".
fn session(line: &str) -> Option<Session> {
    let mut words = line.split(' ');
    let protocol = protocol(words.next()?)?;
    let mut address = || words.next()?.parse().ok();
    Some(Session {
        protocol,
        client: address()?,
        vip: address()?,
        local_ip: address()?,
        server: address()?,
        fast_path: Directions::from_word(words.next()?)?,
        // Modules of earlier builds do not say.
        xdp: Directions::from_word(words.next().unwrap_or("-"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_either_family_is_a_session() {
        let line = "udp [fd00:1::2]:5 [fd00::1]:53 [fd00:2::100]:5 [fd00:2::2]:53 both reply";
        let read = session(line).unwrap();
        assert_eq!(read.client.to_string(), "[fd00:1::2]:5");
        assert_eq!(read.fast_path, Directions::Both);
        assert_eq!(read.xdp, Directions::Reply);
        let line = "tcp 10.1.0.2:36284 10.0.0.1:80 10.2.0.100:36284 10.2.0.2:8080 - -";
        assert_eq!(session(line).unwrap().server.to_string(), "10.2.0.2:8080");
    }

    #[test]
    fn a_strange_line_is_refused_not_misread() {
        for line in [
            "",
            "tcp",
            "tcp a b c d - -",
            "tcp 1.1.1.1:1 1.1.1.1:1 1.1.1.1:1 1.1.1.1:1 both fast",
            "icmp 1.1.1.1:1 1.1.1.1:1 1.1.1.1:1 1.1.1.1:1 - -",
        ] {
            assert_eq!(session(line), None, "{line}");
        }
    }
}
