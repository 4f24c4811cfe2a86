// SPDX-License-Identifier: GPL-2.0-only
//! Two directors with the files of docs/guides/failover.md. keepalived moves the VIP and the
//! local IP, and IPVS's sync daemon transfers the connections.

use serde_json::Value;

use crate::documents;
use crate::lab::{Lab, eventually, success};
use crate::pair::{DIRECTORS, both_families, fail, file_on_page, on, pair};
use crate::rules::write;
use crate::talk::{Talk, answer};

pub fn sessions(lab: &Lab, director: &str) -> Vec<String> {
    let table = success(&on(lab, director, &["show", "--sessions"]));
    // Skips the last two columns, the state of the director's fast path.
    let lines = table.lines().skip(1);
    lines
        .filter_map(|line| line.rsplit_once("  "))
        .filter_map(|(line, _)| line.trim_end().rsplit_once("  "))
        .map(|(line, _)| line.trim_end().to_owned())
        .collect()
}

/// One client port in the range that hosts pick from by default, and one below the pool's
/// ports.
fn talks(lab: &Lab) -> [Talk; 2] {
    let to = ("10.1.0.100", 80);
    [40_000, 5_000].map(|port| Talk::from(lab, "client", "tcp", ("", port), to))
}

#[test]
fn a_connection_outlives_its_director_with_the_same_local_ip_and_port() {
    let folder = tempfile::tempdir().unwrap();
    let lab = pair(
        folder.path(),
        &file_on_page("lb.toml"),
        &file_on_page("keepalived.conf"),
    );
    let mut talks = talks(&lab);
    let before = talks.each_mut().map(Talk::ask);
    assert!(before.iter().all(|answer| answer.peer == "10.2.0.100"));
    eventually("the second director knows the sessions", || {
        // Only slow-path packets make the first director sync.
        assert_eq!(talks.each_mut().map(Talk::ask), before);
        sessions(&lab, "director2").len() == before.len()
    });
    assert_eq!(sessions(&lab, "director2"), sessions(&lab, "director"));
    fail(&lab);
    assert_eq!(talks.each_mut().map(Talk::ask), before);
    success(&on(&lab, "director2", &["down"]));
}

#[test]
fn doctor_finds_nothing_wrong_with_a_standby_director() {
    let folder = tempfile::tempdir().unwrap();
    let lab = pair(
        folder.path(),
        &file_on_page("lb.toml"),
        &file_on_page("keepalived.conf"),
    );
    // Both ways to see the local IP: the kernel knows no neighbour there, and it knows one.
    for ping in ["true", "ping -qc 1 -W 10 10.2.0.100"] {
        lab.exec("director2", &["sh", "-c", ping]);
        let file = folder.path().join("lb.toml");
        let words = ["doctor", "--json", "-f", file.to_str().unwrap()];
        let report = success(&on(&lab, "director2", &words));
        let report: Value = serde_json::from_str(&report).unwrap();
        let findings = report["findings"].as_array().unwrap();
        for finding in findings {
            assert_ne!(finding["severity"], "error", "{finding:#?}");
            let cure = finding["cure"].as_str().unwrap();
            assert!(!cure.contains("address add"), "{finding:#?}");
        }
        let vip = |finding: &Value| finding["check"] == "vip-not-local";
        assert!(findings.iter().any(vip), "{report:#?}");
    }
    success(&on(&lab, "director2", &["down"]));
}

