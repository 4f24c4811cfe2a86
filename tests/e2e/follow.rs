// SPDX-License-Identifier: GPL-2.0-only
//! `apply --follow` puts right what others changed, and obeys its file and signals.

pub mod follower;
mod manager;

use std::fs;
use std::io::Write;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::failed_steps::large;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, stderr, success};
use crate::rules::ipvsadm;
use follower::{Folder, Follower};

fn rules(lab: &Lab) -> String {
    lab.exec("director", &["ipvsadm", "-Sn"])
}

/// Nothing is left to do for the file.
fn converged(lab: &Lab, file: &str) -> bool {
    lab.ipvs_bpf(&["plan", "-f", file]).status.success()
}

#[test]
fn changes_by_other_programs_are_reverted_and_sigterm_keeps_everything() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let file = folder.write("lb.toml", FILE);
    let mut follower = Follower::start(&lab, &file, &[]);
    follower.until("[start]");
    eventually("everything is applied", || converged(&lab, &file));
    let right = rules(&lab);
    for change in [
        "-e -t 10.0.0.1:80 -r 10.2.0.2:8080 -m -w 7",
        "-d -t 10.0.0.1:80 -r 10.2.0.3:8080",
        "-D -t 10.0.0.1:5201",
        "-A -t 10.0.0.1:99 -s rr",
    ] {
        ipvsadm(&lab, change);
        let object = change.split(' ').nth(2).unwrap();
        follower.until_line(|line| line.contains(object) && !line.contains("[start]"));
        eventually("it is put right", || rules(&lab) == right);
    }
    follower.signal(Signal::SIGTERM);
    let (status, rest) = follower.end();
    assert!(status.success(), "{status} {rest:?}");
    assert!(rest.iter().any(|line| line.contains("ended by SIGTERM")));
    assert_eq!(rules(&lab), right);
    assert!(converged(&lab, &file));
}

#[test]
fn an_interface_that_comes_late_is_used_when_it_comes() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let late = FILE.replace(r#"["eth0", "eth1"]"#, r#"["eth0", "eth1", "eth7"]"#);
    let file = folder.write("lb.toml", &late);
    let mut follower = Follower::start(&lab, &file, &[]);
    follower.until("waiting for interface `eth7`");
    assert_eq!(
        lab.ipvs_bpf(&["plan", "-f", &file]).status.code(),
        Some(0),
        "everything else is done"
    );
    for _ in 0..2 {
        lab.exec("director", &["ip", "link", "add", "eth7", "type", "dummy"]);
        follower.until("+ interface eth7");
        follower.until("all interfaces of the file exist");
        lab.exec("director", &["ip", "link", "delete", "eth7"]);
        follower.until("waiting for interface `eth7`");
    }
}

#[test]
fn an_address_that_goes_is_noticed() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let file = folder.write("lb.toml", FILE);
    let mut follower = Follower::start(&lab, &file, &[]);
    follower.until("[start]");
    let delete = ["ip", "address", "delete", "10.0.0.1/32", "dev", "lo"];
    lab.exec("director", &delete);
    follower.until("the VIP 10.0.0.1 is not configured on this host");
}

