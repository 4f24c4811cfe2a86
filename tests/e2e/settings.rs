// SPDX-License-Identifier: GPL-2.0-only
//! Timeouts, sysctls and sync daemons: only those that the file lists.

use crate::lab::{Lab, stderr, success};

const FILE: &str = r#"
[timeouts]
tcp = "800s"
udp = "200s"

[sysctl]
expire_nodest_conn = 1
sync_threshold = [3, 100]
sync_ports = 2
drop_entry = 1

[sync]
master = { interface = "eth1", id = 9 }

[sync.backup]
interface = "eth1"
id = 9
group = "ff02::81"
port = 8850
ttl = 2
sync_maxlen = 1400
"#;

fn ipvsadm(lab: &Lab, words: &[&str]) -> String {
    lab.exec("director", &[&["ipvsadm"], words].concat())
}

fn sysctl(lab: &Lab, name: &str) -> String {
    let value = lab.exec(
        "director",
        &["cat", &format!("/proc/sys/net/ipv4/vs/{name}")],
    );
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn settings_of_the_file_are_those_that_ipvsadm_and_proc_show() {
    let lab = Lab::new();
    lab.timeouts(["900", "120", "300"]);
    let tcp_fin = "120";
    let text = lab.apply(FILE);
    for line in [
        "~ timeout tcp 900s → 800s",
        "~ timeout udp 300s → 200s",
        "~ sysctl expire_nodest_conn 0 → 1",
        "~ sysctl sync_threshold 3 50 → 3 100",
        "+ sync daemon master at eth1, id 9",
        "+ sync daemon backup at eth1, id 9, group [ff02::81]:8850, ttl 2, sync_maxlen 1400",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let timeouts = ipvsadm(&lab, &["-L", "--timeout"]);
    assert!(
        timeouts.contains(&format!("800 {tcp_fin} 200")),
        "{timeouts}"
    );
    let daemons = ipvsadm(&lab, &["-L", "--daemon"]);
    for line in [
        "master sync daemon (mcast=eth1, syncid=9, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)",
        "backup sync daemon (mcast=eth1, syncid=9, maxlen=1400, group=ff02::81, port=8850, ttl=2)",
    ] {
        assert!(daemons.contains(line), "{line}\n{daemons}");
    }
    assert_eq!(sysctl(&lab, "expire_nodest_conn"), "1");
    assert_eq!(sysctl(&lab, "sync_threshold"), "3 100");
    assert_eq!(sysctl(&lab, "sync_ports"), "2");
    assert_eq!(lab.apply(FILE), "nothing to do\n");
}

#[test]
fn settings_that_the_file_does_not_list_stay() {
    let lab = Lab::new();
    ipvsadm(&lab, &["--set", "1000", "2000", "3000"]);
    ipvsadm(
        &lab,
        &["--start-daemon", "backup", "--mcast-interface", "eth0"],
    );
    let write = "echo 1 > /proc/sys/net/ipv4/vs/sloppy_tcp";
    lab.exec("director", &["sh", "-c", write]);
    lab.apply("[timeouts]\ntcp_fin = \"60s\"\n");
    let timeouts = ipvsadm(&lab, &["-L", "--timeout"]);
    assert!(timeouts.contains("1000 60 3000"), "{timeouts}");
    assert_eq!(sysctl(&lab, "sloppy_tcp"), "1");
    let daemons = ipvsadm(&lab, &["-L", "--daemon"]);
    assert!(daemons.contains("backup sync daemon"), "{daemons}");
    // `[sync]` sets both daemons.
    let text = lab.apply("[sync]\n");
    assert!(
        text.contains("- sync daemon backup at eth0, id 0"),
        "{text}"
    );
    assert_eq!(ipvsadm(&lab, &["-L", "--daemon"]), "");
}

#[test]
fn a_daemon_that_was_changed_by_hand_is_restarted() {
    let lab = Lab::new();
    lab.apply(FILE);
    ipvsadm(&lab, &["--stop-daemon", "master"]);
    let other = "--start-daemon master --mcast-interface eth0 --syncid 9";
    ipvsadm(&lab, &other.split(' ').collect::<Vec<_>>());
    ipvsadm(&lab, &["--set", "700", "0", "0"]);
    let text = lab.apply(FILE);
    for line in [
        "- sync daemon master at eth0, id 9, sync_maxlen 1472",
        "+ sync daemon master at eth1, id 9",
        "~ timeout tcp 700s → 800s",
        "1 to add, 1 to change, 1 to remove",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let daemons = ipvsadm(&lab, &["-L", "--daemon"]);
    assert!(
        daemons.contains("master sync daemon (mcast=eth1"),
        "{daemons}"
    );
}

#[test]
fn a_sync_daemon_and_a_server_of_another_family_take_turns() {
    let lab = Lab::new();
    let mixed = "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n\
                 [[service.server]]\naddress = \"[fd00::2]:80\"\nforward = \"tunnel\"\n";
    let daemon = "[sync]\nmaster = { interface = \"eth1\" }\n";
    let service = mixed.replace("[fd00::2]", "10.2.0.2");
    lab.apply(&format!("sync = {{}}\n{mixed}"));
    lab.apply(&format!("{daemon}{service}"));
    // The daemon that the file does not mention conflicts, and it stays.
    let refused = lab.with_file(&["apply"], mixed);
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8(refused.stdout).unwrap();
    assert!(
        text.contains("! tcp://10.0.0.1:80 → [fd00::2]:80"),
        "{text}"
    );
    lab.apply(&format!("sync = {{}}\n{mixed}"));
    let saved = ipvsadm(&lab, &["-Sn"]);
    assert!(saved.contains("[fd00::2]:80 -i"), "{saved}");
}

#[test]
fn a_sysctl_that_the_kernel_lacks_is_refused_before_anything_is_changed() {
    let lab = Lab::new();
    let file = "[timeouts]\ntcp = \"60s\"\n[sysctl]\nof_a_later_kernel = 1\n";
    let output = lab.with_file(&["apply"], file);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = "! this kernel has no sysctl net.ipv4.vs.of_a_later_kernel";
    assert!(text.contains(line), "{text}");
    let timeouts = ipvsadm(&lab, &["-L", "--timeout"]);
    assert!(timeouts.contains("36000 36000 36000"), "{timeouts}");
}

#[test]
fn a_value_that_the_kernel_refuses_is_named_with_its_file_and_the_reason() {
    let lab = Lab::new();
    // In seconds, which the kernel converts to ticks.
    let file = "[sysctl]\nexpire_nodest_conn = 1\nsync_refresh_period = 2147483647\n";
    let output = lab.with_file(&["apply"], file);
    assert_eq!(output.status.code(), Some(4));
    let message = stderr(&output);
    for words in [
        "cannot write \"2147483647\" to /proc/sys/net/ipv4/vs/sync_refresh_period: \
         the kernel does not take this value",
        "carried out: 1 of 2 steps",
        "~ sysctl sync_refresh_period 0 → 2147483647",
    ] {
        assert!(message.contains(words), "{words}\n{message}");
    }
    assert_eq!(sysctl(&lab, "expire_nodest_conn"), "1");
    assert_eq!(sysctl(&lab, "sync_refresh_period"), "0");
}

#[test]
fn a_daemon_at_an_interface_that_is_down_is_told_why() {
    let lab = Lab::new();
    lab.exec("director", &["ip", "link", "add", "sync0", "type", "dummy"]);
    let file = "[sync]\nmaster = { interface = \"sync0\" }\n";
    let output = lab.with_file(&["apply"], file);
    assert_eq!(output.status.code(), Some(4));
    let message = stderr(&output);
    for words in [
        "cannot start the master synchronisation daemon at sync0",
        "the interface is down",
        "not carried out: 1",
    ] {
        assert!(message.contains(words), "{words}\n{message}");
    }
    lab.exec("director", &["ip", "link", "set", "sync0", "up"]);
    lab.apply(file);
    assert!(ipvsadm(&lab, &["-L", "--daemon"]).contains("mcast=sync0"));
    let gone = lab.with_file(&["apply"], &file.replace("sync0", "sync1"));
    assert_eq!(gone.status.code(), Some(3), "{gone:?}");
    assert!(stderr(&gone).contains("no interface `sync1`"));
    assert_eq!(ipvsadm(&lab, &["-L", "--daemon"]), "");
    success(&lab.with_file(&["apply"], "sync = {}\n"));
}
