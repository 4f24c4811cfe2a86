// SPDX-License-Identifier: GPL-2.0-only
//! A network namespace whose only way out is this test: what the kernel sends, the test
//! reads as packets, and what the test writes comes in (TUN, `tuntap.rst`).

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};

/// How long a test waits for what has to come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The server's addresses.
pub const SERVER4: &str = "10.9.0.1";
pub const SERVER6: &str = "fd09::1";

pub struct Network {
    namespace: File,
    tun: File,
}

impl Network {
    /// A new one, which the calling thread enters. Everything that is not the server is
    /// behind the device.
    pub fn new() -> Self {
        // Where it is part of the kernel, or loaded, that is nothing to do.
        let _ = Command::new("/sbin/modprobe").arg("tun").output();
        unshare(CloneFlags::CLONE_NEWNET).expect("root may make network namespaces");
        let network = Network {
            namespace: File::open("/proc/thread-self/ns/net").unwrap(),
            tun: tun("tun0"),
        };
        ip(&format!(
            "link set lo up\n\
             link set tun0 up\n\
             address add {SERVER4}/32 dev tun0\n\
             address add {SERVER6}/128 dev tun0 nodad\n\
             route add 0.0.0.0/0 dev tun0\n\
             route add ::/0 dev tun0\n"
        ));
        wait_until_local(SERVER6.parse().unwrap());
        for interface in ["all", "tun0"] {
            sysctl(&format!("ipv4/conf/{interface}/rp_filter"), "0");
        }
        network
    }

    /// Takes the calling thread there. Sockets stay where they were made.
    pub fn enter(&self) {
        setns(&self.namespace, CloneFlags::CLONE_NEWNET).unwrap();
    }

    /// The kernel receives a packet.
    pub fn send(&self, packet: &[u8]) {
        (&self.tun).write_all(packet).unwrap();
    }

    /// The next packet that the kernel sends and that is one of these.
    pub fn receive<T>(&self, find: impl Fn(&[u8]) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut packet = [0; 2048];
        loop {
            wait(&self.tun, end);
            let length = (&self.tun).read(&mut packet).unwrap();
            if let Some(found) = find(&packet[..length]) {
                return found;
            }
        }
    }
}

/// Until there is something to read, or to accept.
#[track_caller]
pub fn wait(file: &impl AsFd, end: Instant) {
    wait_for(file, PollFlags::POLLIN, end);
}

#[track_caller]
pub fn wait_until_connected(socket: &impl AsFd) {
    wait_for(socket, PollFlags::POLLOUT, Instant::now() + PATIENCE);
}

#[track_caller]
fn wait_for(file: &impl AsFd, what: PollFlags, end: Instant) {
    let mut fds = [PollFd::new(file.as_fd(), what)];
    let left = end.saturating_duration_since(Instant::now()).as_millis();
    let left = PollTimeout::try_from(left).unwrap();
    assert_eq!(poll(&mut fds, left), Ok(1), "nothing comes");
}

fn tun(name: &str) -> File {
    /// `struct ifreq`, as far as TUNSETIFF reads it.
    #[repr(C)]
    struct Request {
        name: [u8; libc::IFNAMSIZ],
        flags: libc::c_short,
        rest: [u8; 22],
    }
    let mut request = Request {
        name: [0; libc::IFNAMSIZ],
        flags: (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short,
        rest: [0; 22],
    };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .expect("/dev/net/tun");
    // SAFETY: the request is as large as the kernel reads.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    assert_eq!(result, 0, "TUNSETIFF: {}", std::io::Error::last_os_error());
    file
}

/// Of the calling thread's namespace, below `/proc/sys/net`.
pub fn sysctl(name: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{name}"), value)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// IPv6 adds the route of an address later than the command ends.
fn wait_until_local(address: Ipv6Addr) {
    let end = Instant::now() + PATIENCE;
    const RTF_LOCAL: u32 = 0x8000_0000;
    let route = format!("{:032x} 80 ", address.to_bits());
    let is_local = || {
        let routes = fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap();
        let mut routes = routes.lines();
        routes.any(|line| {
            let flags = line.split_whitespace().nth(8).unwrap();
            line.starts_with(&route) && u32::from_str_radix(flags, 16).unwrap() & RTF_LOCAL != 0
        })
    };
    while !is_local() {
        assert!(Instant::now() < end, "the network is not ready");
        sleep(Duration::from_millis(1));
    }
}

/// Runs these commands.
fn ip(commands: &str) {
    let mut ip = Command::new("ip")
        .args(["-batch", "-"])
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .spawn()
        .expect("ip starts: run `make deps`");
    let mut input = ip.stdin.take().unwrap();
    input.write_all(commands.as_bytes()).unwrap();
    drop(input);
    assert!(ip.wait().unwrap().success(), "{commands}");
}
