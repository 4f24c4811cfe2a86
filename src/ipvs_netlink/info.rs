// SPDX-License-Identifier: GPL-2.0-only
//! General information about IPVS: `IPVS_INFO_ATTR_*`.

use std::fmt;

use super::attribute::attributes;
use super::error::Failure;

attributes! {
    /// `IPVS_INFO_ATTR_*`: the first level of `IPVS_CMD_SET_INFO`, in place of
    /// `IPVS_CMD_ATTR_*`.
    pub enum InfoAttribute {
        Version(u32) = 1,
        ConnTabSize(u32) = 2,
    }
}

/// The answer to `IPVS_CMD_GET_INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    pub version: Version,
    /// The number of buckets in the connection table.
    pub connection_table_size: u32,
}

/// `IP_VS_VERSION_CODE`: one byte for each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u8,
    pub minor: u8,
    pub patch: u8,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Info {
    pub(super) fn read(attributes: &[InfoAttribute]) -> Result<Self, Failure> {
        let mut version = None;
        let mut size = None;
        for attribute in attributes {
            match attribute {
                InfoAttribute::Version(code) => {
                    let [_, major, minor, patch] = code.to_be_bytes();
                    version = Some(Version {
                        major,
                        minor,
                        patch,
                    });
                }
                InfoAttribute::ConnTabSize(buckets) => size = Some(*buckets),
                InfoAttribute::Other(_) => {}
            }
        }
        Ok(Info {
            version: version.ok_or_else(|| Failure::missing("IPVS_INFO_ATTR_VERSION"))?,
            connection_table_size: size
                .ok_or_else(|| Failure::missing("IPVS_INFO_ATTR_CONN_TAB_SIZE"))?,
        })
    }
}
