// SPDX-License-Identifier: GPL-2.0-only
//! Starting and stopping: which parts are loaded, and that nothing is left behind.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

use crate::attached::kernel_has_tcx;
use crate::full_nat::FILE;
use crate::lab::{Lab, ipvs_bpf, module_is_loaded, run, success};

#[test]
fn down_leaves_no_module_filter_qdisc_pin_or_proc_file() {
    let lab = Lab::alone();
    lab.apply(FILE);
    lab.get(&["http://10.0.0.1/"]);
    assert!(module_is_loaded());
    assert!(Path::new("/sys/fs/bpf/ipvs-bpf").exists());
    let qdiscs = || lab.exec("director", &["tc", "qdisc", "show"]);
    assert_eq!(qdiscs().contains("clsact"), !kernel_has_tcx());

    let text = success(&lab.ipvs_bpf(&["down"]));
    assert!(
        text.contains("tcp://10.0.0.1:80") && text.contains("sessions"),
        "{text}"
    );
    assert!(!module_is_loaded());
    assert!(!Path::new("/sys/fs/bpf/ipvs-bpf").exists());
    assert!(!qdiscs().contains("clsact"), "{}", qdiscs());
    assert_eq!(lab.exec("director", &["ipvsadm", "-Sn"]), "");
    let proc = lab.try_exec("director", &["ls", "/proc/net/ip_vs_bpf"]);
    assert!(!proc.status.success());
    // Having nothing to remove is not an error.
    assert_eq!(success(&lab.ipvs_bpf(&["down"])), "");
}

#[test]
fn down_leaves_other_filters_and_qdiscs_alone() {
    let lab = Lab::new();
    lab.exec("director", &["tc", "qdisc", "add", "dev", "eth0", "clsact"]);
    // Placed after ours: the verdict of a filter that runs first is final.
    let filter = "tc qdisc show dev eth1 | grep -q clsact || tc qdisc add dev eth1 clsact\n\
                  tc filter add dev eth1 ingress prio 60000 protocol all matchall action ok";
    lab.apply(FILE);
    lab.exec("director", &["sh", "-ec", filter]);
    lab.get(&["http://10.0.0.1/"]);
    success(&lab.ipvs_bpf(&["down"]));
    let qdiscs = lab.exec("director", &["tc", "qdisc", "show", "dev", "eth0"]);
    assert!(
        qdiscs.contains("clsact"),
        "eth0's was there before us: {qdiscs}"
    );
    let filters = lab.exec(
        "director",
        &["tc", "filter", "show", "dev", "eth1", "ingress"],
    );
    assert!(
        filters.contains("matchall") && !filters.contains("ipvs_ingress"),
        "{filters}"
    );
}

#[test]
fn a_namespace_that_ends_while_sessions_live_takes_them_along() {
    let lab = Lab::alone();
    lab.apply(FILE);
    lab.get(&["http://10.0.0.1/"]);
    lab.udp("10.0.0.1", 7, "hello");
    run(Command::new("ip").args(["netns", "del", &lab.namespace("director")]));
    // Namespaces are removed in the background. Nothing else uses the module, so it can
    // be unloaded as soon as the last session has ended.
    crate::lab::eventually("the module can be unloaded", || {
        Command::new("rmmod")
            .arg("ip_vs_bpf")
            .output()
            .unwrap()
            .status
            .success()
    });
    // The end of the test needs this namespace. The next run finds the pins of the old
    // one.
    run(Command::new("ip").args(["netns", "add", &lab.namespace("director")]));
    assert!(Path::new("/sys/fs/bpf/ipvs-bpf").exists());
    success(&lab.ipvs_bpf(&["down"]));
    assert!(!Path::new("/sys/fs/bpf/ipvs-bpf").exists());
}

