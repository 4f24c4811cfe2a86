// SPDX-License-Identifier: GPL-2.0-only
//! Waits until a signal, a change of a file or a change of the network comes.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::rtnetlink::notifications::Notifications;

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// The events of a folder after which a file in it may be another one.
fn events() -> AddWatchFlags {
    completing()
        | AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_ATTRIB
        | AddWatchFlags::IN_ONLYDIR
}

/// The events after which a file is complete.
fn completing() -> AddWatchFlags {
    AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO
}

/// The events since the last wait.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wake {
    /// SIGHUP came: the file is read again.
    pub reload: bool,
    pub file: bool,
    /// The files that a writer closed, and those that were moved here.
    pub completed: Vec<PathBuf>,
    pub network: bool,
}

/// From the creation of this value on, SIGINT, SIGTERM and SIGHUP do not end the process.
pub(super) struct Waker {
    signals: SignalFd,
    /// None: the files are compared alone, as in a folder that cannot be watched.
    files: Option<Inotify>,
    folders: BTreeMap<PathBuf, WatchDescriptor>,
    network: Notifications,
    end: Option<Signal>,
    reload: bool,
}

impl Waker {
    pub fn new() -> io::Result<Self> {
        let mask: SigSet = SIGNALS.into_iter().collect();
        mask.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Waker {
            signals: SignalFd::with_flags(&mask, flags)?,
            files: Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok(),
            folders: BTreeMap::new(),
            network: Notifications::subscribe()?,
            end: None,
            reload: false,
        })
    }

    /// False: the user has no inotify instance left.
    pub fn watches_files(&self) -> bool {
        self.files.is_some()
    }

    /// Watches these folders and no others. A folder that cannot be watched is compared by
    /// [`config::Sources`](crate::config::Sources) alone.
    pub fn watch(&mut self, folders: &[PathBuf]) {
        let Some(files) = &self.files else {
            return;
        };
        self.folders.retain(|folder, watch| {
            let stays = folders.contains(folder);
            if !stays {
                // The kernel has removed it if the folder is gone.
                let _ = files.rm_watch(*watch);
            }
            stays
        });
        for folder in folders {
            // A folder that was replaced needs a new watch. That of one that was not
            // stays the same.
            if let Ok(watch) = files.add_watch(folder.as_path(), events()) {
                self.folders.insert(folder.clone(), watch);
            }
        }
    }

    /// The signal that ends the process, if it came. A wait is not needed.
    pub fn end(&mut self) -> Option<Signal> {
        // Whatever fails here fails in the next wait, too.
        let _ = self.take_signals();
        self.end
    }

    /// Waits for an event, at most for this time.
    pub fn wait(&mut self, patience: Duration) -> io::Result<Wake> {
        let sources = [self.signals.as_fd(), self.network.as_fd()].into_iter();
        let mut ready: Vec<PollFd> = sources
            .chain(self.files.as_ref().map(AsFd::as_fd))
            .map(|source| PollFd::new(source, PollFlags::POLLIN))
            .collect();
        match poll(&mut ready, self.timeout(patience)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.take_signals()?;
        let events = self.take_events()?;
        Ok(Wake {
            reload: std::mem::take(&mut self.reload),
            file: !events.is_empty(),
            completed: events.iter().flat_map(|it| self.completed(it)).collect(),
            network: self.network.take()?,
        })
    }

    /// No time at all if [`Self::end`] has taken a signal before.
    fn timeout(&self, patience: Duration) -> PollTimeout {
        if self.reload || self.end.is_some() {
            return PollTimeout::ZERO;
        }
        // Rounded up: a wait of 0 ms for the last part of one would be a busy one.
        let patience = patience + Duration::from_micros(999);
        PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX)
    }

    fn take_signals(&mut self) -> io::Result<()> {
        while let Some(signal) = self.signals.read_signal()? {
            match i32::try_from(signal.ssi_signo).map(Signal::try_from) {
                Ok(Ok(Signal::SIGHUP)) => self.reload = true,
                Ok(Ok(signal)) => self.end = Some(signal),
                _ => {}
            }
        }
        Ok(())
    }

    fn take_events(&self) -> io::Result<Vec<InotifyEvent>> {
        match self.files.as_ref().map(Inotify::read_events) {
            None | Some(Err(Errno::EAGAIN | Errno::EINTR)) => Ok(Vec::new()),
            Some(events) => Ok(events?),
        }
    }

    /// The paths of the file that is complete after this event. Folders may have several
    /// names. A symbolic link is complete when it is created.
    fn completed(&self, event: &InotifyEvent) -> Vec<PathBuf> {
        let Some(name) = &event.name else {
            return Vec::new();
        };
        let folders = self.folders.iter().filter(|(_, watch)| **watch == event.wd);
        let paths = folders.map(|(folder, _)| folder.join(name));
        let is_complete = event.mask.intersects(completing());
        paths
            .filter(|path| is_complete || path.is_symlink())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::raise;

    use super::*;

    #[test]
    fn a_wait_after_a_signal_that_was_taken_before_it_ends_at_once() {
        let patience = Duration::from_secs(60);
        let mut waker = Waker::new().unwrap();
        assert_ne!(waker.timeout(patience), PollTimeout::ZERO);
        raise(Signal::SIGHUP).unwrap();
        assert_eq!(waker.end(), None);
        assert_eq!(waker.timeout(patience), PollTimeout::ZERO);
        assert!(waker.wait(patience).unwrap().reload);
        assert_ne!(waker.timeout(patience), PollTimeout::ZERO);
    }
}
