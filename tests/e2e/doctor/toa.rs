// SPDX-License-Identifier: GPL-2.0-only
//! The receiver of clients' addresses, on server1. The director's segments come from
//! server2, with addresses that no host has. A receiver sees and counts the connections
//! of all network namespaces, so each test runs alone.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::system::{instead, unshared, where_mounted};
use super::{all, findings, found, only};
use crate::lab::{Lab, ipvs_bpf, run, success};
use crate::upheaval::AtEnd;

const FILE: &str = "[toa]\ntrust = [\"10.6.0.100\", \"fd00:6::100\"]\n";
const CLIENT: &str = "198.51.100.7:40001";
const NONE: [Value; 0] = [];

struct Server {
    lab: Lab,
    folder: tempfile::TempDir,
}

impl Server {
    fn new() -> Self {
        let lab = Lab::alone();
        for route in ["10.6.0.0/24 via 10.2.0.3", "fd00:6::/64 via fd00:2::3"] {
            lab.exec("server1", &["sh", "-ec", &format!("ip route add {route}")]);
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("toa.toml"), FILE).unwrap();
        Server { lab, folder }
    }

    fn netns(&self) -> String {
        self.lab.namespace("server1")
    }

    /// Runs the CLI on the server.
    fn tool(&self, arguments: &[&str]) -> Output {
        let mut tool = ipvs_bpf();
        tool.args(["--netns", &self.netns()]).args(arguments);
        tool.output().unwrap()
    }

    fn file(&self) -> String {
        let path = self.folder.path().join("toa.toml");
        path.to_str().unwrap().to_owned()
    }

    fn with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut tool = ipvs_bpf();
        tool.args(["--netns", &self.netns()]).args(arguments);
        let piped = tool.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    fn apply(&self, file: &str) {
        success(&self.with_input(&["apply", "-f", "-"], file));
    }

    /// The findings about the running receiver.
    fn running(&self) -> Vec<Value> {
        of_receiver(findings(&self.tool(&["doctor", "--json"])))
    }

    /// The findings about the needs of the file.
    fn needed(&self) -> Vec<Value> {
        let file = self.file();
        of_receiver(findings(&self.tool(&["doctor", "--json", "-f", &file])))
    }

    /// Changes nothing for other programs: only this run sees a different host.
    fn needed_where(&self, flags: &[&str], lines: &str) -> Vec<Value> {
        let (netns, file) = (self.netns(), self.file());
        let doctor = ["--netns", &netns, "doctor", "--json", "-f", &file];
        of_receiver(findings(&unshared(flags, lines, &doctor)))
    }

    /// The address that the server sees for a request from `from` that names the client.
    fn sees(&self, from: &str, client: &[&str]) -> String {
        let to = match from.starts_with('[') {
            true => "[fd00:2::2]:8080",
            false => "10.2.0.2:8080",
        };
        let words = [&["lab/net/packets.py", "get", from, to], client].concat();
        let answer = self.lab.exec("server2", &words);
        answer.trim().strip_prefix("server1 ").unwrap().to_owned()
    }

