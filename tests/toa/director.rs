// SPDX-License-Identifier: GPL-2.0-only
//! The server's view of a director and of a host that only imitates one. Real clients use
//! the addresses of these hosts, and a program at their cgroup adds the option to their
//! segments.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use aya::Ebpf;
use aya::programs::{CgroupAttachMode, SockOps};

use crate::group::root;
use crate::network::{ip, wait_until_local};
use crate::tool::Host;

/// The local IPs of the director, which the server trusts.
pub const LOCAL_IP4: &str = "10.2.0.100";
pub const LOCAL_IP6: &str = "fd00:2::100";
/// A host that is not a director but adds the option.
pub const FORGER4: &str = "10.3.0.100";
pub const FORGER6: &str = "fd00:3::100";

static OBJECT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("director.o");
    let mut clang = Command::new("clang");
    clang.args(["-target", "bpf", "-O2", "-g", "-mcpu=v3"]);
    // The folder where Debian keeps asm/types.h.
    let triplet = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    clang.args(["-I", &triplet]);
    clang
        .args(["-c", "tests/toa/director.c", "-o"])
        .arg(&object);
    assert!(clang.status().unwrap().success());
    fs::read(object).unwrap()
});

pub struct Director {
    group: PathBuf,
    _object: Ebpf,
}

impl Director {
    /// Sets up the director in the network of the host.
    pub fn new(_host: &Host) -> Self {
        for address in [LOCAL_IP4, FORGER4] {
            ip(&format!("address add {address}/32 dev lo\n"));
        }
        for address in [LOCAL_IP6, FORGER6] {
            ip(&format!("address add {address}/128 dev lo nodad\n"));
            wait_until_local(address.parse().unwrap());
        }
        let group = root().join(format!("toa-director-{}", std::process::id()));
        fs::create_dir(&group).unwrap();
        let mut object = Ebpf::load(&OBJECT).unwrap();
        let program: &mut SockOps = object.program_mut("director").unwrap().try_into().unwrap();
        program.load().unwrap();
        let cgroup = File::open(&group).unwrap();
        program.attach(cgroup, CgroupAttachMode::Single).unwrap();
        Director {
            group,
            _object: object,
        }
    }

    /// A program whose connections have the option.
    pub fn client(&self, words: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-ec", "echo 0 >$0/cgroup.procs\nexec \"$@\""])
            .arg(&self.group)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// curl with this source address.
    pub fn curl(&self, from: &str, url: &str) -> Command {
        let words = [
            "curl",
            "-gsS",
            "--retry",
            "10",
            "--retry-connrefused",
            "--max-time",
            "60",
            "--write-out",
            "%{http_code}",
            "--interface",
            from,
            url,
        ];
        self.client(&words)
    }

    /// The body, followed by the status.
    #[track_caller]
    pub fn get(&self, from: &str, url: &str) -> String {
        output_of(&mut self.curl(from, url))
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        // If a client is still running, the test has already failed.
        let _ = fs::remove_dir(&self.group);
    }
}

/// Runs a program, which must succeed. Returns its output.
#[track_caller]
pub fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Writes a file for a program.
pub fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
