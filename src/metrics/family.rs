// SPDX-License-Identifier: GPL-2.0-only
//! Metric families, as OpenMetrics defines them: samples of one name, kind and
//! meaning, told apart by labels.

/// What comes before every name.
const PREFIX: &str = "ipvs_bpf_";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// May go up and down.
    Gauge,
    /// Only grows, but for a new beginning at 0.
    Counter,
    /// Labels are what it says; the value is 1.
    Info,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Without `_total` or `_info`; ends with the unit, if it has one.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) unit: Option<&'static str>,
    pub(super) help: String,
    pub(super) samples: Vec<Sample>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub labels: Vec<Label>,
    pub value: u64,
}

pub(super) type Label = (&'static str, String);

impl Family {
    fn new(kind: Kind, name: &str, help: &str) -> Self {
        Family {
            name: format!("{PREFIX}{name}"),
            kind,
            unit: name.ends_with("_bytes").then_some("bytes"),
            help: help.to_owned(),
            samples: Vec::new(),
        }
    }

    pub fn gauge(name: &str, help: &str) -> Self {
        Family::new(Kind::Gauge, name, help)
    }

    pub fn counter(name: &str, help: &str) -> Self {
        Family::new(Kind::Counter, name, help)
    }

    pub fn info(name: &str, help: &str) -> Self {
        Family::new(Kind::Info, name, help)
    }

    pub fn add(&mut self, labels: &[Label], value: impl Into<u64>) {
        self.samples.push(Sample {
            labels: labels.to_vec(),
            value: value.into(),
        });
    }

    /// With one sample.
    pub fn with(mut self, labels: &[Label], value: impl Into<u64>) -> Self {
        self.add(labels, value);
        self
    }
}
