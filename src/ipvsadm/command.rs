// SPDX-License-Identifier: GPL-2.0-only
//! Parses a line as a command: its verb and its options.

use super::option::{Given, Options};
use super::tokens::Word;
use crate::config::diagnostics::{Mistake, Mistakes, Span};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    AddService,
    EditService,
    AddServer,
    EditServer,
    Clear,
    Set,
    StartDaemon,
}

/// The options that name a service. A command has exactly one of them.
pub(super) const SERVICE: [&str; 4] = [
    "tcp-service",
    "udp-service",
    "sctp-service",
    "fwmark-service",
];
/// The forwarding methods. A command has at most one of them.
pub(super) const FORWARD: [&str; 3] = ["gatewaying", "ipip", "masquerading"];

const OF_SERVICE: &[&str] = &[
    "scheduler",
    "persistent",
    "netmask",
    "ops",
    "pe",
    "sched-flags",
];
const OF_SERVER: &[&str] = &[
    "real-server",
    "weight",
    "u-threshold",
    "l-threshold",
    "tun-type",
    "tun-port",
    "tun-nocsum",
    "tun-csum",
    "tun-remcsum",
];

const OF_DAEMON: &[&str] = &[
    "mcast-interface",
    "syncid",
    "mcast-group",
    "mcast-port",
    "mcast-ttl",
    "sync-maxlen",
];

impl Verb {
    /// Returns the verb of an option. `Err`: why the line does not describe a
    /// state.
    fn of(option: &str) -> Result<Self, &'static str> {
        match option {
            "add-service" => Ok(Verb::AddService),
            "edit-service" => Ok(Verb::EditService),
            "add-server" => Ok(Verb::AddServer),
            "edit-server" => Ok(Verb::EditServer),
            "clear" => Ok(Verb::Clear),
            "set" => Ok(Verb::Set),
            "start-daemon" => Ok(Verb::StartDaemon),
            "delete-service" => Err("remove the lines that add the service instead"),
            "delete-server" => Err("remove the line that adds the server instead"),
            "restore" => Err("import the text that it reads instead"),
            "stop-daemon" => Err("remove the line that starts it instead"),
            "list" | "zero" | "save" | "help" | "version" => {
                Err("remove the line: it configures nothing")
            }
            _ => Err(
                "begin the line with what it does: --add-service (-A), --add-server (-a), \
                 --edit-service (-E), --edit-server (-e) or --clear (-C)",
            ),
        }
    }

    fn allows(self, option: &str) -> bool {
        match self {
            Verb::AddService | Verb::EditService => {
                SERVICE.contains(&option) || option == "ipv6" || OF_SERVICE.contains(&option)
            }
            Verb::AddServer | Verb::EditServer => {
                SERVICE.contains(&option)
                    || option == "ipv6"
                    || FORWARD.contains(&option)
                    || OF_SERVER.contains(&option)
            }
            Verb::StartDaemon => OF_DAEMON.contains(&option),
            Verb::Clear | Verb::Set => false,
        }
    }
}

/// A command. Each option is valid for the verb and given once.
#[derive(Debug)]
pub(super) struct Command {
    pub verb: Verb,
    /// The place of the verb.
    pub span: Span,
    pub verb_value: Option<Word>,
    /// The words after `--set`. Empty for other verbs.
    pub arguments: Vec<Word>,
    options: Vec<Given>,
}

impl Command {
    /// Parses the options as a command.
    /// `None`: the line does not describe a state. This is reported as a
    /// mistake.
    pub fn read(line: Options, mistakes: &Mistakes) -> Option<Self> {
        let mut given = line.given.into_iter();
        let mut arguments = line.arguments.into_iter();
        let Some(first) = given.next() else {
            let word = arguments.next()?;
            mistakes.add(Mistake::new(
                &word.span,
                "the line has no command",
                "begin it with --add-service (-A) or --add-server (-a)",
            ));
            return None;
        };
        let verb = match Verb::of(first.name) {
            Ok(verb) => verb,
            Err(help) => {
                let message = format!(
                    "a line that begins with --{} does not describe a service \
                                       or a setting",
                    first.name
                );
                mistakes.add(Mistake::new(&first.span, message, help));
                return None;
            }
        };
        let taken: Vec<Word> = if verb == Verb::Set {
            arguments.by_ref().collect()
        } else {
            Vec::new()
        };
        for word in arguments {
            unexpected(&word, mistakes);
        }
        let mut options: Vec<Given> = Vec::new();
        for option in given {
            if !verb.allows(option.name) {
                mistakes.add(Mistake::new(
                    &option.span,
                    format!("--{} and --{} cannot be combined", option.name, first.name),
                    "remove it",
                ));
            } else if let Some(before) = options
                .iter()
                .find(|before| group(before.name) == group(option.name))
            {
                mistakes.add(
                    Mistake::new(
                        &option.span,
                        format!("--{} excludes --{}", before.name, option.name),
                        "keep one of the two",
                    )
                    .see(&before.span, "the first one"),
                );
            } else {
                options.push(option);
            }
        }
        Some(Command {
            verb,
            span: first.span,
            verb_value: first.value,
            arguments: taken,
            options,
        })
    }

    pub fn get(&self, name: &str) -> Option<&Given> {
        self.options.iter().find(|option| option.name == name)
    }

    pub fn value(&self, name: &str) -> Option<&Word> {
        self.get(name)?.value.as_ref()
    }

    /// Returns the option of a group that is given.
    pub fn one_of(&self, names: &[&str]) -> Option<&Given> {
        self.options
            .iter()
            .find(|option| names.contains(&option.name))
    }
}

/// Returns the group of an option. A command has at most one option of each
/// group. Options that set one thing in several ways are in one group.
fn group(option: &'static str) -> &'static str {
    for names in [
        &SERVICE[..],
        &FORWARD,
        &["tun-nocsum", "tun-csum", "tun-remcsum"],
    ] {
        if names.contains(&option) {
            return names.first().copied().unwrap_or(option);
        }
    }
    option
}

fn unexpected(word: &Word, mistakes: &Mistakes) {
    mistakes.add(Mistake::new(
        &word.span,
        "this word does not belong to an option",
        "remove it, or write the option before it",
    ));
}
