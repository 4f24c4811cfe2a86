// SPDX-License-Identifier: GPL-2.0-only
//! `save`, `export` and `import` of a kernel's state, together with the real `ipvsadm`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use ipvs_bpf::ipvsadm::export;
use ipvs_bpf::model::State;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::everything::FILE as EVERYTHING;
use crate::full_nat::FILE as FULL_NAT;
use crate::lab::{Lab, ipvs_bpf, stderr, success};

#[path = "../formats/states.rs"]
mod states;

/// Settings of the whole namespace.
const SETTINGS: &str = r#"
[timeouts]
tcp = "800s"

[sysctl]
expire_nodest_conn = 1
sync_threshold = [3, 100]

[sync]
master = { interface = "eth1", id = 9 }
backup = { interface = "eth1", id = 9, group = "ff02::81", port = 8850, ttl = 2, sync_maxlen = 1400 }
"#;

fn file(lab: &Lab, name: &str) -> PathBuf {
    let name = format!("{}{name}", lab.namespace(""));
    std::env::temp_dir().join(name)
}

fn rules(lab: &Lab) -> String {
    lab.exec("director", &["ipvsadm", "-Sn"])
}

fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().map(str::trim).collect()
}

/// Restores the text with `ipvsadm -R` into an empty IPVS.
fn restore(lab: &Lab, text: &str) {
    let path = file(lab, "restored");
    fs::write(&path, text).unwrap();
    let script = format!("ipvsadm -C && ipvsadm -R < {}", path.display());
    lab.exec("director", &["sh", "-ec", &script]);
}

/// The file that `import` makes from the text.
fn import(lab: &Lab, text: &str) -> String {
    let path = file(lab, "imported");
    fs::write(&path, text).unwrap();
    success(&ipvs_bpf().arg("import").arg(&path).output().unwrap())
}

#[test]
fn apply_of_what_save_writes_finds_nothing_to_do() {
    let lab = Lab::new();
    for wanted in [EVERYTHING.to_owned(), format!("{FULL_NAT}{SETTINGS}")] {
        lab.apply(&wanted);
        let saved = success(&lab.ipvs_bpf(&["save"]));
        assert_eq!(lab.apply(&saved), "nothing to do\n", "{saved}");
        assert_eq!(success(&lab.ipvs_bpf(&["save"])), saved);

        // Applied to an empty IPVS, it makes the same state.
        let before = rules(&lab);
        success(&lab.ipvs_bpf(&["down"]));
        assert_eq!(rules(&lab), "");
        lab.apply(&saved);
        assert_eq!(lines(&rules(&lab)), lines(&before));
        assert_eq!(success(&lab.ipvs_bpf(&["save"])), saved);
        assert_eq!(lab.apply(&wanted), "nothing to do\n", "{saved}");
    }
}

#[test]
fn save_of_nothing_is_a_file_that_asks_for_nothing() {
    let lab = Lab::new();
    let saved = success(&lab.ipvs_bpf(&["save"]));
    assert_eq!(lab.apply(&saved), "nothing to do\n", "{saved}");
}

#[test]
fn save_replaces_a_file_only_when_it_is_told_to() {
    let lab = Lab::new();
    lab.apply(FULL_NAT);
    let path = file(&lab, "lb.toml");
    let name = path.to_str().unwrap();
    let first = lab.ipvs_bpf(&["save", "-o", name]);
    assert_eq!(success(&first), "");
    assert!(
        stderr(&first).starts_with(&format!("wrote {name} (")),
        "{}",
        stderr(&first)
    );
    let saved = fs::read_to_string(&path).unwrap();
    assert_eq!(saved, success(&lab.ipvs_bpf(&["save"])));

    fs::write(&path, "precious").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = lab.ipvs_bpf(&["save", "-o", name]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("--force"), "{}", stderr(&refused));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    success(&lab.ipvs_bpf(&["save", "--force", "-o", name]));
    assert_eq!(fs::read_to_string(&path).unwrap(), saved);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let folder = fs::read_dir(path.parent().unwrap()).unwrap();
    let left = folder.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().starts_with(".ipvs-bpf-")
    });
    assert_eq!(left.count(), 0);
}

/// Without ipvsadm, a kernel accepts states that no file can describe.
#[test]
fn a_state_that_no_file_can_describe_is_saved_as_a_comment_and_reported() {
    let lab = Lab::new();
    let add = "ipvsadm -A -t 0.0.0.0:80 -s rr; ipvsadm -A -t 10.0.0.1:80 -s rr";
    lab.exec("director", &["sh", "-ec", add]);
    let saved = lab.ipvs_bpf(&["save"]);
    assert_eq!(saved.status.code(), Some(1));
    assert!(
        stderr(&saved).contains("tcp://0.0.0.0:80: "),
        "{}",
        stderr(&saved)
    );
    let text = String::from_utf8(saved.stdout).unwrap();
    let plan = lab.with_file(&["plan"], &text);
    let plan = String::from_utf8(plan.stdout).unwrap();
    assert!(plan.contains("- tcp://0.0.0.0:80"), "{plan}\n{text}");
    assert!(
        plan.ends_with("0 to add, 0 to change, 1 to remove\n"),
        "{plan}"
    );
}

