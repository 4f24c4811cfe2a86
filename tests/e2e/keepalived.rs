// SPDX-License-Identifier: GPL-2.0-only
//! The unmodified health checks of keepalived with the files of docs/guides/keepalived.md, under
//! traffic.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::balance::balanced;
use crate::documents::file_on_page;
use crate::lab::{Lab, eventually, success};
use crate::requests::{Requests, servers_of};
use crate::rules::{WEB, native, read};
use crate::talk::{Answer, Talk, answer};

/// The text of a file on the page.
fn page(name: &str) -> String {
    file_on_page("docs/guides/keepalived.md", name)
}

/// keepalived on the director. Its file can be replaced.
pub struct Keepalived {
    folder: TempDir,
    process: Option<Pid>,
}

impl Keepalived {
    pub fn new() -> Self {
        Keepalived {
            folder: tempfile::tempdir().unwrap(),
            process: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, text: &str) {
        fs::write(self.path("keepalived.conf"), text).unwrap();
    }

    pub fn start(&mut self, lab: &mut Lab, text: &str) {
        self.write(text);
        let folder = self.folder.path().display();
        let script = format!(
            "echo started; exec keepalived --dont-fork --log-console \
             --use-file {folder}/keepalived.conf --pid {folder}/pid \
             --checkers_pid {folder}/checkers.pid >{folder}/log 2>&1"
        );
        lab.start("director", &["bash", "-c", &script], "started");
        let mut process = None;
        eventually("keepalived says its process", || {
            let text = fs::read_to_string(self.path("pid")).unwrap_or_default();
            process = text.trim().parse().ok().map(Pid::from_raw);
            process.is_some()
        });
        self.process = process;
    }

    fn reload(&self, text: &str) {
        self.write(text);
        kill(self.process.unwrap(), Signal::SIGHUP).unwrap();
    }

    /// Stops keepalived as a service manager does.
    pub fn stop(&mut self) {
        let process = self.process.take().unwrap();
        kill(process, Signal::SIGTERM).unwrap();
        eventually("keepalived ends", || !self.path("pid").exists());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("keepalived:\n{}", self.log());
        }
    }
}

pub fn rules_of_ipvs(lab: &Lab) -> String {
    lab.exec("director", &["ipvsadm", "-Sn"])
}

fn has_server(lab: &Lab, address: &str) -> bool {
    rules_of_ipvs(lab).contains(&format!("-r {address}:8080"))
}

fn both_are_there(lab: &Lab) {
    eventually("both servers are there", || {
        has_server(lab, "10.2.0.2") && has_server(lab, "10.2.0.3")
    });
}

/// A connection that has reached this server.
fn talk_with(lab: &Lab, server: &str) -> (Talk, Answer) {
    for _ in 0..20 {
        let mut talk = Talk::new(lab, "tcp", WEB);
        let answer = talk.ask();
        if answer.server == server {
            return (talk, answer);
        }
    }
    panic!("no connection reaches {server}");
}

/// Makes conntrack look at every packet on the director.
fn track(lab: &Lab) {
    lab.exec("director", &["nft", "add table ip t"]);
    for hook in ["prerouting", "input", "forward", "output", "postrouting"] {
        let chain = format!("add chain ip t {hook} {{ type filter hook {hook} priority 0; }}");
        lab.exec("director", &["nft", &chain]);
        let rule = format!("add rule ip t {hook} ct state new counter");
        lab.exec("director", &["nft", &rule]);
    }
}

/// Checks that conntrack knows keepalived's health checks and no client.
fn nothing_is_tracked(lab: &Lab) {
    let tracked = lab.exec("director", &["cat", "/proc/net/nf_conntrack"]);
    assert!(
        tracked.contains("src=10.2.0.1 dst=10.2.0.2"),
        "the checks are not tracked: this proves nothing\n{tracked}"
    );
    for ours in ["10.0.0.1", "10.1.0.2", "10.2.0.100"] {
        assert!(!tracked.contains(ours), "{tracked}");
    }
}

/// The page's keepalived file with one more server, and one server with weight 0.
fn with_third_and_drained(conf: &str) -> String {
    let servers: Vec<&str> = conf.split_inclusive("    real_server ").collect();
    let [head, one, two] = servers[..] else {
        panic!("two servers: {conf}");
    };
    let drained = one.replacen("weight 1", "weight 0", 1);
    let third = two.replacen("10.2.0.3", "10.4.0.2", 1);
    let (third, end) = third
        .rsplit_once("}\n}")
        .map(|(third, end)| (third.to_owned(), end))
        .unwrap();
    let (two, _) = two.rsplit_once('}').unwrap();
    format!("{head}{drained}{two}    real_server {third}}}\n}}{end}")
}

