// SPDX-License-Identifier: GPL-2.0-only
//! Converts ipvsadm's text to the text of a configuration file. The lines are
//! read in order, as `ipvsadm -R` does. One run finds every mistake.

use super::command::{Command, Verb};
use super::names::Names;
use super::table::Table;
use super::{option, server, service, settings, shell, tokens};
use crate::config::diagnostics::{Diagnostics, Mistake, Mistakes, Span};
use crate::config::write::{Item, write};
use crate::config::{self};

/// Converts the text. `name` is the file's name in diagnostics.
pub fn import(name: &str, text: &str, names: &Names) -> Result<String, Diagnostics> {
    let mistakes = Mistakes::default();
    let table = read(text, names, &mistakes);
    let written = write(&table.state, &table.notes);
    // Mistakes here are commands that ipvsadm accepts and a file cannot
    // express.
    let refused = config::parse("the imported file", &written.text).err();
    for mistake in refused.iter().flat_map(Diagnostics::mistakes) {
        let find = |span: &Span| {
            let (item, key) = written.at(span.start)?;
            table.span(item, key)
        };
        let span = find(mistake.span()).cloned().unwrap_or(0..0);
        let found = Mistake::new(&span, mistake.message(), mistake.help());
        mistakes.add(match mistake.other() {
            Some((other, what)) => match find(other) {
                Some(other) => found.see(other, what),
                None => found,
            },
            None => found,
        });
    }
    match mistakes.into_diagnostics(name, text) {
        Some(diagnostics) => Err(diagnostics),
        None => Ok(written.text),
    }
}

fn read(text: &str, names: &Names, mistakes: &Mistakes) -> Table {
    let mut table = Table::default();
    // Comments above the next service or server.
    let mut comments: Vec<String> = Vec::new();
    let mut begun = false;
    let mut at = 0;
    for whole in text.split_inclusive('\n') {
        if let Some(span) = shell::found_in(whole.trim_end(), at) {
            mistakes.add(Mistake::new(
                &span,
                "this is shell syntax, which `import` does not run",
                "run the script, then `ipvsadm -Sn | ipvs-bpf import`",
            ));
            // The following lines depend on it.
            break;
        }
        let mut line = tokens::split(whole.trim_end(), at, mistakes);
        at += whole.len();
        comments.extend(line.comment);
        if line
            .words
            .first()
            .is_some_and(|word| is_ipvsadm(&word.text))
        {
            line.words.remove(0);
        }
        if line.words.is_empty() {
            if whole.trim().is_empty() && !begun {
                table.notes.head.append(&mut comments);
            }
            continue;
        }
        begun = true;
        let options = option::read(line.words, mistakes);
        let Some(command) = Command::read(options, mistakes) else {
            continue;
        };
        if let Some(item) = carry_out(&command, &mut table, names, mistakes) {
            let above = table.notes.above.entry(item).or_default();
            above.append(&mut comments);
        }
    }
    table.notes.tail = comments;
    table
}

/// True if the word calls ipvsadm, perhaps by its path.
fn is_ipvsadm(word: &str) -> bool {
    word.rsplit('/').next() == Some("ipvsadm")
}

/// Applies the command. Returns the object that the line describes, if it is
/// known.
fn carry_out(
    command: &Command,
    table: &mut Table,
    names: &Names,
    mistakes: &Mistakes,
) -> Option<Item> {
    match command.verb {
        Verb::Clear => {
            table.clear();
            return None;
        }
        Verb::Set => {
            let timeouts = settings::timeouts(command, &command.arguments, mistakes)?;
            table.set_timeouts(command, &timeouts);
            return Some(Item::Timeouts);
        }
        Verb::StartDaemon => {
            let daemon = settings::daemon(command, mistakes)?;
            table.start_daemon(command, daemon, mistakes);
            return Some(Item::Sync);
        }
        _ => {}
    }
    let key = service::key(command, names, mistakes);
    match command.verb {
        Verb::AddService | Verb::EditService => {
            let family = key.as_ref().map(|key| key.family());
            let service = service::service(command, family, mistakes);
            let key = key?;
            if command.verb == Verb::AddService {
                table.add_service(command, key.clone(), service, mistakes);
            } else {
                table.edit_service(command, key.clone(), service, mistakes);
            }
            Some(Item::Service(key))
        }
        Verb::AddServer | Verb::EditServer => {
            let server = server::server(command, key.as_ref(), names, mistakes);
            let (key, server) = (key?, server?);
            let address = server.0;
            if command.verb == Verb::AddServer {
                table.add_server(command, &key, server, mistakes);
            } else {
                table.edit_server(command, &key, server, mistakes);
            }
            Some(Item::Server(key, address))
        }
        Verb::Clear | Verb::Set | Verb::StartDaemon => None,
    }
}