#[test]
fn ipvsadm_restores_what_export_prints() {
    let lab = Lab::new();
    // 65535 is the largest weight that ipvsadm 1.31 accepts.
    let wanted = EVERYTHING
        .replace("weight = 2147483647", "weight = 65535")
        .replace("weight = 65536", "weight = 65534");
    lab.apply(&wanted);
    let before = rules(&lab);
    let exported = lab.ipvs_bpf(&["export"]);
    assert_eq!(stderr(&exported), "");
    restore(&lab, &success(&exported));
    assert_eq!(rules(&lab), before);
    // The thresholds are restored too, although `ipvsadm -S` does not list them.
    assert_eq!(lab.apply(&wanted), "nothing to do\n");
}

#[test]
fn settings_are_exported_to_ipvsadm_and_the_rest_is_reported() {
    let lab = Lab::new();
    lab.apply(&format!("{FULL_NAT}{SETTINGS}"));
    let exported = lab.ipvs_bpf(&["export"]);
    for lost in [
        "the sysctl net.ipv4.vs.expire_nodest_conn = 1",
        "the sysctl net.ipv4.vs.sync_threshold = 3 100",
        "the interfaces of full NAT (eth0, eth1)",
        "the pool of local IPs \"default\"",
        "full NAT of tcp://10.0.0.1:80",
    ] {
        let told = stderr(&exported);
        assert!(told.contains(lost), "{lost}\n{told}");
    }
    let text = success(&exported);
    let before = rules(&lab);
    success(&lab.ipvs_bpf(&["down"]));
    for daemon in ["master", "backup"] {
        // `down` does not stop the daemons.
        lab.try_exec("director", &["ipvsadm", "--stop-daemon", daemon]);
    }
    lab.exec("director", &["ipvsadm", "--set", "900", "120", "300"]);
    restore(&lab, &text);
    assert_eq!(lines(&rules(&lab)), lines(&before));
    let again = success(&lab.ipvs_bpf(&["export"]));
    assert_eq!(again, text);

    // With comments, the text is for `ipvsadm-restore`, which removes them.
    let commented = success(&lab.ipvs_bpf(&["export", "--comments"]));
    let bare: String = text
        .lines()
        .filter(|line| !line.starts_with("--start"))
        .collect();
    assert!(bare.starts_with("--set"), "{bare}");
    assert!(
        commented.contains("# not in these lines: the sysctl"),
        "{commented}"
    );
    lab.exec("director", &["ipvsadm", "--stop-daemon", "master"]);
    lab.exec("director", &["ipvsadm", "--stop-daemon", "backup"]);
    let path = file(&lab, "commented");
    fs::write(&path, commented).unwrap();
    let script = format!("ipvsadm-restore < {}", path.display());
    lab.exec("director", &["sh", "-ec", &script]);
    assert_eq!(lines(&rules(&lab)), lines(&before));
}

/// This is why `export` prints no comments by default.
#[test]
fn ipvsadm_takes_no_comments_itself() {
    let lab = Lab::new();
    let script = "printf '# a comment\\n-A -t 10.0.0.1:80 -s rr\\n' | ipvsadm -R";
    let output = lab.try_exec("director", &["sh", "-c", script]);
    assert!(!output.status.success());
    assert_eq!(rules(&lab), "");
}

/// A state with many services of every kind. It is the same in every run.
fn many() -> State {
    let strategy = states::native(&["rr", "wrr", "lc", "sh", "mh", "sed", "fo"], &["sip"]);
    let mut runner = TestRunner::deterministic();
    let mut state = State::default();
    while state.services.len() < 60 {
        let more = strategy.new_tree(&mut runner).unwrap().current();
        state.services.extend(more.services);
    }
    state
}

#[test]
fn random_states_go_through_ipvsadm_and_back_unchanged() {
    let lab = Lab::new();
    let state = many();
    let exported = export(&state);
    assert_eq!(exported.lost, [] as [String; 0]);
    restore(&lab, &exported.text);
    let before = rules(&lab);
    assert!(before.lines().count() > 60, "{before}");
    let running = success(&lab.ipvs_bpf(&["save"]));

    // ipvsadm's own text has everything except thresholds and mh's third flag.
    let imported = import(&lab, &before);
    lab.exec("director", &["ipvsadm", "-C"]);
    lab.apply(&imported);
    let after = rules(&lab);
    assert_eq!(lines(&after), lines(&before));

    // Our text has everything.
    let imported = import(&lab, &exported.text);
    lab.apply(&imported);
    assert_eq!(lines(&rules(&lab)), lines(&before));
    assert_eq!(success(&lab.ipvs_bpf(&["save"])), running);
    let exported_again = success(&lab.ipvs_bpf(&["export"]));
    let services: Vec<&str> = exported_again
        .lines()
        .filter(|line| !line.starts_with("--set"))
        .collect();
    assert_eq!(services, exported.text.lines().collect::<Vec<_>>());
}

#[test]
fn names_that_ipvsadm_prints_without_n_are_read_where_the_host_knows_them() {
    let lab = Lab::new();
    lab.apply("[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n");
    // Without a name server the address stays numeric.
    let text = lab.exec("director", &["ipvsadm", "-S"]);
    assert!(text.contains(":http"), "{text}");
    let imported = import(&lab, &text);
    assert_eq!(lab.apply(&imported), "nothing to do\n", "{imported}");
}

#[test]
fn import_needs_no_root_and_no_kernel_with_ipvs() {
    let program = fs::File::open(ipvs_bpf().get_program()).unwrap();
    let output = Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "/proc/self/fd/0",
        ])
        .args(["import", "tests/formats/saved_by_ipvsadm.rules"])
        .stdin(program)
        .output()
        .unwrap();
    let expected = fs::read_to_string("tests/formats/saved_by_ipvsadm.toml").unwrap();
    assert_eq!(success(&output), expected);
}
