// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf man`: the man pages, generated from the clap definition.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;

use super::Error;
use crate::cli::{Cli, Man};

pub(super) fn run(args: &Man) -> Result<ExitCode, Error> {
    let command = Cli::command().disable_help_subcommand(true);
    match &args.dir {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            // Section 8: commands of the administrator.
            let mut command = command;
            command.build();
            write_pages(&command, folder)?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command)
                .section("8")
                .render(&mut page)?;
            io::stdout().lock().write_all(&page)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_pages(command: &clap::Command, folder: &std::path::Path) -> io::Result<()> {
    page(command.clone(), "ipvs-bpf", folder)?;
    for sub in command.get_subcommands() {
        let name = format!("ipvs-bpf-{}", sub.get_name());
        page(sub.clone(), &name, folder)?;
    }
    Ok(())
}

fn page(command: clap::Command, name: &str, folder: &std::path::Path) -> io::Result<()> {
    let mut page = Vec::new();
    let command = command.display_name(name.to_owned());
    clap_mangen::Man::new(command)
        .title(name.to_uppercase())
        .section("8")
        .render(&mut page)?;
    std::fs::write(folder.join(format!("{name}.8")), page)
}
