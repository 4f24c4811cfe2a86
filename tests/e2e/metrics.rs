// SPDX-License-Identifier: GPL-2.0-only
//! Metrics of real traffic, read by the tools of Prometheus.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::exhaustion::few_ports;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, stderr, success};
use crate::rules::ipvsadm;
use crate::talk::Talk;

const NATIVE: &str = r#"
[[service]]
address = "udp://10.0.0.9:7"
scheduler = "wrr"
  [[service.server]]
  address = "10.2.0.2:7"
  weight = 3
  upper_threshold = 9
"#;

const RULE: &str = r#"
[[full_nat]]
addresses = ["10.0.0.9"]
protocols = ["tcp"]
snat = "default"
"#;

/// The reference parser of OpenMetrics, which is strict. It prints the samples in the
/// terms of the older format.
const READER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_fd_to_metric_families
for family in text_fd_to_metric_families(sys.stdin):
    assert family.documentation, family.name
    for sample in family.samples:
        print(family.type, sample.name, *sorted(sample.labels.items()), int(sample.value))
";

fn metrics(lab: &Lab, arguments: &[&str]) -> String {
    success(&lab.ipvs_bpf(&[&["metrics"], arguments].concat()))
}

/// The value of the sample with these labels, which must be in the order of the text.
fn value(text: &str, sample: &str, labels: &str) -> u64 {
    let words = format!("{sample}{{{labels}}} ");
    let found = text.lines().find_map(|line| line.strip_prefix(&words));
    found
        .unwrap_or_else(|| panic!("{words}\n{text}"))
        .parse()
        .unwrap()
}

/// Passes the text to a program, which must succeed. Returns both of its output streams.
fn read(words: &[&str], text: &str) -> String {
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    success(&output) + &stderr(&output)
}

fn names(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("ipvs_bpf_"))
        .map(str::to_owned)
        .collect()
}

/// A director with both kinds of services, and traffic.
fn file() -> String {
    format!("{FILE}{NATIVE}{RULE}")
}

fn busy() -> Lab {
    let lab = Lab::new();
    lab.apply(&file());
    for _ in 0..4 {
        lab.get(&["http://10.0.0.1/"]);
    }
    lab.udp("10.0.0.1", 7, "hello");
    lab
}

#[test]
fn totals_are_those_of_show_and_of_the_traffic() {
    let lab = busy();
    let netns = format!("netns=\"{}\"", lab.namespace("director"));
    let web = format!("{netns},service=\"tcp://10.0.0.1:80\"");
    let (mut text, mut shown) = (String::new(), String::new());
    // IPVS updates its counters every two seconds.
    eventually(
        "nothing changes between two readings of all traffic",
        || {
            text = metrics(&lab, &[]);
            shown = success(&lab.ipvs_bpf(&["show", "--json"]));
            value(&text, "ipvs_bpf_service_connections_total", &web) == 4
                && value(&text, "ipvs_bpf_service_outgoing_bytes_total", &web) > 400
                && metrics(&lab, &[]) == text
        },
    );
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let services = shown["services"].as_array().unwrap();
    assert_eq!(services.len(), 4);
    let mut servers = 0;
    for service in services {
        let name = service["address"].as_str().unwrap();
        let of_service = format!("{netns},service=\"{name}\"");
        same_totals(&text, "service", &of_service, &service["totals"]);
        for server in service["servers"].as_array().unwrap() {
            let address = server["address"].as_str().unwrap();
            let labels = format!("{of_service},server=\"{address}\"");
            same_totals(&text, "server", &labels, &server["totals"]);
            let weight = value(&text, "ipvs_bpf_server_weight", &labels);
            assert_eq!(weight, server["weight"]);
            servers += 1;
        }
    }
    assert_eq!(servers, 6);
    let sessions = value(&text, "ipvs_bpf_module_sessions_created_total", &netns);
    assert_eq!(sessions, 5);
    let failed = format!("{netns},result=\"rewrite_failed\"");
    assert_eq!(value(&text, "ipvs_bpf_program_packets_total", &failed), 0);
    let local_ip = format!("{netns},pool=\"default\",local_ip=\"10.2.0.100\"");
    assert_eq!(value(&text, "ipvs_bpf_local_ip_ports", &local_ip), 36_280);
    for part in ["ipvs", "module", "programs"] {
        let labels = format!("{netns},part=\"{part}\"");
        assert_eq!(value(&text, "ipvs_bpf_up", &labels), 1);
    }
}

