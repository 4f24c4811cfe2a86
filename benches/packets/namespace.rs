// SPDX-License-Identifier: GPL-2.0-only
//! Network namespaces without names, which end with the process, and system commands that
//! run in them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::process::{self, Command, Stdio};

use nix::sched::{CloneFlags, setns, unshare};

pub struct Namespace(File);

impl Namespace {
    pub fn new() -> Self {
        let here = current();
        unshare(CloneFlags::CLONE_NEWNET).expect("root may make network namespaces");
        let there = current();
        setns(here, CloneFlags::CLONE_NEWNET).expect("root");
        Namespace(there)
    }

    /// Runs the job in the namespace. Sockets and procfs files stay in the namespace
    /// where they were opened.
    pub fn within<T>(&self, job: impl FnOnce() -> T) -> T {
        let here = current();
        setns(&self.0, CloneFlags::CLONE_NEWNET).expect("root");
        let result = job();
        setns(here, CloneFlags::CLONE_NEWNET).expect("root");
        result
    }

    /// The path for `ip link add … netns`.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }

    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        self.within(|| run(program, arguments))
    }

    pub fn feed(&self, program: &str, arguments: &[&str], input: &str) -> Result<(), String> {
        self.within(|| feed(program, arguments, input))
    }

    /// Reads a file of /proc/net. Starts no process and waits for no disk, because the
    /// clock of an idle machine would jump ahead.
    pub fn proc_net(&self, file: &str) -> String {
        let path = format!("/proc/thread-self/net/{file}");
        let text = self.within(|| fs::read_to_string(&path));
        text.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn sysctl(&self, setting: &str) {
        self.run("sysctl", &["-qw", setting]);
    }

    pub fn tc(&self, words: &str) {
        self.run("tc", &words.split(' ').collect::<Vec<_>>());
    }

    /// Runs lines of `ip`.
    pub fn ip(&self, lines: &str) {
        self.feed("ip", &["-batch", "-"], lines)
            .expect("a command of the bench's own");
    }
}

fn current() -> File {
    File::open("/proc/thread-self/ns/net").expect("procfs")
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    command.args(arguments).env("PATH", path);
    command
}

pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = command(program, arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; run `make deps`"));
    assert!(output.status.success(), "{program} {arguments:?}");
    String::from_utf8(output.stdout).expect("text")
}

pub fn feed(program: &str, arguments: &[&str], input: &str) -> Result<(), String> {
    let fail = |error: io::Error| format!("{program}: {error}; run `make deps`");
    let mut child = command(program, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(fail)?;
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).map_err(fail)?;
    drop(stdin);
    let output = child.wait_with_output().map_err(fail)?;
    if output.status.success() {
        return Ok(());
    }
    // A refused plan prints the reason to the same stream as the plan.
    let said = [output.stdout, output.stderr].concat();
    Err(format!(
        "{program} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&said).trim()
    ))
}
