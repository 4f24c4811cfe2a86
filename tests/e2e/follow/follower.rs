// SPDX-License-Identifier: GPL-2.0-only
//! A follower that runs, its lines, and the folder with its file.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lab::{Lab, success};

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(lab: &Lab) -> Self {
        let folder = std::env::temp_dir().join(lab.namespace("follow"));
        fs::create_dir(&folder).unwrap();
        Folder(folder)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub struct Follower {
    child: Child,
    /// The lines of both streams.
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Follower {
    pub fn start(lab: &Lab, file: &str, options: &[&str]) -> Self {
        let words = [&["apply", "--follow", "-f", file], options].concat();
        Follower::of(lab.spawn(&words))
    }

    pub fn of(mut child: Child) -> Self {
        let (sender, lines) = channel();
        forward(child.stdout.take().unwrap(), sender.clone());
        forward(child.stderr.take().unwrap(), sender);
        let seen = Vec::new();
        Follower { child, lines, seen }
    }

    /// Waits for a line with this text, and returns it.
    pub fn until(&mut self, text: &str) -> String {
        eprintln!("until {text:?}");
        self.until_line(|line| line.contains(text))
    }

    /// Waits for such a line, and returns it.
    pub fn until_line(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(600));
            let line = line.unwrap_or_else(|_| panic!("it is not in {:#?}", self.seen));
            self.seen.push(line.clone());
            if is_it(&line) {
                return line;
            }
        }
    }

    /// The number of lines with this text so far.
    pub fn seen(&mut self, text: &str) -> usize {
        self.seen.extend(self.lines.try_iter());
        self.seen.iter().filter(|line| line.contains(text)).count()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Waits for the end. Returns the lines that were not read yet.
    pub fn end(&mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait().unwrap();
        (status, self.lines.iter().collect())
    }

    pub fn end_by(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.end().0
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(stream: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}

/// The value of a metric of followers. `None`: there is none.
pub fn metric(lab: &Lab, name: &str) -> Option<u64> {
    let text = success(&lab.ipvs_bpf(&["metrics"]));
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("ipvs_bpf_follow_{name}{{")))?;
    Some(line.rsplit_once(' ')?.1.parse().unwrap())
}
