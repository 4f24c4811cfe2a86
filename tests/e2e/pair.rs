// SPDX-License-Identifier: GPL-2.0-only
//! Two directors with the files of docs/guides/failover.md. keepalived moves the VIP and the
//! local IP from one to the other.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::documents;
use crate::lab::{Lab, eventually, ipvs_bpf, run, success};

pub const DIRECTORS: [&str; 2] = ["director", "director2"];

/// The text of a file that the page shows.
pub fn file_on_page(name: &str) -> String {
    documents::file_on_page("docs/guides/failover.md", name)
}

pub fn on(lab: &Lab, director: &str, arguments: &[&str]) -> Output {
    let mut command = ipvs_bpf();
    command.args(["--netns", &lab.namespace(director)]);
    command.args(arguments).output().unwrap()
}

pub fn has_vip(lab: &Lab, director: &str) -> bool {
    let words = ["ip", "-4", "address", "show", "dev", "eth0"];
    lab.exec(director, &words).contains("10.1.0.100/")
}

/// With priority: otherwise a busy host makes it late, and the other one takes over.
fn start_keepalived(lab: &mut Lab, director: &str, folder: &Path) {
    let file = folder.join("keepalived.conf");
    let own = folder.join(director);
    let script = format!(
        "echo started; exec chrt -f 50 keepalived --dont-fork --log-console --use-file {file} \
         --pid {own}.pid --vrrp_pid {own}-vrrp.pid --checkers_pid {own}-checkers.pid >{own}.log 2>&1",
        file = file.display(),
        own = own.display()
    );
    lab.start(director, &["bash", "-c", &script], "started");
}

/// Two directors with the same file. The first has the VIP and the local IP.
pub fn pair(folder: &Path, toml: &str, conf: &str) -> Lab {
    let mut lab = Lab::new();
    pair_in(&mut lab, folder, toml, conf);
    lab
}

/// The same with the first director of this lab.
pub fn pair_in(lab: &mut Lab, folder: &Path, toml: &str, conf: &str) {
    lab.pair();
    let file = folder.join("lb.toml");
    fs::write(&file, toml).unwrap();
    fs::write(folder.join("keepalived.conf"), conf).unwrap();
    for director in DIRECTORS {
        let range = "net.ipv4.ip_local_port_range=1024 9999";
        let namespace = format!("--net=/run/netns/{}", lab.namespace(director));
        let mut sysctl = Command::new("nsenter");
        run(sysctl.args([&*namespace, "sysctl", "-qw", range]));
        success(&on(lab, director, &["apply", "-f", file.to_str().unwrap()]));
    }
    start_keepalived(lab, "director", folder);
    eventually("the first director has the VIP", || {
        has_vip(lab, "director")
    });
    start_keepalived(lab, "director2", folder);
}

/// Stops the first director, and waits until keepalived has reacted.
pub fn fail(lab: &Lab) {
    assert!(!has_vip(lab, "director2"));
    for interface in ["eth0", "eth1"] {
        lab.exec("director", &["ip", "link", "set", interface, "down"]);
    }
    eventually("the second director has the VIP", || {
        has_vip(lab, "director2")
    });
}

/// The configuration of the page, with the addresses of IPv6 as it says.
pub fn both_families() -> String {
    let more = "virtual_ipaddress_excluded {\n\
                fd00:1::100/64 dev eth0\n\
                fd00:2::100/64 dev eth1\n\
                }\n";
    let conf = file_on_page("keepalived.conf");
    let (head, tail) = conf.rsplit_once('}').unwrap();
    format!("{head}{more}}}{tail}")
}
