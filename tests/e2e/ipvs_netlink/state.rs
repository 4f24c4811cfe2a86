// SPDX-License-Identifier: GPL-2.0-only
//! Services with every kind of value in every field, and the output of `ipvsadm` for
//! them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use ipvs_bpf::model::{
    Family, Forward, Netmask, Persistence, Protocol, Server, Service, ServiceKey, Tunnel,
    TunnelChecksum,
};

pub fn key(protocol: Protocol, address: &str) -> ServiceKey {
    ServiceKey::Address {
        protocol,
        address: address.parse().unwrap(),
    }
}

pub fn tcp(address: &str) -> ServiceKey {
    key(Protocol::Tcp, address)
}

pub fn service(scheduler: &str) -> Service {
    Service {
        scheduler: scheduler.into(),
        scheduler_flags: [false; 3],
        persistence: None,
        one_packet: false,
        servers: BTreeMap::new(),
    }
}

pub fn persistence(timeout: u32, netmask: Netmask, engine: Option<&str>) -> Option<Persistence> {
    Some(Persistence {
        timeout,
        netmask,
        engine: engine.map(Into::into),
    })
}

pub fn server(forward: Forward, weight: u32, upper_threshold: u32, lower_threshold: u32) -> Server {
    Server {
        weight,
        forward,
        upper_threshold,
        lower_threshold,
    }
}

fn servers(list: &[(&str, Server)]) -> BTreeMap<SocketAddr, Server> {
    list.iter()
        .map(|(address, server)| (address.parse().unwrap(), server.clone()))
        .collect()
}

pub const IPIP: Forward = Forward::Tunnel(Tunnel::Ipip);

pub fn gue(port: u16, checksum: TunnelChecksum) -> Forward {
    Forward::Tunnel(Tunnel::Gue { port, checksum })
}

fn gre(checksum: TunnelChecksum) -> Forward {
    Forward::Tunnel(Tunnel::Gre { checksum })
}

/// Every field with every kind of value that it can have, for both families.
pub fn state() -> BTreeMap<ServiceKey, Service> {
    use TunnelChecksum::{Full, None as Bare, Remote};
    BTreeMap::from([
        (
            tcp("10.0.0.1:80"),
            Service {
                persistence: persistence(300, Netmask::V4(Ipv4Addr::new(255, 255, 254, 0)), None),
                servers: servers(&[
                    ("10.0.0.2:8080", server(Forward::Masq, 0, 1000, 10)),
                    ("10.0.0.3:80", server(Forward::Route, i32::MAX as u32, 0, 0)),
                    (
                        "10.0.0.4:80",
                        server(IPIP, 1, i32::MAX as u32, i32::MAX as u32),
                    ),
                    ("10.0.0.5:80", server(gue(6080, Bare), 1, 0, 0)),
                    ("10.0.0.6:80", server(gue(1, Full), 1, 5, 0)),
                    ("10.0.0.7:80", server(gue(65535, Remote), 1, 0, 0)),
                    ("10.0.0.8:80", server(gre(Bare), 1, 0, 0)),
                    ("10.0.0.9:80", server(gre(Full), 1, 0, 0)),
                    ("[fd00::a]:80", server(IPIP, 65536, 0, 0)),
                ]),
                ..service("wlc")
            },
        ),
        (
            tcp("[fd00::1]:443"),
            Service {
                persistence: persistence(u32::from(u16::MAX), Netmask::V6(64), None),
                servers: servers(&[
                    ("[fd00::2]:8443", server(Forward::Masq, 5, 70_000, 65_536)),
                    ("[fd00::3]:443", server(Forward::Route, 1, 0, 0)),
                    ("[fd00::4]:443", server(IPIP, 1, 0, 0)),
                    ("[fd00::5]:443", server(gue(6080, Remote), 1, 0, 0)),
                    ("[fd00::6]:443", server(gre(Full), 1, 0, 0)),
                    ("10.0.0.7:443", server(IPIP, 1, 0, 0)),
                ]),
                ..service("wrr")
            },
        ),
        (
            key(Protocol::Udp, "10.0.0.1:53"),
            Service {
                scheduler_flags: [true, true, false],
                servers: servers(&[("10.0.0.2:53", server(Forward::Masq, 1, 0, 0))]),
                ..service("sh")
            },
        ),
        (
            key(Protocol::Udp, "[fd00::1]:53"),
            Service {
                scheduler_flags: [false, false, true],
                one_packet: true,
                ..service("rr")
            },
        ),
        (
            key(Protocol::Udp, "10.0.0.1:5060"),
            Service {
                persistence: persistence(60, Netmask::whole(Family::Ipv4), Some("sip")),
                ..service("rr")
            },
        ),
        (
            key(Protocol::Sctp, "10.0.0.1:132"),
            Service {
                scheduler_flags: [true, false, true],
                ..service("mh")
            },
        ),
        (
            ServiceKey::Fwmark {
                mark: u32::MAX,
                family: Family::Ipv4,
            },
            Service {
                servers: servers(&[("10.0.0.2:0", server(Forward::Route, 1, 0, 0))]),
                ..service("wrr")
            },
        ),
        (
            ServiceKey::Fwmark {
                mark: 0x1_0001,
                family: Family::Ipv6,
            },
            Service {
                persistence: persistence(360, Netmask::V6(1), None),
                servers: servers(&[("[fd00::2]:0", server(Forward::Route, 1, 0, 0))]),
                ..service("lc")
            },
        ),
        (
            tcp("10.0.0.9:0"),
            Service {
                persistence: persistence(300, Netmask::whole(Family::Ipv4), None),
                ..service("none")
            },
        ),
    ])
}

