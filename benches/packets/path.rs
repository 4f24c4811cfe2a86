// SPDX-License-Identifier: GPL-2.0-only
//! The paths through a director that are compared.

use std::net::IpAddr;

use crate::flow::{self, Family, SERVER_PORT, VIP_PORT};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// Only the generator: frames end at the director's first tc filter. This is
    /// subtracted from all other paths.
    Drop,
    /// An eBPF program that only redirects: the lower limit.
    TcRedirect,
    /// The same at XDP, and a program there that drops every frame: see `drivers/`.
    XdpRedirect,
    XdpDrop,
    /// Plain forwarding.
    Route,
    /// IPVS masquerading, without conntrack and without source NAT.
    Ipvs,
    /// IPVS with conntrack and an nft masquerade rule, as in the IPVS mode of kube-proxy.
    /// All paths are compared with this one.
    IpvsMasquerade,
    /// Destination NAT and masquerade by conntrack and nft, without IPVS.
    NftMasquerade,
    /// The same with a flowtable that forwards established flows at ingress.
    NftFlowtable,
    /// The same, and at XDP `xdp-forward` of xdp-tools forwards the flowtable's flows.
    XdpForward,
    /// Full NAT of this project, every packet through IPVS.
    IpvsBpf,
    /// The same with the fast path.
    IpvsBpfFast,
    /// The same with its program at XDP as well.
    IpvsBpfXdp,
    /// The fast path at tc, and servers get the client's address.
    IpvsBpfToa,
    /// The eBPF programs of this project alone, see `leases.rs`.
    #[serde(rename = "fast_path")]
    FastAlone,
}

impl Path {
    /// The paths on a host with IPVS.
    pub const ALL: [Path; 10] = [
        Path::Drop,
        Path::TcRedirect,
        Path::Route,
        Path::Ipvs,
        Path::IpvsMasquerade,
        Path::NftMasquerade,
        Path::NftFlowtable,
        Path::IpvsBpf,
        Path::IpvsBpfFast,
        Path::IpvsBpfToa,
    ];

    /// The paths on a host without IPVS.
    pub const NATIVE: [Path; 5] = [
        Path::Drop,
        Path::TcRedirect,
        Path::Route,
        Path::NftMasquerade,
        Path::FastAlone,
    ];

    /// The paths between cards with native XDP.
    pub const DRIVERS: [Path; 8] = [
        Path::XdpDrop,
        Path::XdpRedirect,
        Path::IpvsBpfXdp,
        Path::XdpForward,
        Path::IpvsBpfFast,
        Path::Route,
        Path::NftFlowtable,
        Path::IpvsMasquerade,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Path::Drop => "drop",
            Path::TcRedirect => "tc_redirect",
            Path::XdpRedirect => "xdp_redirect",
            Path::XdpDrop => "xdp_drop",
            Path::Route => "route",
            Path::Ipvs => "ipvs",
            Path::IpvsMasquerade => "ipvs_masquerade",
            Path::NftMasquerade => "nft_masquerade",
            Path::NftFlowtable => "nft_flowtable",
            Path::XdpForward => "xdp_forward",
            Path::IpvsBpf => "ipvs_bpf",
            Path::IpvsBpfFast => "ipvs_bpf_fast",
            Path::IpvsBpfXdp => "ipvs_bpf_xdp",
            Path::IpvsBpfToa => "ipvs_bpf_toa",
            Path::FastAlone => "fast_path",
        }
    }

    /// True if packets belong to connections that the director knows.
    pub fn has_sessions(self) -> bool {
        !matches!(self, Path::Drop | Path::XdpDrop | Path::Route) && !self.is_redirect()
    }

    /// True if conntrack knows the connections.
    pub fn has_conntrack(self) -> bool {
        matches!(self, Path::IpvsMasquerade | Path::NftMasquerade) || self.has_flowtable()
    }

    /// True if it also has a flowtable.
    pub fn has_flowtable(self) -> bool {
        matches!(self, Path::NftFlowtable | Path::XdpForward)
    }

    /// True if flows in use bypass most of the kernel while they have a lease or an entry
    /// in the flowtable.
    pub fn is_fast(self) -> bool {
        self.has_leases() || self.has_flowtable()
    }

    /// True if it is this project's full NAT, with the module.
    pub fn is_ours(self) -> bool {
        self.has_leases() || self == Path::IpvsBpf
    }

    /// True if it also has the fast path.
    pub fn has_leases(self) -> bool {
        matches!(
            self,
            Path::IpvsBpfFast | Path::IpvsBpfXdp | Path::IpvsBpfToa
        )
    }

    /// True if frames leave as they came.
    pub fn is_redirect(self) -> bool {
        matches!(self, Path::TcRedirect | Path::XdpRedirect)
    }

    /// The address and port to which a client sends.
    pub fn destination(self, family: Family) -> (IpAddr, u16) {
        if self.has_sessions() {
            (flow::vip(family, 0), VIP_PORT)
        } else {
            (flow::server(family), SERVER_PORT)
        }
    }

    /// The address and port to which the server answers. Each kind of source NAT keeps
    /// the client's port if it is free. The flows that get answers have different ports.
    /// Otherwise the answers would not arrive, which is checked.
    pub fn peer(self, family: Family, client: (IpAddr, u16)) -> (IpAddr, u16) {
        match self {
            Path::IpvsMasquerade | Path::NftMasquerade | Path::NftFlowtable | Path::XdpForward => {
                (flow::address(family, 2, 1), client.1)
            }
            Path::IpvsBpf
            | Path::IpvsBpfFast
            | Path::IpvsBpfXdp
            | Path::IpvsBpfToa
            | Path::FastAlone => (flow::local_ip(family, 0), client.1),
            _ => client,
        }
    }
}
