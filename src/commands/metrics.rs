// SPDX-License-Identifier: GPL-2.0-only
//! The command `ipvs-bpf metrics`.

use std::process::ExitCode;

use super::{Error, warnings};
use crate::cli::{Global, Metrics, MetricsFormat};
use crate::metrics::{self, Format, Snapshot};
use crate::{datapath, director, kmod, output, toa};

pub(super) fn run(args: &Metrics, global: &Global) -> Result<ExitCode, Error> {
    if global.json {
        return Err(Error::Usage(
            "metrics have a format of their own and no --json; `ipvs-bpf show --stats --json` \
             has the same numbers"
                .to_owned(),
        ));
    }
    let format = match args.format {
        MetricsFormat::Openmetrics => Format::OpenMetrics,
        MetricsFormat::Prometheus => Format::Prometheus,
    };
    // Otherwise several namespaces would export the same series.
    let netns = global.netns.as_ref().map(|name| ("netns", name.clone()));
    warnings::warn_of_lost_pins();
    let families = metrics::families(&snapshot()?);
    let text = metrics::text(&families, netns.as_slice(), format);
    match &args.output {
        Some(path) => output::file::write(path, &text, true, output::file::Mode::Usual)?,
        None => output::print(text.trim_end_matches('\n'))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the current values, without loading any module.
fn snapshot() -> Result<Snapshot, Error> {
    let data_plane = director::running_data_plane()?;
    Ok(Snapshot {
        ipvs: director::has_ipvs(),
        module: kmod::module::is_loaded(),
        max_sessions: data_plane.max_sessions,
        xdp: data_plane.xdp,
        interfaces: data_plane.interfaces.unwrap_or_default(),
        services: director::running_services()?,
        local_ips: director::running_local_ips()?,
        rules: kmod::proc::rule_lines().map_err(director::Error::from)?,
        module_counters: kmod::proc::counters().map_err(director::Error::from)?,
        program_counters: datapath::counters().map_err(director::Error::from)?,
        receiver: toa::counted().map_err(director::Error::from)?,
        following: director::following()?,
    })
}
