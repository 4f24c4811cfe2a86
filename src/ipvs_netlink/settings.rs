// SPDX-License-Identifier: GPL-2.0-only
//! The settings of the whole namespace: timeouts, and the daemons that synchronise
//! connections.

use super::change::NAME_MAX;
use super::conversation::Question;
use super::daemon;
use super::error::{Error, Failure, Operation, Reason};
use super::handle::{Ipvs, first};
use super::message::{Attributes, CmdAttribute, Command, IpvsMessage};
use super::socket::Transport;
use crate::model::{SyncDaemon, SyncDaemons, SyncState, Timeouts};

impl<T: Transport> Ipvs<T> {
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let message = IpvsMessage::new(Command::GetConfig, Vec::new());
        self.ask(message, Question::One, |attributes| {
            Ok(timeouts(attributes))
        })
        .and_then(|answers| {
            let first = answers.into_iter().next();
            first.ok_or_else(|| Failure::missing("IPVS_CMD_SET_CONFIG"))
        })
        .map_err(|failure| failure.during(Operation::GetTimeouts))
    }

    /// Sets the timeouts that are present and keeps the others. The kernel also keeps a
    /// timeout of 0.
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error> {
        let attributes = [
            timeouts.tcp.map(CmdAttribute::TimeoutTcp),
            timeouts.tcp_fin.map(CmdAttribute::TimeoutTcpFin),
            timeouts.udp.map(CmdAttribute::TimeoutUdp),
        ];
        let attributes = attributes.into_iter().flatten().collect();
        self.change(IpvsMessage::new(Command::SetConfig, attributes))
            .map_err(|failure| failure.during(Operation::SetTimeouts))
    }

    /// The running daemons.
    pub fn daemons(&mut self) -> Result<SyncDaemons, Error> {
        let message = IpvsMessage::new(Command::GetDaemon, Vec::new());
        let entries = self
            .ask(message, Question::Dump, |attributes| {
                first(attributes, |attribute| match attribute {
                    CmdAttribute::Daemon(attributes) => Some(attributes),
                    _ => None,
                })
                .ok_or_else(|| Failure::missing("IPVS_CMD_ATTR_DAEMON"))
                .and_then(daemon::read)
            })
            .map_err(|failure| failure.during(Operation::ListDaemons))?;
        let mut daemons = SyncDaemons::default();
        for (state, daemon) in entries {
            daemons.set(state, Some(daemon));
        }
        Ok(daemons)
    }

    pub fn start_daemon(&mut self, state: SyncState, daemon: &SyncDaemon) -> Result<(), Error> {
        let name = &daemon.interface;
        let fits = (1..=NAME_MAX).contains(&name.len()) && !name.contains('\0');
        let result = if fits {
            self.daemon_command(Command::NewDaemon, daemon::all_attributes(state, daemon))
        } else {
            Err(Failure::Refused(Reason::NoInterface))
        };
        result.map_err(|failure| {
            let interface = name.clone();
            failure.during(Operation::StartDaemon { state, interface })
        })
    }

    pub fn stop_daemon(&mut self, state: SyncState) -> Result<(), Error> {
        self.daemon_command(Command::DelDaemon, daemon::key(state))
            .map_err(|failure| failure.during(Operation::StopDaemon { state }))
    }

    fn daemon_command(
        &mut self,
        command: Command,
        attributes: Vec<daemon::DaemonAttribute>,
    ) -> Result<(), Failure> {
        let attributes = vec![CmdAttribute::Daemon(attributes)];
        self.change(IpvsMessage::new(command, attributes))
    }
}

fn timeouts(attributes: Attributes) -> Timeouts {
    let mut timeouts = Timeouts::default();
    if let Attributes::Cmd(attributes) = attributes {
        for attribute in attributes {
            match attribute {
                CmdAttribute::TimeoutTcp(seconds) => timeouts.tcp = Some(seconds),
                CmdAttribute::TimeoutTcpFin(seconds) => timeouts.tcp_fin = Some(seconds),
                CmdAttribute::TimeoutUdp(seconds) => timeouts.udp = Some(seconds),
                _ => {}
            }
        }
    }
    timeouts
}