/// The file of the page, and a service of each kind that it does not have.
pub fn all_kinds() -> String {
    let service = |address: &str, more: &str, servers: [&str; 2]| {
        let [first, second] = servers;
        format!(
            "[[service]]\naddress = \"{address}\"\nsnat = \"default\"\n{more}\n\
             [[service.server]]\naddress = \"{first}\"\n\
             [[service.server]]\naddress = \"{second}\"\n"
        )
    };
    let mh = "scheduler = \"mh\"\nscheduler_flags = [\"mh-port\", \"mh-fallback\"]";
    let mut text =
        file_on_page("lb.toml").replace("[\"10.2.0.100\"]", "[\"10.2.0.100\", \"fd00:2::100\"]");
    for (kind, port, to) in [("tcp", 80, 8080), ("udp", 7, 7), ("sctp", 3868, 3868)] {
        let four = ["10.2.0.2", "10.2.0.3"].map(|server| format!("{server}:{to}"));
        let six = ["fd00:2::2", "fd00:2::3"].map(|server| format!("[{server}]:{to}"));
        if kind != "tcp" {
            let vip = format!("{kind}://10.1.0.100:{port}");
            text += &service(&vip, mh, four.each_ref().map(|server| &**server));
        }
        let vip = format!("{kind}://[fd00:1::100]:{port}");
        text += &service(&vip, mh, six.each_ref().map(|server| &**server));
    }
    let persistent = "scheduler = \"rr\"\npersistence = { timeout = \"1h\" }";
    for (kind, port, to) in [("tcp", 81, 8080), ("udp", 8, 7)] {
        for (vip, net) in [("10.1.0.100", "10.2.0."), ("[fd00:1::100]", "[fd00:2::")] {
            let end = if net.ends_with(':') { "]" } else { "" };
            let [first, second] = ["2", "3"].map(|host| format!("{net}{host}{end}:{to}"));
            let vip = format!("{kind}://{vip}:{port}");
            text += &service(&vip, persistent, [&first, &second]);
        }
    }
    text
}

/// The servers that a client's new connections to persistent services get, in each family and
/// protocol. Clients have a number.
fn persistent(lab: &Lab, client: u8) -> Vec<String> {
    let mut servers = Vec::new();
    for (net, vip) in [("10.1.0.", "10.1.0.100"), ("fd00:1::", "fd00:1::100")] {
        let source = format!("{net}{client}");
        for (kind, port) in [("tcp", 81), ("udp", 8)] {
            let mut talk = Talk::from(lab, "client", kind, (&source, 0), (vip, port));
            servers.push(talk.ask().server);
        }
    }
    servers
}

#[test]
fn connections_of_every_protocol_and_persistence_outlive_their_director() {
    let folder = tempfile::tempdir().unwrap();
    crate::lab::run(std::process::Command::new("modprobe").arg("sctp"));
    let mut lab = pair(folder.path(), &all_kinds(), &both_families());
    for server in ["server1", "server2"] {
        let words = ["lab/net/sctp.py", "serve", server, "3868"];
        lab.start(server, &words, "ready");
    }
    let kinds = [("tcp", 80), ("udp", 7), ("sctp", 3868)];
    let mut talks = Vec::new();
    for vip in ["10.1.0.100", "fd00:1::100"] {
        for (kind, port) in kinds {
            talks.push(Talk::new(&lab, kind, (vip, port)));
        }
    }
    let mut ask = || -> Vec<_> { talks.iter_mut().map(Talk::ask).collect() };
    let before = ask();
    let local_ips = before.iter().map(|answer| &*answer.peer);
    let wanted = ["10.2.0.100"; 3].into_iter().chain(["fd00:2::100"; 3]);
    assert!(local_ips.eq(wanted), "{before:?}");
    // The scheduler of the second director would give the second client the first's server.
    let second = "ip address add 10.1.0.3/24 dev lan\n\
                  ip address add fd00:1::3/64 dev lan nodad preferred_lft 0";
    lab.exec("client", &["sh", "-ec", second]);
    let first = persistent(&lab, 2);
    let servers = persistent(&lab, 3);
    assert!(servers.iter().zip(&first).all(|(one, other)| one != other));
    eventually("the second director knows the sessions", || {
        // Only slow-path packets make the first director sync.
        assert_eq!(ask(), before);
        let connections = lab.exec("director2", &["ipvsadm", "-Lnc"]);
        let templates = connections.lines().filter(|line| line.contains(":0 "));
        sessions(&lab, "director2").len() >= before.len() && templates.count() == 8
    });
    fail(&lab);
    assert_eq!(ask(), before);
    for _ in 0..4 {
        assert_eq!(persistent(&lab, 3), servers);
    }
    success(&on(&lab, "director2", &["down"]));
}

