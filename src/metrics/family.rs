// SPDX-License-Identifier: GPL-2.0-only
//! Metric families as OpenMetrics defines them: samples that share a name, a kind and a
//! meaning, and differ in their labels.

/// The prefix of every name.
const PREFIX: &str = "ipvs_bpf_";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Can go up and down.
    Gauge,
    /// Only grows, or starts again at 0.
    Counter,
    /// The information is in the labels. The value is 1.
    Info,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// The name without `_total` or `_info`. It ends with the unit, if there is one.
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
            unit: ["bytes", "seconds"]
                .into_iter()
                .find(|unit| name.ends_with(&format!("_{unit}"))),
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

    /// Adds one sample.
    pub fn with(mut self, labels: &[Label], value: impl Into<u64>) -> Self {
        self.add(labels, value);
        self
    }
}
