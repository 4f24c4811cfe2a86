// SPDX-License-Identifier: GPL-2.0-only
//! Counts the connections to a server that can still carry data, in the connection table
//! of IPVS (`ip_vs_conn.c: ip_vs_conn_seq_show()`).
//!
//! The counters of a server cannot tell: they count a TCP connection that one side has
//! closed as inactive, like one that both sides have closed.

use std::net::SocketAddr;

use crate::ip_vs_conn::{Connection, Error, connections};
use crate::model::ServiceKey;

/// For a service by firewall mark or of every port, this counts all connections to the
/// server: the table does not say which service scheduled them.
pub(super) fn open_connections(key: &ServiceKey, server: SocketAddr) -> Result<usize, Error> {
    let counts = |connection: &Connection| is_open(connection, key, server);
    Ok(connections(counts)?.len())
}

fn is_open(connection: &Connection, key: &ServiceKey, server: SocketAddr) -> bool {
    let over = match connection.protocol.as_str() {
        "tcp" => matches!(connection.state.as_str(), "TIME_WAIT" | "CLOSE"),
        "sctp" => matches!(connection.state.as_str(), "CLOSED" | "REJECTED"),
        _ => false,
    };
    let is_template = connection.client.port() == 0;
    !over && !is_template && leads_to(connection.server, server) && is_of(key, connection)
}

/// A server of port 0 receives packets at the port that the client used.
fn leads_to(destination: SocketAddr, server: SocketAddr) -> bool {
    destination.ip() == server.ip() && (server.port() == 0 || destination.port() == server.port())
}

fn is_of(key: &ServiceKey, connection: &Connection) -> bool {
    match key {
        ServiceKey::Fwmark { .. } => true,
        ServiceKey::Address { protocol, address } => {
            connection.protocol == protocol.to_string() && leads_to(connection.vip, *address)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip_vs_conn::connection;
    use crate::model::Family;

    /// The format of Linux 6.1.
    const LINES: &str = "\
TCP 0A010002 A4C2 0A000001 0050 0A020002 1F90 ESTABLISHED     898
TCP 0A010002 A4C4 0A000001 0050 0A020002 1F90 TIME_WAIT        98
TCP 0A010002 A4C6 0A000001 0050 0A020002 1F90 FIN_WAIT         98
TCP 0A010002 A4C8 0A000001 0050 0A020002 1F90 CLOSE             8
TCP 0A010002 A4CA 0A000001 0051 0A020002 1F90 CLOSE_WAIT       58
TCP 0A010002 0000 0A000001 0050 0A020002 1F90 ASSURED         290
TCP 0A010002 A4CC 0A000001 0050 0A020003 1F90 ESTABLISHED     898
UDP 0A010002 A4CE 0A000001 0050 0A020002 1F90 UDP             298
TCP fd00:0001:0000:0000:0000:0000:0000:0002 BC5C fd00:0000:0000:0000:0000:0000:0000:0001 0050 fd00:0002:0000:0000:0000:0000:0000:0002 1F90 SYN_RECV         57
";

    fn found(key: &ServiceKey, server: &str) -> usize {
        let server = server.parse().unwrap();
        LINES
            .lines()
            .filter(|line| is_open(&connection(line).unwrap(), key, server))
            .count()
    }

    #[test]
    fn open_and_half_closed_connections_of_the_service_to_the_server_count() {
        let key = |text: &str| crate::config::argument::service(text).unwrap();
        assert_eq!(found(&key("tcp://10.0.0.1:80"), "10.2.0.2:8080"), 2);
        assert_eq!(found(&key("tcp://10.0.0.1:80"), "10.2.0.3:8080"), 1);
        assert_eq!(found(&key("tcp://10.0.0.1:0"), "10.2.0.2:0"), 3);
        assert_eq!(found(&key("udp://10.0.0.1:80"), "10.2.0.2:8080"), 1);
        assert_eq!(found(&key("sctp://10.0.0.1:80"), "10.2.0.2:8080"), 0);
        assert_eq!(found(&key("tcp://[fd00::1]:80"), "[fd00:2::2]:8080"), 1);
        let mark = ServiceKey::Fwmark {
            mark: 7,
            family: Family::Ipv4,
        };
        assert_eq!(found(&mark, "10.2.0.2:0"), 4);
    }
}
