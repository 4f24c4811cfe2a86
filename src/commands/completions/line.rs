// SPDX-License-Identifier: GPL-2.0-only
//! The parts of an unfinished command line that determine the candidates.

use std::env;
use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};

use crate::cli::{Cli, Show};
use crate::model::ServiceKey;

/// An unfinished line. Invalid parts are left out.
#[derive(Debug, Default)]
pub struct Line {
    pub netns: Option<String>,
    pub services: Vec<ServiceKey>,
    /// The arguments of `show`, if that is the command.
    pub show: Option<Show>,
}

impl Line {
    /// Returns the line that the shell asks about.
    pub fn asked() -> Self {
        let words = env::args_os().skip_while(|word| word != "--");
        // The first word is the name of this program.
        let mut words: Vec<OsString> = words.skip(2).collect();
        let index = env::var("_CLAP_COMPLETE_INDEX").ok();
        let index: Option<usize> = index.and_then(|index| index.parse().ok());
        // The last word is the one being typed. bash and zsh pass its index.
        let before = index.unwrap_or(words.len()).saturating_sub(1);
        words.truncate(before);
        Line::new(words)
    }

    /// Parses the words between the name of the program and the word being typed.
    fn new(words: Vec<OsString>) -> Self {
        let command = Cli::command().no_binary_name(true).ignore_errors(true);
        let Ok(matches) = command.try_get_matches_from(words) else {
            return Line::default();
        };
        let Some((name, arguments)) = matches.subcommand() else {
            return Line {
                netns: matches.get_one("netns").cloned(),
                ..Line::default()
            };
        };
        let show = match name {
            "show" => Show::from_arg_matches(arguments).ok(),
            _ => None,
        };
        let service = arguments.try_get_one::<ServiceKey>("service");
        Line {
            netns: arguments.get_one("netns").cloned(),
            services: match &show {
                Some(show) => show.services.clone(),
                None => service.ok().flatten().cloned().into_iter().collect(),
            },
            show,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line::new(text.split_whitespace().map(OsString::from).collect())
    }

    fn services(text: &str) -> Vec<String> {
        let services = line(text).services;
        services.iter().map(ServiceKey::to_string).collect()
    }

    #[test]
    fn services_are_those_that_are_named_already() {
        assert_eq!(services("drain tcp://10.0.0.1:80"), ["tcp://10.0.0.1:80"]);
        assert_eq!(services("weight fwmark://7"), ["fwmark://7"]);
        assert_eq!(
            services("show tcp://10.0.0.1:80 udp://10.0.0.1:53 --server"),
            ["tcp://10.0.0.1:80", "udp://10.0.0.1:53"]
        );
        for line in ["", "drain", "show", "apply", "drain nothing", "nonsense"] {
            assert_eq!(services(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn the_namespace_is_found_before_and_behind_the_command() {
        for text in [
            "--netns lb drain",
            "drain --netns lb",
            "--netns=lb show --sort",
        ] {
            assert_eq!(line(text).netns.as_deref(), Some("lb"), "{text}");
        }
        assert_eq!(line("show --netns").netns, None);
    }

    #[test]
    fn the_view_is_that_of_the_options_so_far() {
        let show = line("show --rate --watch --sort").show.unwrap();
        assert!(show.view.rate && show.watch.is_some());
        assert!(!line("show --sort").show.unwrap().view.rate);
        assert!(line("drain --rate").show.is_none());
    }
}