#[test]
fn a_file_that_changes_is_applied_and_one_with_mistakes_changes_nothing() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let file = folder.write("lb.toml", FILE);
    let mut follower = Follower::start(&lab, &file, &[]);
    follower.until("[start]");

    // Written in place, and replaced as editors do it.
    folder.write("lb.toml", &FILE.replacen("\"rr\"", "\"wrr\"", 1));
    follower.until("follows");
    follower.until("rr → wrr");
    folder.write("new", &FILE.replacen("\"rr\"", "\"lc\"", 1));
    fs::rename(folder.path("new"), &file).unwrap();
    follower.until("wrr → lc");
    eventually("it is applied", || converged(&lab, &file));
    let right = rules(&lab);

    folder.write("lb.toml", &FILE.replacen("scheduler", "schedular", 1));
    follower.until("unknown key `schedular`");
    follower.until("nothing was changed; the previous version stays in force");
    assert_eq!(rules(&lab), right);
    ipvsadm(&lab, "-D -t 10.0.0.1:5201");
    follower.until("+ tcp://10.0.0.1:5201");
    eventually("the previous version is followed", || rules(&lab) == right);
    fs::remove_file(&file).unwrap();
    follower.until("there is no such file");
    assert_eq!(rules(&lab), right);

    folder.write("lb.toml", FILE);
    follower.until("follows");
    follower.until("lc → rr");
    // A mistake is reported once; an unchanged file is not reported.
    let said = follower.seen("unknown key");
    assert_eq!(said, 1);
    follower.signal(Signal::SIGHUP);
    follower.until("follows");
    follower.signal(Signal::SIGINT);
    let (status, rest) = follower.end();
    assert!(status.success());
    assert!(rest.iter().any(|line| line.contains("ended by SIGINT")));
}

/// The part of the file that is there so far is valid, and has no services.
#[test]
fn a_file_that_is_half_written_is_not_applied() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let file = folder.write("lb.toml", FILE);
    let mut follower = Follower::start(&lab, &file, &[]);
    follower.until("[start]");
    eventually("everything is applied", || converged(&lab, &file));
    let right = rules(&lab);
    let (head, tail) = FILE.split_at(FILE.find("[[service]]").unwrap());
    let tail = tail.replacen("\"rr\"", "\"wrr\"", 1);
    // In place, and created.
    for removed in [false, true] {
        let followed = follower.seen("follows");
        if removed {
            fs::remove_file(&file).unwrap();
        }
        let mut writer = fs::File::create(&file).unwrap();
        writer.write_all(head.as_bytes()).unwrap();
        for number in 0..14 {
            // Events about other files, and comparisons.
            folder.write("other", &number.to_string());
            thread::sleep(Duration::from_millis(500));
            writer.write_all(b"#\n").unwrap();
            assert_eq!(rules(&lab), right);
        }
        assert_eq!(follower.seen("follows"), followed);
        writer.write_all(tail.as_bytes()).unwrap();
        drop(writer);
        follower.until("follows");
        follower.until("rr → wrr");
        folder.write("lb.toml", FILE);
        follower.until("wrr → rr");
        eventually("everything is as before", || rules(&lab) == right);
    }
}

/// There is no event about a file that stays open.
#[test]
fn a_change_without_an_event_is_applied_when_the_file_stays_the_same() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let file = folder.write("lb.toml", FILE);
    let mut follower = Follower::start(&lab, &file, &[]);
    follower.until("[start]");
    let mut writer = fs::OpenOptions::new().write(true).open(&file).unwrap();
    let text = FILE.replacen("\"rr\"", "\"lc\"", 1);
    writer.write_all(text.as_bytes()).unwrap();
    follower.until("rr → lc");
}

/// Containers may use up what a user may have.
#[test]
fn a_host_without_inotify_instances_is_followed_by_comparisons() {
    const MOST: &str = "/proc/sys/fs/inotify/max_user_instances";
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let file = folder.write("lb.toml", FILE);
    let before = fs::read_to_string(MOST).unwrap();
    fs::write(MOST, "0").unwrap();
    let mut follower = Follower::start(&lab, &file, &[]);
    follower.until("raise `sysctl fs.inotify.max_user_instances`");
    fs::write(MOST, before).unwrap();
    eventually("everything is applied", || converged(&lab, &file));
    folder.write("lb.toml", &FILE.replacen("\"rr\"", "\"wrr\"", 1));
    follower.until("[file]");
    eventually("the new file is applied", || converged(&lab, &file));
}

