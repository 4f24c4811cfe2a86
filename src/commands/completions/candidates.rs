// SPDX-License-Identifier: GPL-2.0-only
//! Candidates for values, read from the kernel. There are none if the kernel does not
//! answer in time.

use std::collections::BTreeSet;
use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap_complete::engine::CompletionCandidate;

use super::super::show;
use super::line::Line;
use crate::director;

/// The time limit. A person waits at a prompt.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn services() -> Vec<CompletionCandidate> {
    let found = in_time(|| {
        let line = Line::asked();
        enter(&line)?;
        let services = director::running_service_keys().ok()?.into_iter();
        let others = services.filter(|key| !line.services.contains(key));
        Some(others.map(|key| key.to_string()).collect())
    });
    candidates(found)
}

/// Returns the servers of the services on the line, or of all services.
pub(super) fn servers() -> Vec<CompletionCandidate> {
    let found = in_time(|| {
        let line = Line::asked();
        enter(&line)?;
        let services = if line.services.is_empty() {
            director::running_services()
        } else {
            director::running_services_named(&line.services)
        };
        let services = services.ok()?;
        let servers: BTreeSet<_> = services
            .iter()
            .flat_map(|now| now.service.servers.keys())
            .collect();
        Some(servers.iter().map(ToString::to_string).collect())
    });
    candidates(found)
}

/// Returns the names of namespaces that `ip netns` created.
pub(super) fn namespaces() -> Vec<CompletionCandidate> {
    let names = fs::read_dir(director::NAMESPACES).into_iter().flatten();
    let mut names: Vec<String> = names
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_plain(name))
        .collect();
    names.sort();
    candidates(Some(names))
}

/// Returns the `--sort` names of the table that the line asks for.
pub(super) fn columns() -> Vec<CompletionCandidate> {
    candidates(Line::asked().show.map(|args| show::columns(&args)))
}

fn enter(line: &Line) -> Option<()> {
    match &line.netns {
        Some(name) => director::enter(name).ok(),
        None => Some(()),
    }
}

/// Runs `ask` with the time limit, in a separate thread that may enter a network
/// namespace.
fn in_time<T: Send + 'static>(ask: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    let asked = thread::Builder::new().spawn(move || sender.send(ask()));
    asked.ok()?;
    receiver.recv_timeout(PATIENCE).ok()?
}

/// True if no letter of the name is special to a shell.
fn is_plain(name: &str) -> bool {
    let plain = |letter: char| letter.is_alphanumeric() || "-_.:@+".contains(letter);
    name.chars().all(plain)
}

fn candidates(values: Option<Vec<String>>) -> Vec<CompletionCandidate> {
    let values = values.into_iter().flatten();
    values.map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_or_panicking_sources_have_no_candidates() {
        let (forever, waits) = mpsc::channel::<()>();
        assert_eq!(in_time(move || waits.recv().ok()), None);
        drop(forever);
        assert_eq!(in_time(|| -> Option<()> { panic!("on purpose") }), None);
        assert_eq!(in_time(|| Some(7)), Some(7));
    }

    #[test]
    fn names_that_a_shell_would_read_are_left_out() {
        assert!(is_plain("lb-1.test") && is_plain("späti"));
        for name in ["a b", "$(id)", "a;b", "`id`", "a\nb", "a'b"] {
            assert!(!is_plain(name), "{name}");
        }
    }
}