#[test]
fn the_pins_of_a_namespace_that_the_tool_may_not_see_are_spared() {
    let lab = Lab::new();
    lab.apply(FILE);
    // Another network namespace, which only a process keeps.
    let mut process = Command::new("unshare")
        .args(["--net", "sh", "-ec"])
        .arg("ip link set lo up; ip link add eth0 type veth peer name eth1; read line")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let namespace = format!("/proc/{}/ns/net", process.id());
    let own = fs::metadata("/proc/self/ns/net").unwrap().ino();
    crate::lab::eventually("it has a namespace", || {
        fs::metadata(&namespace).is_ok_and(|it| it.ino() != own)
    });
    let pins = fs::metadata(&namespace).unwrap().ino();
    let pins = format!("/sys/fs/bpf/ipvs-bpf/{pins}");
    fs::create_dir(&pins).unwrap();
    // Without CAP_SYS_PTRACE its namespace cannot be read. Removing pins sweeps.
    let mut down = Command::new("setpriv");
    down.args(["--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]);
    down.arg(ipvs_bpf().get_program());
    down.args(["--netns", &lab.namespace("director"), "down"]);
    run(&mut down);
    assert!(Path::new(&pins).exists(), "without CAP_SYS_PTRACE");
    lab.apply(FILE);
    success(&lab.ipvs_bpf(&["down"]));
    assert!(Path::new(&pins).exists(), "with CAP_SYS_PTRACE");
    process.kill().unwrap();
    process.wait().unwrap();
    lab.apply(FILE);
    success(&lab.ipvs_bpf(&["down"]));
    assert!(!Path::new(&pins).exists());
}

/// As where `kernel.modules_disabled` is 1, which no test can take back.
#[test]
fn down_leaves_a_module_that_the_kernel_does_not_unload() {
    let lab = Lab::alone();
    lab.apply(FILE);
    let one = std::env::temp_dir().join(lab.namespace("one"));
    fs::write(&one, "1\n").unwrap();
    let script = format!(
        "mount --bind {} /proc/sys/kernel/modules_disabled
         exec setpriv --bounding-set=-sys_module --inh-caps=-sys_module {} --netns {} down",
        one.display(),
        ipvs_bpf().get_program().display(),
        lab.namespace("director"),
    );
    let said = run(Command::new("unshare").args(["--mount", "sh", "-ec", &script]));
    assert!(said.contains("kernel.modules_disabled is 1"), "{said}");
    assert!(module_is_loaded());
    assert!(!Path::new("/sys/fs/bpf/ipvs-bpf").exists());
    success(&lab.ipvs_bpf(&["down"]));
    assert!(!module_is_loaded());
    fs::remove_file(one).unwrap();
}

/// Runs `apply` in a namespace of its own, which only the returned file keeps alive.
fn apply_in_a_hidden_namespace() -> File {
    let begin = || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let set_up = "ip link set lo up\n\
                      ip link add eth0 type veth peer name eth1\n\
                      ip link set eth1 up\n\
                      ip address add 10.2.0.1/24 dev eth1";
        run(Command::new("sh").args(["-ec", set_up]));
        let file = std::env::temp_dir().join("hidden.toml");
        fs::write(&file, FILE).unwrap();
        run(ipvs_bpf().args(["apply", "-f"]).arg(&file));
        fs::remove_file(file).unwrap();
        File::open("/proc/thread-self/ns/net").unwrap()
    };
    thread::spawn(begin).join().unwrap()
}

#[test]
fn the_pins_of_a_namespace_that_only_an_open_file_keeps_are_spared() {
    let lab = Lab::new();
    let namespace = apply_in_a_hidden_namespace();
    let inode = namespace.metadata().unwrap().ino();
    let pins = format!("/sys/fs/bpf/ipvs-bpf/{inode}");
    assert!(Path::new(&pins).exists());
    lab.apply(FILE);
    assert!(Path::new(&pins).exists());
    let down = move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        run(ipvs_bpf().arg("down"));
    };
    thread::spawn(down).join().unwrap();
    assert!(!Path::new(&pins).exists());
}

#[test]
fn two_directors_in_one_kernel_do_not_mix() {
    let one = Lab::new();
    let two = Lab::next_to(&one);
    one.apply(FILE);
    two.apply(FILE);
    one.get(&["http://10.0.0.1/"]);
    assert_eq!((one.sessions().len(), two.sessions().len()), (1, 0));
    success(&one.ipvs_bpf(&["down"]));
    two.get(&["http://10.0.0.1/"]);
    assert_eq!(two.sessions().len(), 1);
}

/// A director that has no service yet.
const PREPARED: &str = r#"
service = []
[director]
interfaces = ["eth0", "eth1"]
[local_ips.default]
addresses = ["10.2.0.100"]
"#;

#[test]
fn down_spares_a_director_that_has_no_service_yet() {
    let one = Lab::alone();
    let two = Lab::next_to(&one);
    two.apply(PREPARED);
    one.apply(FILE);
    success(&one.ipvs_bpf(&["down"]));
    success(&two.with_file(&["plan"], PREPARED));
    // Without the fast path, its local IPs still need the module.
    let without = PREPARED.replace("interfaces", "# interfaces");
    two.apply(&without);
    success(&two.with_file(&["plan"], &without));
    success(&two.ipvs_bpf(&["down"]));
    assert!(!module_is_loaded());
}

#[test]
fn two_directors_with_different_files_serve_at_once() {
    let one = Lab::new();
    let two = Lab::next_to(&one);
    one.apply(FILE);
    two.apply(
        &FILE
            .replace("10.2.0.100", "10.2.0.1")
            .replace("10.0.0.1:7", "10.0.0.9:7"),
    );
    std::thread::scope(|scope| {
        for (lab, vip, peer) in [
            (&one, "10.0.0.1", " 10.2.0.100 "),
            (&two, "10.0.0.9", " 10.2.0.1 "),
        ] {
            scope.spawn(move || {
                for _ in 0..10 {
                    let web = lab.get(&["--local-port", "7000-7100", "http://10.0.0.1/"]);
                    assert!(web.contains(peer), "{web}");
                    let echo = lab.udp(vip, 7, "hello");
                    assert!(echo.contains(peer), "{echo}");
                }
            });
        }
    });
    for lab in [&one, &two] {
        assert_eq!(lab.counter("sessions_created"), 20);
    }
}