    fn pins(&self) -> PathBuf {
        let namespace = fs::metadata(Path::new("/run/netns").join(self.netns()));
        Path::new("/sys/fs/bpf/ipvs-bpf").join(format!("toa-{}", namespace.unwrap().ino()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.with_input(&["apply", "-f", "-"], "toa = { trust = [] }");
    }
}

/// Removes the finding that every kernel before 5.15 has.
fn of_receiver(mut findings: Vec<Value>) -> Vec<Value> {
    findings.retain(|finding| finding["check"] != "toa-mptcp");
    findings
}

#[test]
fn a_server_that_sees_its_clients_has_no_findings() {
    let server = Server::new();
    assert_eq!(server.needed(), NONE, "before the first apply");
    server.apply(FILE);
    for (from, client, sees) in [
        ("10.6.0.100:2001", CLIENT, "198.51.100.7 40001"),
        (
            "[fd00:6::100]:2002",
            "[2001:db8::7]:40002",
            "2001:db8::7 40002",
        ),
    ] {
        assert_eq!(server.sees(from, &[client]), sees);
        assert_eq!(server.needed(), NONE);
        assert_eq!(server.running(), NONE);
    }
}

#[test]
fn kernels_that_are_too_old_for_a_server() {
    let server = Server::new();
    let file = server.file();
    let of = |release: &str| {
        let old = instead("/proc/sys/kernel/osrelease", release);
        where_mounted(&old, &["-f", &file])
    };
    let four = of("4.19.0-27-amd64");
    only(
        &four,
        "error",
        "toa-kernel",
        "the kernel is 4.19.0-27-amd64",
    );
    let five = of("5.10.0-30-amd64");
    only(&five, "note", "toa-mptcp", "the kernel is 5.10.0-30-amd64");
    assert_eq!(of("5.15.0-100-generic"), NONE);
}

#[test]
fn a_server_without_cgroups_of_version_2() {
    let server = Server::new();
    // The CLI also looks at the first process, so this must run with another one.
    let own = ["--pid", "--fork", "--mount-proc"];
    let without = "umount /sys/fs/cgroup";
    let what = "no cgroup file system of version 2 is mounted";
    let cure = only(
        &server.needed_where(&own, without),
        "error",
        "toa-cgroup",
        what,
    );
    let apply = ["--netns", &server.netns(), "apply", "-f", &server.file()];
    let refused = unshared(&own, without, &apply);
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains(what) && error.contains(&cure), "{error}");
    assert!(!server.pins().exists());
    let with_cure = format!("{without}\n{cure}");
    assert_eq!(server.needed_where(&own, &with_cure), NONE);
}

#[test]
fn a_receiver_in_a_container_of_its_own_cgroups() {
    let server = Server::new();
    let part = Path::new("/sys/fs/cgroup").join(server.lab.namespace("part"));
    fs::create_dir(&part).unwrap();
    let inside = |arguments: &[&str]| {
        let lines = format!(
            "echo 0 >{}/cgroup.procs\n\
             exec unshare --cgroup sh -ec 'umount /sys/fs/cgroup\nmount -t cgroup2 none /sys/fs/cgroup\nexec \"$@\"' sh \"$@\"",
            part.display()
        );
        let netns = server.netns();
        let arguments = [&["--netns", &netns], arguments].concat();
        unshared(&[], &lines, &arguments)
    };
    let file = server.file();
    let findings = of_receiver(findings(&inside(&["doctor", "--json", "-f", &file])));
    let what = "/sys/fs/cgroup is not the root of the host's cgroups";
    only(&findings, "warning", "toa-root", what);
    // The finding is right: this server is outside the hierarchy.
    success(&inside(&["apply", "-f", &file]));
    assert_eq!(server.sees("10.6.0.100:2001", &[CLIENT]), "10.6.0.100 2001");
    server.apply("toa = { trust = [] }");
    fs::remove_dir(part).unwrap();
    server.apply(FILE);
    assert_eq!(
        server.sees("10.6.0.100:2002", &[CLIENT]),
        "198.51.100.7 40001"
    );
}

#[test]
fn an_address_that_names_clients_and_is_not_trusted() {
    let server = Server::new();
    server.apply(FILE);
    assert_eq!(server.sees("10.6.0.101:2001", &[CLIENT]), "10.6.0.101 2001");
    let what = "10.6.0.101 named clients in 1 connections and is not trusted";
    let cure = only(&server.running(), "warning", "toa-refused", what);
    assert_eq!(
        cure,
        "if it is a director's, add \"10.6.0.101\" to [toa] trust"
    );
    only(&server.needed(), "warning", "toa-refused", what);
    let file = FILE.replace("\"10.6.0.100\"", "\"10.6.0.100\", \"10.6.0.101\"");
    server.apply(&file);
    assert_eq!(server.running(), NONE);
    let sees = server.sees("10.6.0.101:2002", &[CLIENT]);
    assert_eq!(sees, "198.51.100.7 40001");
}

#[test]
fn a_trusted_address_that_names_no_client() {
    let server = Server::new();
    server.apply(FILE);
    assert_eq!(server.sees("10.6.0.100:2001", &[]), "10.6.0.100 2001");
    let what = "10.6.0.100 is trusted and named no client in 1 connections";
    only(&server.running(), "warning", "toa-absent", what);
    only(&server.needed(), "warning", "toa-absent", what);
    assert_eq!(
        server.sees("10.6.0.100:2002", &[CLIENT]),
        "198.51.100.7 40001"
    );
    assert_eq!(server.running(), NONE);
}

#[test]
fn a_kernel_without_memory_for_addresses() {
    let server = Server::new();
    server.apply(FILE);
    const NAME: &str = "net.core.optmem_max";
    // From Linux 6.8 on each namespace has its own value.
    let is_own = server.lab.try_exec("server1", &["sysctl", "-n", NAME]);
    let sysctl = |words: &[&str]| match is_own.status.success() {
        true => server.lab.exec("server1", &[&["sysctl"], words].concat()),
        false => run(Command::new("sysctl").args(words)),
    };
    let before = sysctl(&["-n", NAME]);
    sysctl(&["-qw", &format!("{NAME}=1")]);
    let sees = server.sees("10.6.0.100:2001", &[CLIENT]);
    sysctl(&["-qw", &format!("{NAME}={}", before.trim())]);
    assert_eq!(sees, "10.6.0.100 2001");
    let what = "the kernel had no memory for 1 addresses";
    let cure = only(&server.running(), "warning", "toa-memory", what);
    assert!(cure.contains(NAME), "{cure}");
    assert_eq!(
        server.sees("10.6.0.100:2002", &[CLIENT]),
        "198.51.100.7 40001"
    );
}

/// Attaches a program at `getpeername4` that reports port 7 for each peer, and detaches it at
/// the end of the test if the fix did not.
fn other_program(server: &Server, flags: &[&str]) -> (PathBuf, AtEnd) {
    const SEVEN: &str = r#"
        __attribute__((section("cgroup/getpeername4"), used)) int seven(void *address)
        { ((volatile unsigned *)address)[6] = __builtin_bswap16(7); return 1; }"#;
    let folder = server.folder.path();
    let (source, object) = (folder.join("seven.c"), folder.join("seven.o"));
    fs::write(&source, SEVEN).unwrap();
    let clang = ["-target", "bpf", "-O2", "-g", "-c", "-o"];
    run(Command::new("clang").args(clang).arg(&object).arg(&source));
    let pin = Path::new("/sys/fs/bpf").join(server.lab.namespace("seven"));
    let load = |words: &[&str]| run(Command::new("bpftool").args(words));
    let path = pin.to_str().unwrap();
    load(&["prog", "load", object.to_str().unwrap(), path]);
    let place = ["cgroup", "attach", "/sys/fs/cgroup", "getpeername4"];
    load(&[&place[..], &["pinned", path], flags].concat());
    let detach = place.join(" ").replace("attach", "detach");
    let end = format!("[ ! -e {path} ] || bpftool {detach} pinned {path} || true; rm -f {path}");
    (pin, AtEnd(end))
}

/// Runs the command of the fix.
fn detach(cure: &str, pin: &Path) {
    let (_, command) = cure.split_at(cure.find("bpftool").unwrap());
    let command = command.split(',').next().unwrap();
    run(Command::new("sh").args(["-ec", command]));
    fs::remove_file(pin).unwrap();
}

#[test]
fn a_program_that_lets_no_other_to_the_root_cgroup() {
    let server = Server::new();
    let (pin, _detached) = other_program(&server, &[]);
    let findings = server.needed();
    let apply = server.tool(&["apply", "-f", &server.file()]);
    let what = "the eBPF program seven, id ";
    let cure = only(&findings, "error", "toa-exclusive", what);
    let error = String::from_utf8(apply.stderr).unwrap();
    assert!(error.contains("to the root cgroup exclusively"), "{error}");
    detach(&cure, &pin);
    assert_eq!(server.needed(), NONE);
    server.apply(FILE);
}

#[test]
fn a_program_that_gives_peers_next_to_ours() {
    let server = Server::new();
    server.apply(FILE);
    let (pin, _detached) = other_program(&server, &["multi"]);
    let sees = server.sees("10.6.0.100:2001", &[CLIENT]);
    let what = "is also at getpeername4 of the root cgroup";
    let cure = only(&server.running(), "note", "toa-other-program", what);
    assert_eq!(sees, "198.51.100.7 7");
    detach(&cure, &pin);
    assert_eq!(server.running(), NONE);
    assert_eq!(
        server.sees("10.6.0.100:2002", &[CLIENT]),
        "198.51.100.7 40001"
    );
}

#[test]
fn pins_of_the_receiver_that_were_removed() {
    let server = Server::new();
    for name in ["link-established", "link-peername6", "toa_trust"] {
        server.apply(FILE);
        fs::remove_file(server.pins().join(name)).unwrap();
        let what = format!("pins of the receiver are gone from /sys/fs/bpf: {name}");
        let cure = only(&server.running(), "error", "toa-pins", &what);
        assert_eq!(cure, "ipvs-bpf apply");
        only(&server.needed(), "error", "toa-pins", &what);
    }
    fs::remove_file(server.pins().join("link-established")).unwrap();
    assert_eq!(server.sees("10.6.0.100:2001", &[CLIENT]), "10.6.0.100 2001");
    server.apply(FILE);
    assert_eq!(server.running(), NONE);
    assert_eq!(
        server.sees("10.6.0.100:2002", &[CLIENT]),
        "198.51.100.7 40001"
    );
}

#[test]
fn a_receiver_of_another_build() {
    let server = Server::new();
    server.apply(FILE);
    let marks = fs::read_dir(server.pins()).unwrap().flatten();
    let mut marks = marks.filter(|mark| mark.file_name().to_str().unwrap().starts_with("build-"));
    fs::rename(marks.next().unwrap().path(), server.pins().join("build-0")).unwrap();
    let findings = all(&server.tool(&["doctor", "--json", "-f", &server.file()]));
    found(&findings, "warning", "kernel-differs", "the kernel differs");
    server.apply(FILE);
    assert_eq!(server.needed(), NONE);
}
