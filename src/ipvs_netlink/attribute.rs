// SPDX-License-Identifier: GPL-2.0-only
//! The encoding of netlink attribute values, and the macro that makes each attribute enum
//! of the family from a table.
//!
//! Numbers are in host byte order unless their type says otherwise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{
    DecodeError, NLA_ALIGNTO, NLA_F_NESTED, NLA_HEADER_SIZE, Nla, NlaBuffer, NlasIterator,
    Parseable, parse_string, parse_u8, parse_u16, parse_u16_be, parse_u32, parse_u64,
};

use crate::model::Family;

/// A value of an attribute, without the attribute's header.
pub trait Value: Sized {
    /// The flags that are added to the attribute's type.
    const TYPE_FLAGS: u16 = 0;

    fn length(&self) -> usize;

    /// `buffer` is exactly `length()` long.
    fn emit_into(&self, buffer: &mut [u8]);

    fn parse_from(bytes: &[u8]) -> Result<Self, DecodeError>;
}

macro_rules! number {
    ($type:ty, $parse:ident) => {
        impl Value for $type {
            fn length(&self) -> usize {
                size_of::<$type>()
            }

            fn emit_into(&self, buffer: &mut [u8]) {
                buffer.copy_from_slice(&self.to_ne_bytes());
            }

            fn parse_from(bytes: &[u8]) -> Result<Self, DecodeError> {
                $parse(bytes)
            }
        }
    };
}

number!(u8, parse_u8);
number!(u16, parse_u16);
number!(u32, parse_u32);

/// Four bytes. Another attribute says what they mean.
impl Value for [u8; 4] {
    fn length(&self) -> usize {
        self.len()
    }

    fn emit_into(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(self);
    }

    fn parse_from(bytes: &[u8]) -> Result<Self, DecodeError> {
        bytes_of(bytes)
    }
}

/// A port: big-endian on the wire, host byte order here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(pub u16);

impl Value for Port {
    fn length(&self) -> usize {
        size_of::<u16>()
    }

    fn emit_into(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.0.to_be_bytes());
    }

    fn parse_from(bytes: &[u8]) -> Result<Self, DecodeError> {
        parse_u16_be(bytes).map(Port)
    }
}

/// `union nf_inet_addr`: 16 bytes even for IPv4, which uses the first four. Another
/// attribute gives the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub [u8; 16]);

impl Address {
    pub fn of_family(self, family: Family) -> IpAddr {
        let [a, b, c, d, ..] = self.0;
        match family {
            Family::Ipv4 => Ipv4Addr::new(a, b, c, d).into(),
            Family::Ipv6 => Ipv6Addr::from(self.0).into(),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                Address([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            }
            IpAddr::V6(v6) => Address(v6.octets()),
        }
    }
}

impl Value for Address {
    fn length(&self) -> usize {
        self.0.len()
    }

    fn emit_into(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.0);
    }

    fn parse_from(bytes: &[u8]) -> Result<Self, DecodeError> {
        bytes_of(bytes).map(Address)
    }
}

/// An IPv4 address without padding, in network byte order.
impl Value for Ipv4Addr {
    fn length(&self) -> usize {
        4
    }

    fn emit_into(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.octets());
    }

    fn parse_from(bytes: &[u8]) -> Result<Self, DecodeError> {
        bytes_of::<4>(bytes).map(Ipv4Addr::from)
    }
}

/// An IPv6 address, in network byte order.
impl Value for Ipv6Addr {
    fn length(&self) -> usize {
        16
    }

    fn emit_into(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.octets());
    }

    fn parse_from(bytes: &[u8]) -> Result<Self, DecodeError> {
        bytes_of::<16>(bytes).map(Ipv6Addr::from)
    }
}

/// `struct ip_vs_flags`: the kernel takes the bits of `flags` that are set in `mask` and
/// keeps the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    pub flags: u32,
    pub mask: u32,
}

impl Value for Flags {
    fn length(&self) -> usize {
        8
    }

    fn emit_into(&self, buffer: &mut [u8]) {
        let (flags, mask) = buffer.split_at_mut(4);
        flags.copy_from_slice(&self.flags.to_ne_bytes());
        mask.copy_from_slice(&self.mask.to_ne_bytes());
    }

    fn parse_from(bytes: &[u8]) -> Result<Self, DecodeError> {
        let [a, b, c, d, e, f, g, h] = bytes_of(bytes)?;
        Ok(Flags {
            flags: u32::from_ne_bytes([a, b, c, d]),
            mask: u32::from_ne_bytes([e, f, g, h]),
        })
    }
}

/// A counter in the width of its message. `*_STATS` has some of 32 bits, all of
/// `*_STATS64` have 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    U32(u32),
    U64(u64),
}

impl Counter {
    pub fn get(self) -> u64 {
        match self {
            Counter::U32(value) => value.into(),
            Counter::U64(value) => value,
        }
    }
}

impl Value for Counter {
    fn length(&self) -> usize {
        match self {
            Counter::U32(_) => 4,
            Counter::U64(_) => 8,
        }
    }