/// A server fails and comes back, another one is added, and one is drained.
fn checks_drive_servers(toml: &str) {
    let mut lab = Lab::new();
    lab.far();
    track(&lab);
    lab.apply(toml);
    let unchanged = |lab: &Lab| {
        assert_eq!(success(&lab.with_file(&["plan"], toml)), "nothing to do\n");
    };
    let conf = page("keepalived.conf");
    let mut keepalived = Keepalived::new();
    keepalived.start(&mut lab, &conf);
    both_are_there(&lab);
    let requests = Requests::begin(&lab, WEB);
    assert_eq!(servers_of(&requests.next(10)), ["server1", "server2"]);
    unchanged(&lab);
    let (mut healthy, before) = talk_with(&lab, "server2");

    lab.stop_serving("server1");
    eventually("the dead server is out", || !has_server(&lab, "10.2.0.2"));
    assert_eq!(servers_of(&requests.next(20)), ["server2"]);
    assert_eq!(healthy.ask(), before);
    unchanged(&lab);

    lab.serve("server1");
    eventually("the server is back", || has_server(&lab, "10.2.0.2"));
    assert_eq!(servers_of(&requests.next(20)), ["server1", "server2"]);
    assert_eq!(healthy.ask(), before);
    unchanged(&lab);

    let (mut drained, of_drained) = talk_with(&lab, "server1");
    keepalived.reload(&with_third_and_drained(&conf));
    eventually(
        "the third server is there and the first one drained",
        || has_server(&lab, "10.4.0.2") && rules_of_ipvs(&lab).contains("-r 10.2.0.2:8080 -m -w 0"),
    );
    assert_eq!(servers_of(&requests.next(20)), ["farserver", "server2"]);
    assert_eq!(drained.ask(), of_drained);
    assert_eq!(healthy.ask(), before);
    unchanged(&lab);

    assert!(requests.all_were_full_nat() > 70);
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
    nothing_is_tracked(&lab);
    drop(requests);
    balanced(&lab);
}

#[test]
fn keepalived_drives_servers_of_a_service_that_is_its_own_while_clients_come() {
    checks_drive_servers(&page("lb.toml"));
}

#[test]
fn keepalived_drives_servers_of_a_service_of_the_file_while_clients_come() {
    checks_drive_servers(&page("external.toml"));
}

#[test]
fn a_service_of_the_file_goes_when_keepalived_stops_and_comes_with_it_or_by_apply() {
    let mut lab = Lab::new();
    // The file of keepalived has rr.
    let toml = page("external.toml").replace("\"rr\"", "\"wrr\"");
    let plan = |lab: &Lab| String::from_utf8(lab.with_file(&["plan"], &toml).stdout).unwrap();
    let is_full_nat = |lab: &Lab| {
        both_are_there(lab);
        assert_eq!(answer(&lab.get(&["http://10.0.0.1/"])).peer, "10.2.0.100");
    };
    let mut keepalived = Keepalived::new();
    lab.apply(&toml);
    keepalived.start(&mut lab, &page("keepalived.conf"));
    is_full_nat(&lab);
    assert_eq!(plan(&lab), "nothing to do\n");
    // keepalived removes the service, no matter which program made it.
    keepalived.stop();
    assert_eq!(rules_of_ipvs(&lab), "");
    let comes = "+ tcp://10.0.0.1:80 wrr, full NAT from pool \"default\"\n";
    assert!(plan(&lab).starts_with(comes), "{}", plan(&lab));
    lab.apply(&toml);
    keepalived.start(&mut lab, &page("keepalived.conf"));
    is_full_nat(&lab);
    assert_eq!(plan(&lab), "nothing to do\n");
    // If keepalived makes the service, it is full NAT at once, with keepalived's
    // scheduler.
    keepalived.stop();
    keepalived.start(&mut lab, &page("keepalived.conf"));
    is_full_nat(&lab);
    let changes = "~ tcp://10.0.0.1:80 scheduler rr → wrr, full NAT from pool \"default\"\n";
    assert!(plan(&lab).starts_with(changes), "{}", plan(&lab));
    lab.apply(&toml);
    is_full_nat(&lab);
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
}

#[test]
fn a_service_by_direct_routing_becomes_full_nat_and_its_connections_go_on() {
    let mut lab = Lab::new();
    for server in ["server1", "server2"] {
        let vip = ["ip", "addr", "add", "10.0.0.1/32", "dev", "lo"];
        lab.exec(server, &vip);
        let route = ["ip", "route", "add", "default", "via", "10.2.0.1"];
        lab.exec(server, &route);
    }
    // The answers have the VIP as their source and go through the director.
    let setting = "net.ipv4.conf.eth1.accept_local=1";
    lab.exec("director", &["sysctl", "-qw", setting]);
    let nat = page("keepalived.conf").replace("10.0.0.1 80 ", "10.0.0.1 8080 ");
    let direct = nat.replace("lb_kind NAT", "lb_kind DR");
    let mut keepalived = Keepalived::new();
    keepalived.start(&mut lab, &direct);
    both_are_there(&lab);
    let to = ("10.0.0.1", 8080);
    let mut old = Talk::new(&lab, "tcp", to);
    let before = old.ask();
    assert_eq!(before.peer, "10.1.0.2");
    // The rule alone does not change existing connections.
    lab.apply(&page("lb.toml").replace("\"80\"", "\"8080\""));
    assert_eq!(old.ask(), before);
    assert_eq!(
        answer(&lab.get(&["http://10.0.0.1:8080/"])).peer,
        "10.1.0.2"
    );
    keepalived.reload(&nat);
    eventually("both servers masquerade", || {
        rules_of_ipvs(&lab).matches(" -m ").count() == 2
    });
    for _ in 0..4 {
        assert_eq!(
            answer(&lab.get(&["http://10.0.0.1:8080/"])).peer,
            "10.2.0.100"
        );
    }
    assert_eq!(old.ask(), before);
}
