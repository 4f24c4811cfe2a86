// SPDX-License-Identifier: GPL-2.0-only
//! The real program with broken files, streams and users. It must print one clear line,
//! exit with the right status, and never panic.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/lb.toml");
const BAD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/config/many_mistakes_at_once.toml"
);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipvs-bpf"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    text(program(arguments).output().unwrap())
}

fn text(output: Output) -> (Option<i32>, String, String) {
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stdout, stderr)
}

fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

/// `TRYCMD=overwrite` writes the current output to the files.
#[test]
fn help_usage_and_mistakes_of_arguments_are_printed_as_in_the_files() {
    trycmd::TestCases::new()
        .env("COLUMNS", "100")
        .case("tests/cli/*.trycmd");
}

#[test]
fn every_command_has_its_help_in_a_file() {
    let (_, help, _) = run(&["--help"]);
    let commands = help.split("Commands:\n").nth(1).unwrap();
    let names = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help");
    let mut count = 0;
    for name in names {
        let path = format!("{}/tests/cli/{name}.trycmd", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&path).expect(&path);
        assert!(
            text.contains(&format!("$ ipvs-bpf {name} --help")),
            "{path}"
        );
        count += 1;
    }
    assert!(count >= 11, "{help}");
}

#[test]
fn arguments_that_are_not_utf_8_get_an_error_of_usage() {
    let latin1 = OsStr::from_bytes(b"tcp://caf\xe9:80");
    for arguments in [
        &[latin1][..],
        &[OsStr::new("zero"), latin1],
        &[OsStr::new("drain"), latin1, latin1],
        &[OsStr::new("--netns"), latin1, OsStr::new("show")],
    ] {
        let (code, stdout, stderr) = text(program(&[]).args(arguments).output().unwrap());
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(stderr.starts_with("error: "), "{stderr}");
    }
    // A file name can have any bytes.
    let (code, _, stderr) = text(program(&["validate", "-f"]).arg(latin1).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(stderr.contains("no such file"), "{stderr}");
}

#[test]
fn a_network_namespace_that_is_not_there_is_named() {
    // Root of a user namespace has enough rights to get this message.
    for name in ["nowhere", "", "../x"] {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", env!("CARGO_BIN_EXE_ipvs-bpf")])
            .args(["--netns", name, "show"]);
        let (code, stdout, stderr) = text(command.output().unwrap());
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        let words = format!("no network namespace \"{name}\"");
        assert!(stderr.contains(&words), "{stderr}");
        assert!(stderr.contains("ip netns list"), "{stderr}");
    }
}

#[test]
fn a_full_disk_is_an_error_and_not_a_panic() {
    for arguments in [
        &["man"][..],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["completions", "fish"],
        &["validate", "-f", EXAMPLE],
    ] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let (code, _, stderr) = text(program(arguments).stdout(full).output().unwrap());
        assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains("No space left on device"), "{stderr}");
    }
}

#[test]
fn a_good_file_is_valid() {
    let (code, stdout, stderr) = run(&["validate", "-f", EXAMPLE]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.ends_with("no mistakes\n"), "{stdout}");
    let (code, stdout, _) = run(&["validate", "--json", "-f", EXAMPLE]);
    assert_eq!(code, Some(0));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        report,
        serde_json::json!({ "mistakes": [], "more": 0, "warnings": [] })
    );
}

#[test]
fn a_warning_is_printed_and_changes_no_exit_status() {
    let path = file(
        "no_server.toml",
        b"[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n",
    );
    let path = path.to_str().unwrap();
    let (code, stdout, stderr) = run(&["validate", "-f", path]);
    assert_eq!(code, Some(0));
    assert!(stdout.ends_with("no mistakes\n"), "{stdout}");
    assert!(
        stderr.starts_with("warning: tcp://10.0.0.1:80 has no server"),
        "{stderr}"
    );
    let (code, stdout, stderr) = run(&["validate", "--json", "-f", path]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["mistakes"], serde_json::json!([]));
    assert_eq!(report["warnings"][0]["line"], 2);
}

