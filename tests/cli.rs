// SPDX-License-Identifier: GPL-2.0-only
//! The real program with files, streams and users that are not as they should
//! be: one clear line and the right exit status, no panic.

use std::fs;
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

#[test]
fn a_good_file_is_valid() {
    let (code, stdout, stderr) = run(&["validate", "-f", EXAMPLE]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.ends_with("no mistakes\n"), "{stdout}");
    let (code, stdout, _) = run(&["validate", "--json", "-f", EXAMPLE]);
    assert_eq!((code, stdout.as_str()), (Some(0), "[]\n"));
}

#[test]
fn a_bad_file_is_shown_line_by_line_and_ends_with_2() {
    let (code, stdout, stderr) = run(&["validate", "-f", BAD]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(
        stderr.contains("many_mistakes_at_once.toml:2:1"),
        "{stderr}"
    );
    assert!(
        stderr.ends_with("11 mistakes; nothing was changed\n"),
        "{stderr}"
    );
}

#[test]
fn programs_get_every_mistake_as_json() {
    let (code, stdout, stderr) = run(&["validate", "--json", "-f", BAD]);
    assert_eq!((code, stderr.as_str()), (Some(2), ""));
    let list: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 11);
    assert_eq!(list[1]["line"], 2);
    assert_eq!(list[1]["column"], 1);
    assert_eq!(
        list[1]["message"],
        "unknown key `intefaces` in `[director]`"
    );
}

#[test]
fn what_is_no_text_file_gets_one_clear_line() {
    let random: Vec<u8> = (0..=255).cycle().take(4096).collect();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    for (path, why) in [
        (folder.join("not_there.toml"), "no such file"),
        (folder.clone(), "it is a directory"),
        (file("empty.toml", b""), "it describes nothing"),
        (file("blank.toml", b" \n\t\n"), "it describes nothing"),
        (file("comment.toml", b"# later\n"), "it describes nothing"),
        (file("binary.toml", &random), "it is"),
        (
            file("latin1.toml", b"# caf\xe9\n"),
            "no UTF-8 text (byte 5)",
        ),
    ] {
        let path = path.to_str().unwrap();
        for arguments in [
            &["validate", "-f", path][..],
            &["validate", "--json", "-f", path],
        ] {
            let (code, stdout, stderr) = run(arguments);
            assert_eq!((code, stdout.as_str()), (Some(2), ""), "{path}: {stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
            assert!(stderr.contains(why) && stderr.contains(path), "{stderr}");
        }
    }
}

#[test]
fn help_and_man_describe_every_command() {
    for arguments in [&["--help"][..], &["man"]] {
        let (code, stdout, _) = run(arguments);
        assert_eq!(code, Some(0));
        for verb in ["apply", "plan", "validate", "show", "down"] {
            assert!(stdout.contains(verb), "{verb} in {arguments:?}");
        }
    }
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    for arguments in [
        &["--help"][..],
        &["man"],
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
fn a_standard_error_that_is_closed_changes_no_exit_status() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = program(&["validate", "-f", BAD]).stderr(writer).status();
    assert_eq!(status.unwrap().code(), Some(2));
}

#[test]
fn who_is_not_root_gets_one_clear_line() {
    // The build folder may be closed to others: the program is opened here.
    let program = fs::File::open(env!("CARGO_BIN_EXE_ipvs-bpf")).unwrap();
    for verb in ["plan", "apply"] {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "/proc/self/fd/0",
            ])
            .args([verb, "-f", EXAMPLE])
            .stdin(program.try_clone().unwrap());
        let (code, stdout, stderr) = text(command.output().unwrap());
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains("needs root"), "{stderr}");
    }
}