fn same_totals(text: &str, prefix: &str, labels: &str, totals: &Value) {
    for (name, total) in totals.as_object().unwrap() {
        let sample = format!("ipvs_bpf_{prefix}_{name}_total");
        assert_eq!(value(text, &sample, labels), *total, "{sample} {labels}");
    }
}

#[test]
fn a_port_that_is_exhausted_is_seen_as_used_up_and_as_refusals() {
    let lab = Lab::new();
    let file = FILE.replace(
        "addresses = [\"10.2.0.100\"]",
        "addresses = [\"10.2.0.100\"]\nports = \"2000-2003\"",
    );
    lab.apply(&file);
    // The ports stay in use for a while. Each server has four.
    for _ in 0..12 {
        lab.try_exec("client", &["curl", "-s", "-m", "2", "http://10.0.0.1/"]);
    }
    let text = metrics(&lab, &[]);
    let netns = format!("netns=\"{}\"", lab.namespace("director"));
    let local_ip = format!("{netns},pool=\"default\",local_ip=\"10.2.0.100\"");
    assert_eq!(value(&text, "ipvs_bpf_local_ip_ports", &local_ip), 4);
    let used = value(
        &text,
        "ipvs_bpf_local_ip_busiest_server_sessions",
        &local_ip,
    );
    assert_eq!(used, 4);
    let reason = format!("{netns},reason=\"ports_exhausted\"");
    let refused = "ipvs_bpf_module_refused_connections_total";
    assert!(value(&text, refused, &reason) >= 1);
}

/// True if the documentation's alert fires when these samples have risen from zero.
fn fires(lab: &Lab, alert: &str, text: &str) -> bool {
    let documented = fs::read_to_string("docs/reference/metrics.md").unwrap();
    let (_, rules) = documented.split_once("```yaml\ngroups:").unwrap();
    let (rules, _) = rules.split_once("```").unwrap();
    assert!(rules.contains(&format!("alert: {alert}\n")), "{rules}");
    let folder = std::env::temp_dir().join(lab.namespace("alerts"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("rules.yml"), format!("groups:{rules}")).unwrap();
    let series: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            format!("  - {{series: '{series}', values: '0 {value} {value} {value}'}}\n")
        })
        .collect();
    let expects = |samples: &str| {
        let expression = format!("max(ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}})");
        let test = format!(
            "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  \
             input_series:\n{series}  promql_expr_test:\n  - expr: '{expression}'\n    \
             eval_time: 3m\n    exp_samples: [{samples}]\n"
        );
        let path = folder.join("test.yml");
        fs::write(&path, test).unwrap();
        let mut promtool = Command::new("lab/software/promtool.sh");
        promtool.args(["test", "rules"]).arg(path).output().unwrap()
    };
    if expects("").status.success() {
        return false;
    }
    success(&expects("{labels: '{}', value: 1}"));
    true
}

