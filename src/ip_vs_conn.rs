// SPDX-License-Identifier: GPL-2.0-only
//! The connection table of IPVS, `/proc/net/ip_vs_conn`
//! (net/netfilter/ipvs/ip_vs_conn.c, `ip_vs_conn_seq_show()`).

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::Serialize;

/// `/proc/net` is that of the main thread, which can be in another namespace after
/// `setns(2)`.
const PATH: &str = "/proc/thread-self/net/ip_vs_conn";

/// A line of the table: a connection, or the template of a persistent client. A template
/// has no client port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Connection {
    /// The kernel's name in lower case: `tcp`, `udp`, `sctp`. `ip` is the template of a
    /// service by firewall mark, and its `vip` is the mark.
    pub protocol: String,
    pub client: SocketAddr,
    pub vip: SocketAddr,
    pub server: SocketAddr,
    /// The kernel's name: `ESTABLISHED`, `UDP`, …
    pub state: String,
    /// Seconds until it expires if no packet comes.
    pub expires: u64,
    pub persistence_engine: Option<PersistenceEngine>,
}

/// The data by which a persistence engine identifies the connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PersistenceEngine {
    /// `sip`
    pub name: String,
    /// The Call-ID for `sip`.
    pub data: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("/proc/net/ip_vs_conn: {0}")]
    Read(#[from] io::Error),
    #[error("/proc/net/ip_vs_conn reads \"{0}\", which this build does not understand")]
    Unreadable(String),
}

