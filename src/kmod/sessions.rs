// SPDX-License-Identifier: GPL-2.0-only
//! The sessions of the module: `/proc/net/ip_vs_bpf/sessions`
//! (`kmod/control/sessions_proc.c`).

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;

use serde::Serialize;

use super::Error;
use super::proc::file_error;
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

/// The sessions of the caller's network namespace that `keep` wants, sorted. Empty if the
/// module is not loaded. A session that begins or ends during the call may be missing. There
/// may be millions, so those that nobody wants take no memory.
pub fn sessions(keep: impl Fn(&Session) -> bool) -> Result<Vec<Session>, Error> {
    let mut found = Vec::new();
    each_session(|session| {
        if keep(&session) {
            found.push(session);
        }
    })?;
    // The module may list a session twice if its table grows during the call.
    found.sort_unstable();
    found.dedup_by(|one, other| {
        (one.client, one.local_ip, one.server, one.protocol)
            == (other.client, other.local_ip, other.server, other.protocol)
    });
    Ok(found)
}

/// Reads the sessions one by one, unsorted. The module may list one twice.
pub fn each_session(take: impl FnMut(Session)) -> Result<(), Error> {
    match File::open(FILE) {
        Ok(file) => read(BufReader::new(file), take),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn failed(source: io::Error) -> Error {
    file_error(FILE.into())(source)
}

fn read(mut table: impl BufRead, mut take: impl FnMut(Session)) -> Result<(), Error> {
    let mut line = String::new();
    while table.read_line(&mut line).map_err(failed)? > 0 {
        let text = line.trim_end_matches('\n');
        take(session(text).ok_or_else(|| Error::Unreadable {
            path: FILE.into(),
            line: text.to_owned(),
        })?);
        line.clear();
    }
    Ok(())
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
    fn each_line_of_the_table_is_read() {
        let line = |number: u32| {
            format!("tcp 10.1.0.2:{number} 10.0.0.1:80 10.2.0.100:5 10.2.0.2:8080 - -\n")
        };
        let text: String = (1..=3).map(line).collect();
        let mut clients = Vec::new();
        read(text.as_bytes(), |session| {
            clients.push(session.client.port())
        })
        .unwrap();
        assert_eq!(clients, [1, 2, 3]);
        let error = read("tcp\n".as_bytes(), |_| ()).unwrap_err();
        assert!(error.to_string().contains("reads \"tcp\""), "{error}");
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