#[test]
fn a_link_to_a_file_is_followed_to_another_one() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    for (version, scheduler) in [("1", "rr"), ("2", "wrr")] {
        fs::create_dir(folder.path(version)).unwrap();
        let text = FILE.replacen("\"rr\"", &format!("{scheduler:?}"), 1);
        folder.write(&format!("{version}/lb.toml"), &text);
    }
    std::os::unix::fs::symlink("1", folder.path("now")).unwrap();
    std::os::unix::fs::symlink("now/lb.toml", folder.path("lb.toml")).unwrap();
    let mut follower = Follower::start(&lab, &folder.path("lb.toml"), &[]);
    follower.until("[start]");
    std::os::unix::fs::symlink("2", folder.path("next")).unwrap();
    fs::rename(folder.path("next"), folder.path("now")).unwrap();
    follower.until("rr → wrr");
}

#[test]
fn included_files_come_change_and_go() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    fs::create_dir(folder.path("conf.d")).unwrap();
    let file = folder.write("lb.toml", &format!("include = \"conf.d/*.toml\"\n{FILE}"));
    let mut follower = Follower::start(&lab, &file, &[]);
    follower.until("[start]");
    let more = "[[service]]\naddress = \"tcp://10.0.0.1:81\"\nscheduler = \"rr\"\n";
    folder.write("conf.d/more.toml", more);
    follower.until("+ tcp://10.0.0.1:81");
    folder.write("conf.d/more.toml", &more.replace("rr", "lc"));
    follower.until("rr → lc");
    folder.write("conf.d/more.toml", "[director]\n");
    follower.until("an included file cannot have `[director]`");
    follower.until("more.toml:1:1");
    fs::remove_file(folder.path("conf.d/more.toml")).unwrap();
    follower.until("- tcp://10.0.0.1:81");
    eventually("the rest is as it was", || converged(&lab, &file));
}

#[test]
fn a_failure_is_reported_once_and_tried_again() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let wrong = FILE.replacen("\"rr\"", "\"nosuch\"", 1);
    let file = folder.write("lb.toml", &wrong);
    let mut follower = Follower::start(&lab, &file, &[]);
    follower.until("the plan cannot be carried out; nothing was changed");
    let time = || follower::metric(&lab, "last_apply_timestamp_seconds");
    for _ in 0..2 {
        let before = time();
        eventually("it is tried again", || time() != before);
    }
    assert_eq!(follower::metric(&lab, "last_apply_success"), Some(0));
    assert!(follower::metric(&lab, "planned_changes").unwrap() > 0);
    assert_eq!(follower.seen("cannot be carried out"), 1);
    folder.write("lb.toml", FILE);
    follower.until("the kernel matches the file again");
    eventually("metrics say so", || {
        follower::metric(&lab, "last_apply_success") == Some(1)
    });
    assert_eq!(follower::metric(&lab, "planned_changes"), Some(0));
}

/// Another program undoes each change at once.
#[test]
fn changes_that_cannot_be_reverted_are_counted() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let file = folder.write("lb.toml", &format!("{FILE}\n[sysctl]\nsloppy_tcp = 1\n"));
    let mut follower = Follower::start(&lab, &file, &[]);
    follower.until("[start]");
    eventually("everything is applied", || converged(&lab, &file));
    let script = "while echo 0 >/proc/sys/net/ipv4/vs/sloppy_tcp; do :; done";
    let mut other = lab.command("director", &["sh", "-c", script]);
    let mut other = other.spawn().unwrap();
    follower.until("the kernel differs from the file although every step succeeded");
    let planned = || follower::metric(&lab, "planned_changes");
    eventually("it is counted", || planned() == Some(1));
    other.kill().unwrap();
    other.wait().unwrap();
    follower.until("the kernel matches the file again");
    eventually("nothing is left", || planned() == Some(0));
}