/// The connections of the caller's network namespace that `keep` wants, in order. Empty if
/// IPVS is not loaded. There may be millions, so those that nobody wants take no memory. No
/// connection is listed twice. Some may be missing if connections of any
/// namespace end during the call: the kernel continues by counting lines of the table,
/// which all namespaces share.
pub fn connections(keep: impl Fn(&Connection) -> bool) -> Result<Vec<Connection>, Error> {
    match File::open(PATH) {
        Ok(file) => read(BufReader::new(file), keep),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn read(table: impl BufRead, keep: impl Fn(&Connection) -> bool) -> Result<Vec<Connection>, Error> {
    let mut connections = Vec::new();
    // The first line has the column titles.
    for line in table.split(b'\n').skip(1) {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        let read =
            connection(&line).ok_or_else(|| Error::Unreadable(line.escape_debug().to_string()))?;
        if keep(&read) {
            connections.push(read);
        }
    }
    // The kernel continues by counting lines. So the lines around a connection that ended
    // can be repeated, with other seconds.
    connections.sort_unstable();
    connections.dedup_by(|a, b| same(a, b));
    Ok(connections)
}

fn same(a: &Connection, b: &Connection) -> bool {
    let key = |of: &Connection| (of.client, of.vip, of.server);
    key(a) == key(b) && a.protocol == b.protocol && a.persistence_engine == b.persistence_engine
}

/// Parses "TCP 0A010002 8DBC 0A000001 0050 0A020002 1F90 ESTABLISHED     899". The name
/// and data of a persistence engine can follow.
pub fn connection(line: &str) -> Option<Connection> {
    let (protocol, rest) = word(line)?;
    let (client, rest) = address(rest)?;
    let (vip, rest) = address(rest)?;
    let (server, rest) = address(rest)?;
    let (state, rest) = word(rest)?;
    let (expires, rest) = word(rest)?;
    Some(Connection {
        protocol: protocol.to_lowercase(),
        client,
        vip,
        server,
        state: state.to_owned(),
        expires: expires.parse().ok()?,
        persistence_engine: word(rest).map(|(name, data)| PersistenceEngine {
            name: name.to_owned(),
            data: data.strip_prefix(' ').unwrap_or(data).to_owned(),
        }),
    })
}

/// The next word and the text after it.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(' ');
    let end = text.find(' ').unwrap_or(text.len());
    text.split_at_checked(end)
        .filter(|(word, _)| !word.is_empty())
}

/// Parses an address (eight hexadecimal digits or an IPv6 address) and a hexadecimal
/// port.
fn address(text: &str) -> Option<(SocketAddr, &str)> {
    let (ip, rest) = word(text)?;
    let (port, rest) = word(rest)?;
    let ip: IpAddr = if ip.contains(':') {
        ip.parse::<Ipv6Addr>().ok()?.into()
    } else {
        Ipv4Addr::from(hexadecimal(ip, 8)?).into()
    };
    let port = u16::try_from(hexadecimal(port, 4)?).ok()?;
    Some((SocketAddr::new(ip, port), rest))
}

fn hexadecimal(text: &str, digits: usize) -> Option<u32> {
    if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_of_ipv4_is_read() {
        let line = "TCP 0A010002 8DBC 0A000001 0050 0A020002 1F90 ESTABLISHED     899";
        let read = connection(line).unwrap();
        assert_eq!(read.protocol, "tcp");
        assert_eq!(read.client.to_string(), "10.1.0.2:36284");
        assert_eq!(read.vip.to_string(), "10.0.0.1:80");
        assert_eq!(read.server.to_string(), "10.2.0.2:8080");
        assert_eq!((read.state.as_str(), read.expires), ("ESTABLISHED", 899));
        assert_eq!(read.persistence_engine, None);
    }

    #[test]
    fn a_connection_of_ipv6_to_a_server_of_ipv4_is_read() {
        let line = "UDP fd00:0000:0000:0000:0000:0000:0000:0002 13C4 \
                    fd00:0000:0000:0000:0000:0000:0000:0001 13C4 0A020002 13C4 UDP             300";
        let read = connection(line).unwrap();
        assert_eq!(read.client.to_string(), "[fd00::2]:5060");
        assert_eq!(read.server.to_string(), "10.2.0.2:5060");
    }

    #[test]
    fn the_data_of_a_persistence_engine_is_read_to_the_end_of_the_line() {
        let line = "UDP 0A010002 0000 0A000001 13C4 0A020002 13C4 NONE             60 sip a b@c";
        let engine = connection(line).unwrap().persistence_engine.unwrap();
        assert_eq!(
            (engine.name.as_str(), engine.data.as_str()),
            ("sip", "a b@c")
        );
    }

    #[test]
    fn connections_that_nobody_wants_take_no_memory() {
        const COUNT: usize = 100_000;
        let titles = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires\n";
        let line = |number: usize| {
            format!("TCP {number:08X} 8DBC 0A000001 0050 0A020002 1F90 ESTABLISHED     899\n")
        };
        let text: String = titles.to_owned() + &(0..COUNT).map(line).collect::<String>();
        let wanted = SocketAddr::from(([0, 0, 0, 7], 0x8dbc));
        let found = read(text.as_bytes(), |it| it.client == wanted).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found.capacity() < 100, "{}", found.capacity());
    }

    #[test]
    fn strange_lines_are_refused_not_misread() {
        for line in [
            "",
            " ",
            "TCP",
            "TCP 0A010002 8DBC 0A000001 0050 0A020002 1F90 ESTABLISHED",
            "TCP 0A010002 8DBC 0A000001 0050 0A020002 1F90 ESTABLISHED soon",
            "TCP 0A01000 8DBC 0A000001 0050 0A020002 1F90 ESTABLISHED 1",
            "TCP +A010002 8DBC 0A000001 0050 0A020002 1F90 ESTABLISHED 1",
            "TCP 0A010002 8DBCC 0A000001 0050 0A020002 1F90 ESTABLISHED 1",
            "TCP fd00::g 8DBC 0A000001 0050 0A020002 1F90 ESTABLISHED 1",
            "TCP 0A010002 8DBC 0A000001 0050 é 1F90 ESTABLISHED 1",
        ] {
            assert_eq!(connection(line), None, "{line}");
        }
    }
}