#[test]
fn the_alert_of_local_ips_fires_when_most_ports_that_sessions_can_take_are_taken() {
    let lab = Lab::new();
    let draws = |ports: &str| {
        let setting = format!("net.ipv4.ip_local_port_range={ports}");
        lab.exec("director", &["sysctl", "-qw", &setting]);
    };
    let near = || fires(&lab, "LocalIpsNearlyExhausted", &metrics(&lab, &[]));
    let refused = || fires(&lab, "ConnectionsRefused", &metrics(&lab, &[]));
    draws("2000 2019");
    lab.apply(&few_ports(r#"["10.2.0.100"]"#, "2000-2019"));
    assert!(near(), "the host draws every port");
    draws("2000 2015");
    let mut talks = Vec::new();
    let mut talk = || {
        let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
        talk.ask();
        talks.push(talk);
    };
    for _ in 0..3 {
        talk();
        assert!(!near());
    }
    talk();
    assert!(near(), "four of four ports");
    let shown = success(&lab.ipvs_bpf(&["show", "--local-ips"]));
    assert!(
        shown.contains("2000-2019       4         4      100.0%  10.2.0.2:7"),
        "{shown}"
    );
    assert!(!refused());
    Talk::new(&lab, "udp", ("10.0.0.1", 7))
        .try_ask(120)
        .unwrap_err();
    assert!(refused());
}

#[test]
fn promtool_finds_nothing_wrong_with_the_format_of_the_textfile_collector() {
    let lab = busy();
    let text = metrics(&lab, &["--format", "prometheus"]);
    assert_eq!(
        read(&["lab/software/promtool.sh", "check", "metrics"], &text),
        ""
    );
    assert!(text.contains("# TYPE ipvs_bpf_service_connections_total counter"));
}

#[test]
fn the_reference_reader_of_openmetrics_reads_the_same_samples() {
    let lab = busy();
    let text = metrics(&lab, &[]);
    let samples = read(&["/usr/bin/python3", "-c", READER], &text);
    let lines = text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(samples.lines().count(), lines);
    for kind in [
        "counter ipvs_bpf_service_connections_total",
        "gauge ipvs_bpf_up",
    ] {
        assert!(samples.contains(kind), "{samples}");
    }
    // The other format has the same samples.
    let without = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
            .collect()
    };
    let other = metrics(&lab, &["--format", "prometheus"]);
    assert_eq!(without(&text), without(&other));
}

#[test]
fn a_file_is_replaced_whole_or_left_as_it_was() {
    let lab = busy();
    let folder = std::env::temp_dir().join(lab.namespace("metrics"));
    fs::create_dir(&folder).unwrap();
    let path = folder.join("ipvs-bpf.prom");
    fs::write(&path, "old\n").unwrap();
    let name = path.to_str().unwrap();
    let printed = metrics(&lab, &["--format", "prometheus", "-o", name]);
    assert_eq!(printed, "");
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(
        read(&["lab/software/promtool.sh", "check", "metrics"], &written),
        ""
    );
    let missing = folder.join("not/there.prom");
    let output = lab.ipvs_bpf(&["metrics", "-o", missing.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not/there.prom: it cannot be written"));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_dashboard_and_the_documentation_name_metrics_that_exist() {
    let lab = busy();
    lab.apply(&file().replace("[director]\n", "[director]\nxdp = true\n"));
    let text = metrics(&lab, &[]);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let exist: BTreeSet<String> = lines
        .flat_map(|line| names(line.split('{').next().unwrap()))
        .collect();
    let read = |path| fs::read_to_string(path).unwrap();
    let dashboard = names(&read("packaging/grafana/ipvs-bpf.json"));
    assert!(dashboard.len() > 12, "{dashboard:?}");
    let unknown: Vec<_> = dashboard.difference(&exist).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(names(&read("docs/reference/metrics.md")), exist);
}

#[test]
fn services_by_rule_are_counted_by_rule() {
    let lab = busy();
    let labels = "addresses=\"10.0.0.9/32\",protocols=\"tcp\",ports=\"*\",interfaces=\"*\",\
                  snat=\"default\"";
    let labels = format!("netns=\"{}\",{labels}", lab.namespace("director"));
    let services = |lab: &Lab| value(&metrics(lab, &[]), "ipvs_bpf_rule_services", &labels);
    assert_eq!(services(&lab), 0);
    ipvsadm(&lab, "-A -t 10.0.0.9:80 -s rr");
    ipvsadm(&lab, "-a -t 10.0.0.9:80 -r 10.2.0.2:8080 -m");
    lab.get(&["http://10.0.0.9/"]);
    assert_eq!(services(&lab), 1);
}

#[test]
fn json_is_refused_with_the_option_for_it() {
    let lab = Lab::new();
    let output = lab.ipvs_bpf(&["metrics", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("show --stats --json"));
}