#[test]
fn a_signal_between_two_steps_ends_it_as_at_any_other_time() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let file = folder.write("lb.toml", &large(1500));
    let mut follower = Follower::start(&lab, &file, &["--verbose"]);
    for _ in 0..100 {
        follower.until_line(|line| line.starts_with("+ "));
    }
    follower.signal(Signal::SIGTERM);
    let (status, rest) = follower.end();
    assert!(status.success(), "{status}");
    assert!(rest.iter().any(|line| line.contains("ended by SIGTERM")));
    assert!(!converged(&lab, &file), "it ended before the last step");
}

#[test]
fn metrics_have_a_follower_that_runs_and_no_other() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let file = folder.write("lb.toml", FILE);
    assert_eq!(follower::metric(&lab, "file_valid"), None);
    let mut follower = Follower::start(&lab, &file, &[]);
    follower.until("[start]");
    eventually("it tells", || {
        follower::metric(&lab, "last_apply_success") == Some(1)
    });
    assert_eq!(follower::metric(&lab, "file_valid"), Some(1));
    folder.write("lb.toml", "nonsense");
    eventually("the file is wrong", || {
        follower::metric(&lab, "file_valid") == Some(0)
    });
    let documented = fs::read_to_string("docs/guides/follow.md").unwrap();
    let text = success(&lab.ipvs_bpf(&["metrics"]));
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split('{').next())
        .filter(|name| name.starts_with("ipvs_bpf_follow_"))
        .collect();
    assert_eq!(names.len(), 4);
    for name in names {
        assert!(documented.contains(&format!("`{name}`")), "{name}");
    }
    follower.signal(Signal::SIGKILL);
    follower.end();
    assert_eq!(follower::metric(&lab, "file_valid"), None);
}

#[test]
fn two_followers_and_standard_input_are_refused() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let file = folder.write("lb.toml", FILE);
    let mut follower = Follower::start(&lab, &file, &[]);
    follower.until("[start]");
    eventually("it tells which file", || {
        let second = lab.ipvs_bpf(&["apply", "--follow", "-f", &file]);
        assert_eq!(second.status.code(), Some(1));
        stderr(&second).contains(&format!("another `apply --follow` follows {file}"))
    });
    let stdin = lab.with_file(&["apply", "--follow"], FILE);
    assert_eq!(stdin.status.code(), Some(1));
    assert!(stderr(&stdin).contains("standard input cannot be read again"));
    let wrong = folder.write("wrong.toml", "nonsense");
    assert!(follower.end_by(Signal::SIGTERM).success());
    let at_start = lab.ipvs_bpf(&["apply", "--follow", "-f", &wrong]);
    assert_eq!(at_start.status.code(), Some(1));
}

#[test]
fn events_are_json_one_in_a_line() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let file = folder.write("lb.toml", FILE);
    let mut follower = Follower::start(&lab, &file, &["--json"]);
    let event = |line: String| serde_json::from_str::<Value>(&line).unwrap();
    let first = event(follower.until("\"file\""));
    assert_eq!(first["event"], "file");
    assert_eq!(first["file"], file);
    assert_eq!(first["services"], 3);
    let change = event(follower.until("\"change\""));
    assert_eq!(change["cause"], "start");
    assert_eq!(change["step"]["op"], "add");
    let applied = event(follower.until("\"applied\""));
    assert!(applied["done"].as_u64().unwrap() > 3);
    ipvsadm(&lab, "-D -t 10.0.0.1:5201");
    let change = event(follower.until("\"change\""));
    assert_eq!(change["cause"], "drift");
    assert_eq!(change["step"]["service"], "tcp://10.0.0.1:5201");
    folder.write("lb.toml", "nonsense = 1\n");
    let wrong = event(follower.until("\"file_wrong\""));
    assert_eq!(wrong["mistakes"][0]["line"], 1);
    follower.signal(Signal::SIGTERM);
    let (status, rest) = follower.end();
    assert!(status.success());
    let ended = rest
        .into_iter()
        .map(event)
        .find(|it| it["event"] == "ended");
    assert_eq!(ended.unwrap()["signal"], "SIGTERM");
}