#[test]
fn an_unsynchronised_connection_continues_where_the_client_sends_first() {
    let folder = tempfile::tempdir().unwrap();
    let without = file_on_page("lb.toml")
        .replace("master = {", "# master = {")
        .replace("backup = {", "# backup = {");
    let lab = pair(folder.path(), &without, &file_on_page("keepalived.conf"));
    let mut talks = talks(&lab);
    let before = talks.each_mut().map(Talk::ask);
    assert_eq!(sessions(&lab, "director2"), [""; 0]);
    fail(&lab);
    assert_eq!(talks.each_mut().map(Talk::ask), before);
    success(&on(&lab, "director2", &["down"]));
}

#[test]
fn a_connection_of_a_service_by_rule_outlives_its_director() {
    let folder = tempfile::tempdir().unwrap();
    // The listed service keeps the module in use. Without sloppy_tcp, only the connection
    // that the sync daemon sent can continue.
    let toml = file_on_page("lb.toml")
        .replace("10.1.0.100:80", "10.1.0.100:81")
        .replace("sloppy_tcp = 1", "sloppy_tcp = 0");
    let lab = pair(folder.path(), &toml, &file_on_page("keepalived.conf"));
    for director in DIRECTORS {
        let ipvsadm = |words: &str| {
            let words: Vec<&str> = words.split(' ').collect();
            lab.exec(director, &[&["ipvsadm"], &words[..]].concat());
        };
        ipvsadm("-A -t 10.1.0.100:80 -s rr");
        ipvsadm("-a -t 10.1.0.100:80 -r 10.2.0.2:8080 -m");
        ipvsadm("-a -t 10.1.0.100:80 -r 10.2.0.3:8080 -m");
        write(&lab, director, "rules", "10.1.0.100/32 tcp 80 * default\n");
    }
    let mut talks = talks(&lab);
    let before = talks.each_mut().map(Talk::ask);
    assert!(before.iter().all(|answer| answer.peer == "10.2.0.100"));
    eventually("the second director knows the connections", || {
        // Only slow-path packets make the first director sync.
        assert_eq!(talks.each_mut().map(Talk::ask), before);
        let connections = lab.exec("director2", &["ipvsadm", "-Lnc"]);
        connections.matches("ESTABLISHED").count() == before.len()
    });
    assert_eq!(sessions(&lab, "director2"), [""; 0]);
    let expected = sessions(&lab, "director");
    fail(&lab);
    assert_eq!(talks.each_mut().map(Talk::ask), before);
    assert_eq!(sessions(&lab, "director2"), expected);
    // The packets of the other connection found a service that already existed.
    let services = lab.exec("director2", &["cat", "/proc/net/ip_vs_bpf/services"]);
    assert!(
        services.contains(":80 default sessions 2 rule"),
        "{services}"
    );
    success(&on(&lab, "director2", &["down"]));
}

#[test]
fn a_service_of_keepalived_with_its_checks_outlives_its_director() {
    let folder = tempfile::tempdir().unwrap();
    let page = |name| documents::file_on_page("docs/guides/keepalived.md", name);
    let mut lab = pair(folder.path(), &page("pair.toml"), &page("pair.conf"));
    let rules = |lab: &Lab, director| lab.exec(director, &["ipvsadm", "-Sn"]);
    for director in DIRECTORS {
        eventually("each director has both servers", || {
            rules(&lab, director).matches(":8080 -m -w 1").count() == 2
        });
    }
    let mut talks = talks(&lab);
    let before = talks.each_mut().map(Talk::ask);
    assert!(before.iter().all(|answer| answer.peer == "10.2.0.100"));
    eventually("the second director knows the connections", || {
        // Only slow-path packets make the first director sync.
        assert_eq!(talks.each_mut().map(Talk::ask), before);
        let connections = lab.exec("director2", &["ipvsadm", "-Lnc"]);
        connections.matches("ESTABLISHED").count() == before.len()
    });
    fail(&lab);
    assert_eq!(talks.each_mut().map(Talk::ask), before);
    // The director that took over checks the servers.
    lab.stop_serving("server1");
    eventually("the dead server is out", || {
        !rules(&lab, "director2").contains("10.2.0.2:8080")
    });
    for _ in 0..4 {
        let answer = answer(&lab.get(&["http://10.1.0.100/"]));
        assert_eq!((&*answer.server, &*answer.peer), ("server2", "10.2.0.100"));
    }
    success(&on(&lab, "director2", &["down"]));
}
