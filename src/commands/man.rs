// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf man`: the man pages, generated from the clap definition.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory};
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::Error;
use crate::cli::{Cli, Global, Man};

/// The section for administration commands.
const SECTION: &str = "8";
/// The date of the pages' content.
const DATE: &str = "2026-11-23";
/// The exit status of commands that do not document their own.
const EXIT_STATUS: &str = "\
Exit status:
  0  It is done.
  1  It failed; a message says what, why, and what to do.
";

pub(super) fn run(args: &Man, global: &Global) -> Result<ExitCode, Error> {
    if global.json {
        let why = "the pages are for man(1) and there is no --json for them: leave it out";
        return Err(Error::Usage(why.to_owned()));
    }
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    match &args.dir {
        Some(folder) => write_pages(&command, folder)?,
        None => io::stdout().lock().write_all(page(&command)?.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for command in std::iter::once(command).chain(command.get_subcommands()) {
        let file = folder.join(format!("{}.{SECTION}", name(command)));
        std::fs::write(file, page(command)?)?;
    }
    Ok(())
}

/// Returns the full name: "ipvs-bpf", "ipvs-bpf-apply".
fn name(command: &Command) -> String {
    let words = command.get_bin_name().unwrap_or(command.get_name());
    words.replace(' ', "-")
}

fn page(command: &Command) -> io::Result<String> {
    let after = command.get_after_long_help().map(ToString::to_string);
    let after = after.unwrap_or_default();
    let is_whole = command.has_subcommands();
    let name = name(command);
    let man = clap_mangen::Man::new(described(command, &name))
        .title(name.to_uppercase())
        .section(SECTION)
        .date(DATE)
        .source(concat!("ipvs-bpf ", env!("CARGO_PKG_VERSION")))
        .manual("System Manager's Manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    synopsis(command).to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    if is_whole {
        man.render_subcommands_section(&mut page)?;
    }
    man.render_options_section(&mut page)?;
    if !after.contains("Exit status:") {
        sections(EXIT_STATUS).to_writer(&mut page)?;
    }
    sections(&after).to_writer(&mut page)?;
    see_also(command).to_writer(&mut page)?;
    Ok(readable(&String::from_utf8_lossy(&page)))
}

/// Returns the command. Removes the text of NAME from the beginning of its
/// description.
fn described(command: &Command, name: &str) -> Command {
    let mut described = command.clone().display_name(name.to_owned());
    let about = command.get_about().map(ToString::to_string);
    let long = command.get_long_about().map(ToString::to_string);
    if let (Some(about), Some(long)) = (about, long)
        && let Some(rest) = long.strip_prefix(&about)
    {
        described = described.long_about(rest.trim_start().to_owned());
    }
    described.subcommand_help_heading("COMMANDS")
}

/// Returns the synopsis with value names, which clap_mangen omits. Options that
/// all commands share are under a separate heading.
fn synopsis(command: &Command) -> Roff {
    let mut line = vec![bold(command.get_bin_name().unwrap_or(command.get_name()))];
    let own = |arg: &&Arg| {
        arg.get_help_heading().is_none()
            && !arg.is_hide_set()
            && !matches!(arg.get_id().as_str(), "help" | "version")
    };
    for arg in command.get_arguments().filter(own) {
        let (left, right) = if arg.is_required_set() {
            (" ", "")
        } else {
            (" [", "]")
        };
        line.push(roman(left));
        let switch = match (arg.get_short(), arg.get_long()) {
            (Some(short), _) => Some(format!("-{short}")),
            (None, Some(long)) => Some(format!("--{long}")),
            (None, None) => None,
        };
        let takes_value = arg.get_action().takes_values();
        if let Some(switch) = &switch {
            line.push(bold(switch.as_str()));
        }
        if takes_value {
            let names = arg.get_value_names().unwrap_or_default();
            let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            let names = italic(names.join(" "));
            let may_be_absent = arg
                .get_num_args()
                .is_some_and(|count| count.min_values() == 0);
            match switch {
                Some(_) if may_be_absent => line.extend([roman("[="), names, roman("]")]),
                Some(_) => line.extend([roman(" "), names]),
                None => line.push(names),
            }
        }
        line.push(roman(right));
    }
    line.push(roman(" ["));
    line.push(italic("global options"));
    line.push(roman("]"));
    if command.has_subcommands() {
        line.push(roman(" "));
        line.push(italic("command"));
    }
    let mut roff = Roff::default();
    roff.control("SH", ["SYNOPSIS"]).text(line);
    roff
}

/// Formats a text of `src/cli/manual.rs`, which documents its syntax.
fn sections(text: &str) -> Roff {
    let mut roff = Roff::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(more) = line.strip_prefix("      ") {
            roff.text([roman(more)]);
        } else if let Some(entry) = line.strip_prefix("  ") {
            let (term, said) = entry.split_once("  ").unwrap_or((entry, ""));
            roff.control("TP", []).text([bold(term)]);
            if !said.is_empty() {
                roff.text([roman(said)]);
            }
        } else {
            let heading = line.trim_end_matches(':').to_uppercase();
            roff.control("SH", [heading.as_str()]);
        }
    }
    roff
}

fn see_also(command: &Command) -> Roff {
    let pages: &[&str] = if command.has_subcommands() {
        &["ipvs-bpf.toml(5)", "ipvsadm(8)", "nft(8)", "tc-bpf(8)"]
    } else {
        &["ipvs-bpf(8)", "ipvs-bpf.toml(5)", "ipvsadm(8)"]
    };
    let mut roff = Roff::default();
    roff.control("SH", ["SEE ALSO"])
        .text([roman(pages.join(", "))]);
    roff
}

/// Makes words in backticks bold and replaces an empty line by a gap. Also
/// fixes clap_mangen's own gaps, which cause a warning of mandoc.
fn readable(page: &str) -> String {
    let page = page.replace(".br\n\n.br\n", "\n");
    let mut readable = String::with_capacity(page.len());
    for line in page.lines() {
        if line.is_empty() {
            readable.push_str(".sp\n");
            continue;
        }
        let words = line.split('`').count();
        for (index, piece) in line.split('`').enumerate() {
            match (index % 2, index + 1 == words) {
                (0, _) => readable.push_str(piece),
                // The last backtick of the line has no partner.
                (_, true) => readable.extend(["`", piece]),
                (_, false) => readable.extend(["\\fB", piece, "\\fR"]),
            }
        }
        readable.push('\n');
    }
    readable
}
