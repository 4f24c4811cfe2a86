// SPDX-License-Identifier: GPL-2.0-only
//! The text of metric families: OpenMetrics 1.0, and the older text format of Prometheus
//! (0.0.4), the only one that the textfile collector of node_exporter reads. They differ
//! in the name after `# TYPE`: the older format has the sample's name with its suffix. So
//! no text can be valid in both.

use std::fmt::Write;

use super::family::{Family, Kind, Label};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    OpenMetrics,
    Prometheus,
}

/// Each sample has the labels `common` before its own. Families without samples are
/// omitted.
pub fn text(families: &[Family], common: &[Label], format: Format) -> String {
    let mut text = String::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        write_family(&mut text, family, common, format);
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

fn write_family(text: &mut String, family: &Family, common: &[Label], format: Format) {
    let suffix = match family.kind {
        Kind::Gauge => "",
        Kind::Counter => "_total",
        Kind::Info => "_info",
    };
    let sample = format!("{}{suffix}", family.name);
    let (name, kind) = match format {
        Format::OpenMetrics => (&family.name, family.kind.name()),
        Format::Prometheus => (&sample, family.kind.prometheus_name()),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# TYPE {name} {kind}");
    if let (Format::OpenMetrics, Some(unit)) = (format, family.unit) {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
    let _ = writeln!(text, "# HELP {name} {}.", escaped(&family.help));
    for of in &family.samples {
        text.push_str(&sample);
        let labels: Vec<String> = common
            .iter()
            .chain(&of.labels)
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        if !labels.is_empty() {
            let _ = write!(text, "{{{}}}", labels.join(","));
        }
        let _ = writeln!(text, " {}", of.value);
    }
}

/// Help texts are escaped the same way. The older format would leave quotes in help
/// unescaped, but no help text has a quote.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Info => "info",
        }
    }

    fn prometheus_name(self) -> &'static str {
        match self {
            Kind::Info => "gauge",
            kind => kind.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use snapbox::IntoData;

    use super::*;

    fn families() -> Vec<Family> {
        vec![
            Family::gauge("up", "Whether").with(&[("part", "ipvs".to_owned())], 1_u32),
            Family::counter("service_incoming_bytes", "Bytes").with(&[], u64::MAX),
            Family::info("pool", "A pool").with(&[("name", "a\"b\\c\nd".to_owned())], 1_u32),
            Family::gauge("nothing", "Left out"),
        ]
    }

    #[test]
    fn openmetrics_names_the_family_and_ends_with_eof() {
        snapbox::assert_data_eq!(
            text(&families(), &[], Format::OpenMetrics),
            snapbox::str![[r#"
# TYPE ipvs_bpf_up gauge
# HELP ipvs_bpf_up Whether.
ipvs_bpf_up{part="ipvs"} 1
# TYPE ipvs_bpf_service_incoming_bytes counter
# UNIT ipvs_bpf_service_incoming_bytes bytes
# HELP ipvs_bpf_service_incoming_bytes Bytes.
ipvs_bpf_service_incoming_bytes_total 18446744073709551615
# TYPE ipvs_bpf_pool info
# HELP ipvs_bpf_pool A pool.
ipvs_bpf_pool_info{name="a\"b\\c\nd"} 1
# EOF

"#]]
            .raw()
        );
    }

    #[test]
    fn the_older_format_names_the_sample_and_knows_no_info() {
        let netns = [("netns", "blue".to_owned())];
        snapbox::assert_data_eq!(
            text(&families(), &netns, Format::Prometheus),
            snapbox::str![[r#"
# TYPE ipvs_bpf_up gauge
# HELP ipvs_bpf_up Whether.
ipvs_bpf_up{netns="blue",part="ipvs"} 1
# TYPE ipvs_bpf_service_incoming_bytes_total counter
# HELP ipvs_bpf_service_incoming_bytes_total Bytes.
ipvs_bpf_service_incoming_bytes_total{netns="blue"} 18446744073709551615
# TYPE ipvs_bpf_pool_info gauge
# HELP ipvs_bpf_pool_info A pool.
ipvs_bpf_pool_info{netns="blue",name="a\"b\\c\nd"} 1

"#]]
            .raw()
        );
    }
}
