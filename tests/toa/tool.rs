// SPDX-License-Identifier: GPL-2.0-only
//! The tool on a server: a file with only `[toa]`, on a host without IPVS.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::client::option;
use crate::group::Group;
use crate::network::Network;
use crate::server::{IPV4, KINDS, Kind, accept, accepted};

pub const FILE: &str = "[toa]\ntrust = [\"10.2.0.0/24\", \"fd00:2::100\"]\n";

/// A host with the tool.
pub struct Host {
    pub network: Network,
    /// No other test attaches programs to the root cgroup.
    _group: Group,
}

impl Host {
    pub fn new() -> Self {
        Host {
            _group: Group::enter(),
            network: Network::new(),
        }
    }

    pub fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_ipvs-bpf"))
            .args(arguments)
            .env_remove("IPVS_BPF_MODULE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = tool.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        tool.wait_with_output().unwrap()
    }

    /// Runs the tool. It must succeed and print nothing on standard error. Returns its
    /// standard output.
    #[track_caller]
    pub fn tool(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        assert_eq!(errors, "", "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    pub fn apply(&self, file: &str) -> String {
        self.tool(&["apply", "-f", "-"], file)
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.tool(arguments, "")).unwrap()
    }

    /// The JSON of a command that fails.
    #[track_caller]
    fn json_of_failure(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments, "");
        assert!(!output.status.success());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs `plan`, which must have changes.
    #[track_caller]
    fn plan(&self, file: &str) -> String {
        let output = self.run(&["plan", "-f", "-"], file);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The peer addresses that a server sees for a client behind the director.
    #[track_caller]
    fn seen(&self, kind: Kind) -> (SocketAddr, SocketAddr) {
        let listener = kind.listen();
        let mut client = kind.through_director(&self.network);
        client.connect(&option(kind.client()));
        (accepted(&listener).1, kind.shown(client.from))
    }

    #[track_caller]
    fn assert_tells(&self) {
        for kind in KINDS {
            assert_eq!(self.seen(kind).0, kind.shown(kind.client()), "{kind:?}");
        }
    }

    #[track_caller]
    fn assert_tells_nobody(&self) {
        for kind in KINDS {
            let (seen, local_ip) = self.seen(kind);
            assert_eq!(seen, local_ip, "{kind:?}");
        }
    }

    fn pins(&self) -> PathBuf {
        let namespace = fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
        Path::new("/sys/fs/bpf/ipvs-bpf").join(format!("toa-{namespace}"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.run(&["down"], "");
    }
}

#[test]
fn a_server_needs_a_file_with_one_table_and_nothing_else() {
    let host = Host::new();
    host.assert_tells_nobody();
    assert_eq!(
        host.plan(FILE),
        "+ clients' addresses from 10.2.0.0/24, fd00:2::100/128\n\
         1 to add, 0 to change, 0 to remove\n"
    );
    host.apply(FILE);
    host.assert_tells();
    assert_eq!(host.tool(&["plan", "-f", "-"], FILE), "nothing to do\n");
    assert_eq!(host.apply(FILE), "nothing to do\n");

    let shown = host.json(&["show", "--toa", "--json"]);
    assert_eq!(shown["totals"]["told"], 3);
    let told = |index: usize| {
        let address = &shown["addresses"][index];
        (
            address["address"].as_str().unwrap(),
            address["told"].as_u64(),
        )
    };
    assert_eq!(told(0), ("10.2.0.100", Some(2)));
    assert_eq!(told(1), ("fd00:2::100", Some(1)));
    let metrics = host.tool(&["metrics"], "");
    let page = fs::read_to_string("docs/guides/client-address.md").unwrap();
    for sample in [
        "ipvs_bpf_toa_connections_total{outcome=\"told\"} 3\n",
        "ipvs_bpf_toa_local_ip_connections_total{local_ip=\"fd00:2::100\",outcome=\"told\"} 1\n",
    ] {
        assert!(metrics.contains(sample), "{metrics}");
        let name = sample.split('{').next().unwrap();
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
    let findings = host.json(&["doctor", "--json"]);
    assert_eq!(findings["errors"], 0, "{findings:#}");
    assert_eq!(findings["warnings"], 0, "{findings:#}");

    let down = host.tool(&["down"], "");
    assert_eq!(down, "- the receiver of clients' addresses\n");
    assert!(!host.pins().exists());
    assert_eq!(
        host.json(&["show", "--toa", "--json"])["totals"],
        Value::Null
    );
}

#[test]
fn trusted_addresses_change_in_place_and_an_empty_list_ends_the_receiver() {
    let host = Host::new();
    host.apply(FILE);
    let other = "[toa]\ntrust = [\"10.9.9.9\"]\n";
    assert_eq!(
        host.plan(other),
        "~ clients' addresses from 10.2.0.0/24, fd00:2::100/128 → 10.9.9.9/32\n\
         0 to add, 1 to change, 0 to remove\n"
    );
    host.apply(other);
    host.assert_tells_nobody();
    let refused = host.json(&["show", "--toa", "--json"]);
    assert_eq!(refused["totals"]["refused"], 3);
    let findings = host.json_of_failure(&["doctor", "--json"]);
    let checks: Vec<_> = findings["findings"].as_array().unwrap().iter().collect();
    let refused = checks
        .iter()
        .filter(|finding| finding["check"] == "toa-refused");
    assert_eq!(refused.count(), 2, "{findings:#}");

    host.apply(FILE);
    host.assert_tells();
    // With --no-prune, the settings of an earlier file stay.
    host.tool(&["apply", "--no-prune", "-f", "-"], other);
    host.assert_tells();
    let nobody = "[toa]\ntrust = []\n";
    assert_eq!(
        host.apply(nobody),
        "- clients' addresses from 10.2.0.0/24, 10.9.9.9/32, fd00:2::100/128\n\
         0 to add, 0 to change, 1 to remove\n"
    );
    assert!(!host.pins().exists());
    assert_eq!(host.apply(nobody), "nothing to do\n");
}

#[test]
fn a_newer_build_takes_over_with_the_connections_and_the_counters() {
    let host = Host::new();
    host.apply(FILE);
    let listener = IPV4.listen();
    IPV4.through_director(&host.network)
        .connect(&option(IPV4.client()));
    let (stream, _) = accept(&listener);
    // The state that an older build left behind.
    let mark = fs::read_dir(host.pins()).unwrap().find_map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        name.starts_with("build-").then(|| entry.path())
    });
    fs::rename(mark.unwrap(), host.pins().join("build-0")).unwrap();
    assert_eq!(
        host.plan(FILE),
        "~ clients' addresses from 10.2.0.0/24, fd00:2::100/128, programs → those of this build\n\
         0 to add, 1 to change, 0 to remove\n"
    );
    host.apply(FILE);
    assert_eq!(stream.peer_addr().unwrap(), IPV4.client());
    drop(listener);
    host.assert_tells();
    assert_eq!(host.json(&["show", "--toa", "--json"])["totals"]["told"], 4);
    assert_eq!(host.apply(FILE), "nothing to do\n");
}

#[test]
fn pins_that_were_removed_come_back() {
    let host = Host::new();
    host.apply(FILE);
    for name in [
        "link-peername4",
        "link-established",
        "toa_trust",
        "toa_clients",
    ] {
        fs::remove_file(host.pins().join(name)).unwrap();
        assert!(host.plan(FILE).contains("programs → those of this build"));
        host.apply(FILE);
        assert_eq!(host.apply(FILE), "nothing to do\n");
        host.assert_tells();
    }
}

#[test]
fn a_saved_file_describes_the_running_state() {
    let host = Host::new();
    host.apply(FILE);
    let saved = host.tool(&["save"], "");
    assert!(
        saved.contains("[toa]\ntrust = [\"10.2.0.0/24\", \"fd00:2::100/128\"]\n"),
        "{saved}"
    );
    let output = host.run(&["plan", "-f", "-"], &saved);
    assert_eq!(output.stdout, b"nothing to do\n", "{output:?}");
}

#[test]
fn a_file_without_the_table_leaves_the_receiver_alone() {
    let host = Host::new();
    host.apply(FILE);
    let output = host.run(&["plan", "--json", "-f", "-"], "service = []\n");
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["steps"].as_array().unwrap().len(), 0, "{plan:#}");
    host.assert_tells();
}

#[test]
fn servers_in_every_network_namespace_see_their_clients() {
    let host = Host::new();
    host.apply(FILE);
    let other = Network::new();
    for kind in KINDS {
        let listener = kind.listen();
        let mut client = kind.through_director(&other);
        client.connect(&option(kind.client()));
        assert_eq!(accepted(&listener).1, kind.shown(kind.client()), "{kind:?}");
    }
    host.network.enter();
}
