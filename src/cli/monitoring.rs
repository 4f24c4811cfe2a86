// SPDX-License-Identifier: GPL-2.0-only
//! The arguments of the verbs that watch a director.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::Kept;

#[derive(Args, Debug)]
pub struct Doctor {
    /// Check the host for this file, not for the running configuration; `-` is
    /// standard input
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub kept: Kept,
}

#[derive(Args, Debug)]
pub struct Metrics {
    /// The text's format
    #[arg(long, value_enum, default_value_t = MetricsFormat::Openmetrics, value_name = "FORMAT")]
    pub format: MetricsFormat,
    /// Write this file instead of standard output, completely or not at all; an
    /// existing file is replaced
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MetricsFormat {
    /// OpenMetrics 1.0
    Openmetrics,
    /// The older text format, which node_exporter's textfile collector reads
    Prometheus,
}