#[test]
fn a_bad_file_is_shown_line_by_line_and_ends_with_1() {
    let (code, stdout, stderr) = run(&["validate", "-f", BAD]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(
        stderr.contains("many_mistakes_at_once.toml:2:1"),
        "{stderr}"
    );
    assert!(
        stderr.ends_with("10 mistakes; nothing was changed\n"),
        "{stderr}"
    );
}

#[test]
fn programs_get_every_mistake_as_json() {
    let (code, stdout, stderr) = run(&["validate", "--json", "-f", BAD]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let list = &report["mistakes"];
    assert_eq!(list.as_array().unwrap().len(), 10);
    assert_eq!(report["more"], 0);
    assert_eq!(list[0]["line"], 2);
    assert_eq!(list[0]["column"], 1);
    assert_eq!(
        list[0]["message"],
        "unknown key `intefaces` in `[director]`"
    );
}

#[test]
fn a_file_that_is_not_text_gets_one_clear_line() {
    let random: Vec<u8> = (0..=255).cycle().take(4096).collect();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    for (path, why) in [
        (folder.join("not_there.toml"), "no such file"),
        (folder.clone(), "it is a directory"),
        (file("empty.toml", b""), "it describes nothing"),
        (file("blank.toml", b" \n\t\n"), "it describes nothing"),
        (file("comment.toml", b"# later\n"), "it describes nothing"),
        (file("binary.toml", &random), "it is binary"),
        (
            file("latin1.toml", b"# coffee\n# caf\xe9\n"),
            "not UTF-8 text (line 2, byte 6 of it)",
        ),
        (file("wide.toml", b"\xff\xfe[\0"), "it is UTF-16 text"),
    ] {
        let path = path.to_str().unwrap();
        let (code, stdout, stderr) = run(&["validate", "-f", path]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{path}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(why) && stderr.contains(path), "{stderr}");
        let (code, stdout, stderr) = run(&["validate", "--json", "-f", path]);
        assert_eq!((code, stderr.as_str()), (Some(1), ""), "{path}");
        let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        let [record] = report["mistakes"].as_array().unwrap().as_slice() else {
            panic!("{report}");
        };
        assert_eq!(record["file"], path);
        assert!(
            record["message"].as_str().unwrap().contains(why),
            "{report}"
        );
        assert!(!record["help"].as_str().unwrap().is_empty(), "{report}");
        if why.contains("line 2") {
            assert_eq!((&record["line"], &record["column"]), (&2.into(), &6.into()));
        }
    }
}

#[test]
fn a_file_is_read_through_a_link_a_pipe_and_standard_input() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (link, pipe) = (folder.join("link.toml"), folder.join("pipe.toml"));
    for left in [&link, &pipe] {
        let _ = fs::remove_file(left);
    }
    std::os::unix::fs::symlink(BAD, &link).unwrap();
    let (code, _, stderr) = run(&["validate", "-f", link.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("link.toml:2:1"), "{stderr}");

    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = program(&["validate", "-f", pipe.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    fs::write(&pipe, fs::read(BAD).unwrap()).unwrap();
    let (code, _, stderr) = text(reader.wait_with_output().unwrap());
    assert_eq!(code, Some(1));
    assert!(stderr.contains("pipe.toml:2:1"), "{stderr}");

    let output = program(&["validate", "-f", "-"])
        .stdin(fs::File::open(BAD).unwrap())
        .output()
        .unwrap();
    let (code, _, stderr) = text(output);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("standard input:2:1"), "{stderr}");

    let (code, _, stderr) = run(&["validate", "-f", "-"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("it describes nothing"), "{stderr}");
}

#[test]
fn a_link_to_itself_is_refused_with_the_system_s_reason() {
    let link = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("loop.toml");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(&link, &link).unwrap();
    let (code, _, stderr) = run(&["validate", "-f", link.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("cannot be read"), "{stderr}");
}

#[test]
fn a_file_that_this_user_may_not_read_is_refused() {
    // Only root can read it, and the user `nobody` tries to.
    let path = file("secret.toml", b"service = []\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&path, mode).unwrap();
    let (code, _, stderr) = as_nobody(&["validate", "-f", path.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("this user may not read it"), "{stderr}");
}

#[test]
fn help_and_man_describe_every_command() {
    for arguments in [&["--help"][..], &["man"]] {
        let (code, stdout, _) = run(arguments);
        assert_eq!(code, Some(0));
        for verb in [
            "apply", "plan", "validate", "show", "drain", "weight", "zero", "flush", "down",
        ] {
            assert!(stdout.contains(verb), "{verb} in {arguments:?}");
        }
    }
}

#[test]
fn a_reader_that_went_away_is_not_an_error() {
    for arguments in [
        &["--help"][..],
        &["man"],
        &["drain", "--help"],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["completions", "fish"],
        &["validate", "-f", EXAMPLE],
        &["validate", "--json", "-f", EXAMPLE],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, _, stderr) = text(program(arguments).stdout(writer).output().unwrap());
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn an_output_that_is_closed_hides_no_mistake() {
    for arguments in [
        &["validate", "--json", "-f", BAD][..],
        &["import", "--json", BAD],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, _, stderr) = text(program(arguments).stdout(writer).output().unwrap());
        assert_eq!((code, stderr.as_str()), (Some(1), ""), "{arguments:?}");
    }
}

#[test]
fn a_standard_error_that_is_closed_changes_no_exit_status() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = program(&["validate", "-f", BAD]).stderr(writer).status();
    assert_eq!(status.unwrap().code(), Some(1));
}

#[test]
fn who_is_not_root_gets_one_clear_line() {
    for arguments in [
        &["plan", "-f", EXAMPLE][..],
        &["apply", "-f", EXAMPLE],
        &["drain", "tcp://10.0.0.1:80", "10.2.0.2:8080"],
        &["weight", "tcp://10.0.0.1:80", "10.2.0.2:8080", "1"],
        &["zero"],
        &["flush", "--yes"],
    ] {
        let (code, stdout, stderr) = as_nobody(arguments);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains("needs root"), "{stderr}");
    }
}

fn as_nobody(arguments: &[&str]) -> (Option<i32>, String, String) {
    // Other users may not have access to the build folder, so the program is opened here.
    let program = fs::File::open(env!("CARGO_BIN_EXE_ipvs-bpf")).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "/proc/self/fd/0",
        ])
        .args(arguments)
        .stdin(program);
    text(command.output().unwrap())
}