/// The output of `ipvsadm -Sn` for [`state`]. It does not list thresholds, and prints
/// marks from 2^31 on as negative numbers.
pub const SAVED: &str = "
-A -t 10.0.0.1:80 -s wlc -p 300 -M 255.255.254.0
-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m -w 0
-a -t 10.0.0.1:80 -r 10.0.0.3:80 -g -w 2147483647
-a -t 10.0.0.1:80 -r 10.0.0.4:80 -i -w 1 --tun-type ipip
-a -t 10.0.0.1:80 -r 10.0.0.5:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum
-a -t 10.0.0.1:80 -r 10.0.0.6:80 -i -w 1 --tun-type gue --tun-port 1 --tun-csum
-a -t 10.0.0.1:80 -r 10.0.0.7:80 -i -w 1 --tun-type gue --tun-port 65535 --tun-remcsum
-a -t 10.0.0.1:80 -r 10.0.0.8:80 -i -w 1 --tun-type gre --tun-nocsum
-a -t 10.0.0.1:80 -r 10.0.0.9:80 -i -w 1 --tun-type gre --tun-csum
-a -t 10.0.0.1:80 -r [fd00::a]:80 -i -w 65536 --tun-type ipip
-A -t [fd00::1]:443 -s wrr -p 65535 -M 64
-a -t [fd00::1]:443 -r [fd00::2]:8443 -m -w 5
-a -t [fd00::1]:443 -r [fd00::3]:443 -g -w 1
-a -t [fd00::1]:443 -r [fd00::4]:443 -i -w 1 --tun-type ipip
-a -t [fd00::1]:443 -r [fd00::5]:443 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum
-a -t [fd00::1]:443 -r [fd00::6]:443 -i -w 1 --tun-type gre --tun-csum
-a -t [fd00::1]:443 -r 10.0.0.7:443 -i -w 1 --tun-type ipip
-A -u 10.0.0.1:53 -s sh -b sh-fallback,sh-port
-a -u 10.0.0.1:53 -r 10.0.0.2:53 -m -w 1
-A -u [fd00::1]:53 -s rr -o -b flag-3
-A -u 10.0.0.1:5060 -s rr -p 60 --pe sip
-A --sctp-service 10.0.0.1:132 -s mh -b mh-fallback
-A -f -1 -s wrr
-a -f -1 -r 10.0.0.2:0 -g -w 1
-A -f 65537 -6 -s lc -p 360 -M 1
-a -f 65537 -6 -r [fd00::2]:0 -g -w 1
-A -t 10.0.0.9:0 -s none -p 300
";
