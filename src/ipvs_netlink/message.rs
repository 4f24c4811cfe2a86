// SPDX-License-Identifier: GPL-2.0-only
//! A message of the family: a command (`IPVS_CMD_*`) and its attributes.

use netlink_packet_core::{DecodeError, Emitable, ParseableParametrized};
use netlink_packet_generic::{GenlFamily, GenlHeader};

use super::attribute::{Value, attributes};
use super::daemon::DaemonAttribute;
use super::destination::DestAttribute;
use super::info::InfoAttribute;
use super::service::SvcAttribute;

/// `IPVS_GENL_VERSION`.
const VERSION: u8 = 1;

/// `IPVS_CMD_*`. A `GET` is answered with the `NEW` or `SET` of its noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    NewService,
    SetService,
    DelService,
    GetService,
    NewDest,
    SetDest,
    DelDest,
    GetDest,
    NewDaemon,
    DelDaemon,
    GetDaemon,
    SetConfig,
    GetConfig,
    SetInfo,
    GetInfo,
    Zero,
    Flush,
    Other(u8),
}

/// The commands in the order of their numbers, from 1 on.
const COMMANDS: [Command; 17] = [
    Command::NewService,
    Command::SetService,
    Command::DelService,
    Command::GetService,
    Command::NewDest,
    Command::SetDest,
    Command::DelDest,
    Command::GetDest,
    Command::NewDaemon,
    Command::DelDaemon,
    Command::GetDaemon,
    Command::SetConfig,
    Command::GetConfig,
    Command::SetInfo,
    Command::GetInfo,
    Command::Zero,
    Command::Flush,
];

impl From<u8> for Command {
    fn from(number: u8) -> Self {
        usize::from(number)
            .checked_sub(1)
            .and_then(|index| COMMANDS.get(index).copied())
            .unwrap_or(Command::Other(number))
    }
}

impl From<Command> for u8 {
    fn from(command: Command) -> Self {
        match command {
            Command::NewService => 1,
            Command::SetService => 2,
            Command::DelService => 3,
            Command::GetService => 4,
            Command::NewDest => 5,
            Command::SetDest => 6,
            Command::DelDest => 7,
            Command::GetDest => 8,
            Command::NewDaemon => 9,
            Command::DelDaemon => 10,
            Command::GetDaemon => 11,
            Command::SetConfig => 12,
            Command::GetConfig => 13,
            Command::SetInfo => 14,
            Command::GetInfo => 15,
            Command::Zero => 16,
            Command::Flush => 17,
            Command::Other(number) => number,
        }
    }
}

attributes! {
    /// `IPVS_CMD_ATTR_*`: the first level of every message except `IPVS_CMD_SET_INFO`.
    pub enum CmdAttribute {
        Service(Vec<SvcAttribute>) = 1,
        Dest(Vec<DestAttribute>) = 2,
        Daemon(Vec<DaemonAttribute>) = 3,
        /// In seconds. In a change, 0 keeps the current timeout.
        TimeoutTcp(u32) = 4,
        TimeoutTcpFin(u32) = 5,
        TimeoutUdp(u32) = 6,
    }
}

/// The first level of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attributes {
    Cmd(Vec<CmdAttribute>),
    Info(Vec<InfoAttribute>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpvsMessage {
    pub command: Command,
    pub attributes: Attributes,
}

impl IpvsMessage {
    pub fn new(command: Command, attributes: Vec<CmdAttribute>) -> Self {
        IpvsMessage {
            command,
            attributes: Attributes::Cmd(attributes),
        }
    }
}

impl GenlFamily for IpvsMessage {
    fn family_name() -> &'static str {
        "IPVS"
    }

    fn command(&self) -> u8 {
        self.command.into()
    }

    fn version(&self) -> u8 {
        VERSION
    }
}

impl Emitable for IpvsMessage {
    fn buffer_len(&self) -> usize {
        match &self.attributes {
            Attributes::Cmd(attributes) => attributes.length(),
            Attributes::Info(attributes) => attributes.length(),
        }
    }

    fn emit(&self, buffer: &mut [u8]) {
        match &self.attributes {
            Attributes::Cmd(attributes) => attributes.emit_into(buffer),
            Attributes::Info(attributes) => attributes.emit_into(buffer),
        }
    }
}

impl ParseableParametrized<[u8], GenlHeader> for IpvsMessage {
    fn parse_with_param(bytes: &[u8], header: GenlHeader) -> Result<Self, DecodeError> {
        let command = Command::from(header.cmd);
        let attributes = match command {
            Command::SetInfo => Attributes::Info(Vec::parse_from(bytes)?),
            _ => Attributes::Cmd(Vec::parse_from(bytes)?),
        };
        Ok(IpvsMessage {
            command,
            attributes,
        })
    }
}
