// SPDX-License-Identifier: GPL-2.0-only
//! The whole path: a director that sends the address, the tool on the server, and
//! Debian's nginx.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::FILE;
use crate::lab::{Lab, eventually, ipvs_bpf, success};

/// nginx logs the client's address to a file and allows only one client.
fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = kinds
        .iter()
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
        .collect();
    format!(
        "daemon off;\n\
         user root;\n\
         pid {folder}/pid;\n\
         events {{}}\n\
         http {{\n\
         {temporary}\
         access_log {folder}/access.log;\n\
         allow 10.1.0.2;\n\
         deny all;\n\
         server {{ listen 8085; root {folder}; }}\n\
         }}\n"
    )
}

#[test]
fn nginx_sees_the_client_of_a_director_when_the_tool_is_at_the_server() {
    let lab = Lab::alone();
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    written("index.html", "hello\n");
    let file = written("nginx.conf", &configuration(folder.path()));
    let stock = concat!(env!("CARGO_MANIFEST_DIR"), "/lab/software/stock.sh");
    let words = [stock, "nginx", "-e", "stderr", "-c", &file];
    let mut nginx = lab.command("server1", &words).spawn().unwrap();
    let pid = folder.path().join("pid");
    eventually("nginx runs", || pid.exists());

    lab.apply(&FILE.replace("10.2.0.2:8080", "10.2.0.2:8085"));
    let ask = |from: &str| {
        let words = ["curl", "-sS", "--interface", from, "http://10.0.0.1/"];
        lab.exec("client", &words)
    };
    // It sees a local IP, which it does not allow.
    assert!(ask("10.1.0.2").contains("403 Forbidden"));
    let trust = written("toa.toml", "toa = { trust = [\"10.2.0.100\"] }\n");
    let server = lab.namespace("server1");
    let tool = |words: &[&str]| {
        let mut tool = ipvs_bpf();
        success(
            &tool
                .args(["--netns", &server])
                .args(words)
                .output()
                .unwrap(),
        )
    };
    tool(&["apply", "-f", &trust]);
    assert_eq!(ask("10.1.0.2"), "hello\n");
    assert!(ask("10.1.0.3").contains("403 Forbidden"));
    let log = fs::read_to_string(folder.path().join("access.log")).unwrap();
    let clients: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(clients, ["10.2.0.100", "10.1.0.2", "10.1.0.3"]);

    tool(&["down"]);
    assert!(ask("10.1.0.2").contains("403 Forbidden"));
    let nginx_pid = Pid::from_raw(nginx.id() as i32);
    kill(nginx_pid, Signal::SIGTERM).unwrap();
    nginx.wait().unwrap();
}