    fn emit_into(&self, buffer: &mut [u8]) {
        match self {
            Counter::U32(value) => buffer.copy_from_slice(&value.to_ne_bytes()),
            Counter::U64(value) => buffer.copy_from_slice(&value.to_ne_bytes()),
        }
    }

    fn parse_from(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() == 4 {
            parse_u32(bytes).map(Counter::U32)
        } else {
            parse_u64(bytes).map(Counter::U64)
        }
    }
}

/// Encoded with a NUL at the end, as `NLA_NUL_STRING` requires.
impl Value for String {
    fn length(&self) -> usize {
        self.len() + 1
    }

    fn emit_into(&self, buffer: &mut [u8]) {
        if let Some((nul, text)) = buffer.split_last_mut() {
            text.copy_from_slice(self.as_bytes());
            *nul = 0;
        }
    }

    fn parse_from(bytes: &[u8]) -> Result<Self, DecodeError> {
        parse_string(bytes)
    }
}

/// The size of an attribute including its header and the padding after it.
fn size(value: usize) -> usize {
    NLA_HEADER_SIZE + value.next_multiple_of(NLA_ALIGNTO)
}

/// A nest of attributes. The crate's own functions compute the length of each attribute,
/// including all nested ones, a dozen times.
impl<T> Value for Vec<T>
where
    T: Nla + for<'a> Parseable<NlaBuffer<&'a [u8]>>,
{
    const TYPE_FLAGS: u16 = NLA_F_NESTED;

    fn length(&self) -> usize {
        self.iter()
            .map(|attribute| size(attribute.value_len()))
            .sum()
    }

    fn emit_into(&self, mut buffer: &mut [u8]) {
        for attribute in self {
            let length = attribute.value_len();
            let Some((place, rest)) = buffer.split_at_mut_checked(size(length)) else {
                return;
            };
            let mut place = NlaBuffer::new(place);
            place.set_kind(attribute.kind());
            if attribute.is_nested() {
                place.set_nested_flag();
            }
            if attribute.is_network_byteorder() {
                place.set_network_byte_order_flag();
            }
            place.set_length((NLA_HEADER_SIZE + length) as u16);
            attribute.emit_value(place.value_mut());
            buffer = rest;
        }
    }

    fn parse_from(bytes: &[u8]) -> Result<Self, DecodeError> {
        // The messages of IPVS have about this many attributes, including the nests of
        // counters.
        let mut attributes = Vec::with_capacity(bytes.len() / 24);
        for attribute in NlasIterator::new(bytes) {
            attributes.push(T::parse(&attribute?)?);
        }
        Ok(attributes)
    }
}

fn bytes_of<const N: usize>(bytes: &[u8]) -> Result<[u8; N], DecodeError> {
    bytes
        .try_into()
        .map_err(|_| format!("{} bytes where {N} are expected", bytes.len()).into())
}

/// Makes an attribute enum from its table `Name(type of the value) = number`. Attributes
/// that are not in the table are kept unchanged in `Other`.
macro_rules! attributes {
    (
        $(#[$about:meta])*
        pub enum $enum:ident {
            $($(#[$doc:meta])* $name:ident($value:ty) = $kind:literal,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $enum {
            $($(#[$doc])* $name($value),)*
            /// An attribute that is not in the table, unchanged.
            Other(netlink_packet_core::DefaultNla),
        }

        impl netlink_packet_core::Nla for $enum {
            fn value_len(&self) -> usize {
                match self {
                    $($enum::$name(value) => $crate::ipvs_netlink::attribute::Value::length(value),)*
                    $enum::Other(attribute) => attribute.value_len(),
                }
            }

            fn kind(&self) -> u16 {
                match self {
                    $($enum::$name(_) => {
                        $kind | <$value as $crate::ipvs_netlink::attribute::Value>::TYPE_FLAGS
                    })*
                    $enum::Other(attribute) => attribute.kind(),
                }
            }

            fn emit_value(&self, buffer: &mut [u8]) {
                match self {
                    $($enum::$name(value) => {
                        $crate::ipvs_netlink::attribute::Value::emit_into(value, buffer)
                    })*
                    $enum::Other(attribute) => attribute.emit_value(buffer),
                }
            }
        }

        impl<'a, T> netlink_packet_core::Parseable<netlink_packet_core::NlaBuffer<&'a T>> for $enum
        where
            T: AsRef<[u8]> + ?Sized,
        {
            fn parse(
                buffer: &netlink_packet_core::NlaBuffer<&'a T>,
            ) -> Result<Self, netlink_packet_core::DecodeError> {
                use netlink_packet_core::ErrorContext;
                Ok(match buffer.kind() {
                    $($kind => $enum::$name(
                        $crate::ipvs_netlink::attribute::Value::parse_from(buffer.value())
                            .context(concat!(stringify!($enum), "::", stringify!($name)))?,
                    ),)*
                    _ => $enum::Other(netlink_packet_core::DefaultNla::parse(buffer)?),
                })
            }
        }
    };
}

pub(super) use attributes;
