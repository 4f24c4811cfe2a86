// SPDX-License-Identifier: GPL-2.0-only
//! The ways through a director that are compared.

use std::net::IpAddr;

use crate::flow::{self, Family, SERVER_PORT, VIP_PORT};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// Nothing but the generator: frames end at the director's first tc filter.
    /// Subtracted from all others.
    Drop,
    /// An eBPF program that only redirects: the floor.
    TcRedirect,
    /// Plain forwarding.
    Route,
    /// IPVS masq, conntrack off, no source NAT.
    Ipvs,
    /// IPVS with conntrack and an nft masquerade rule: what kube-proxy's IPVS
    /// mode does, and what everything is compared with.
    IpvsMasquerade,
    /// Destination NAT and masquerade by conntrack and nft, without IPVS.
    NftMasquerade,
    /// The same with a flowtable, which forwards established flows at ingress.
    NftFlowtable,
    /// Full NAT of this project, every packet through IPVS.
    IpvsBpf,
    /// The same with the fast path.
    IpvsBpfFast,
    /// The eBPF programs of this project alone, see `leases.rs`.
    #[serde(rename = "fast_path")]
    FastAlone,
}

impl Path {
    /// Where there is IPVS.
    pub const ALL: [Path; 9] = [
        Path::Drop,
        Path::TcRedirect,
        Path::Route,
        Path::Ipvs,
        Path::IpvsMasquerade,
        Path::NftMasquerade,
        Path::NftFlowtable,
        Path::IpvsBpf,
        Path::IpvsBpfFast,
    ];

    /// Where there is none.
    pub const NATIVE: [Path; 5] = [
        Path::Drop,
        Path::TcRedirect,
        Path::Route,
        Path::NftMasquerade,
        Path::FastAlone,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Path::Drop => "drop",
            Path::TcRedirect => "tc_redirect",
            Path::Route => "route",
            Path::Ipvs => "ipvs",
            Path::IpvsMasquerade => "ipvs_masquerade",
            Path::NftMasquerade => "nft_masquerade",
            Path::NftFlowtable => "nft_flowtable",
            Path::IpvsBpf => "ipvs_bpf",
            Path::IpvsBpfFast => "ipvs_bpf_fast",
            Path::FastAlone => "fast_path",
        }
    }

    /// Whether packets belong to connections that the director knows.
    pub fn has_sessions(self) -> bool {
        !matches!(self, Path::Drop | Path::TcRedirect | Path::Route)
    }

    /// True if conntrack knows the connections.
    pub fn has_conntrack(self) -> bool {
        matches!(
            self,
            Path::IpvsMasquerade | Path::NftMasquerade | Path::NftFlowtable
        )
    }

    /// True if flows that are in use leave most of the kernel out, for as long as a
    /// lease or an entry of the flowtable lasts.
    pub fn is_fast(self) -> bool {
        matches!(self, Path::IpvsBpfFast | Path::NftFlowtable)
    }

    /// Whether it is full NAT of this project, by the module.
    pub fn is_ours(self) -> bool {
        matches!(self, Path::IpvsBpf | Path::IpvsBpfFast)
    }

    /// Where a client sends.
    pub fn destination(self, family: Family) -> (IpAddr, u16) {
        if self.has_sessions() {
            (flow::vip(family, 0), VIP_PORT)
        } else {
            (flow::server(family), SERVER_PORT)
        }
    }

    /// Whom the server answers. Each kind of source NAT keeps a client's port
    /// where it is free, and the flows that are answered have each their own;
    /// were it otherwise, the answers would not arrive, which is checked.
    pub fn peer(self, family: Family, client: (IpAddr, u16)) -> (IpAddr, u16) {
        match self {
            Path::IpvsMasquerade | Path::NftMasquerade | Path::NftFlowtable => {
                (flow::address(family, 2, 1), client.1)
            }
            Path::IpvsBpf | Path::IpvsBpfFast | Path::FastAlone => {
                (flow::local_ip(family, 0), client.1)
            }
            _ => client,
        }
    }
}
