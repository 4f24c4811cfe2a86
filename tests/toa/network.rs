// SPDX-License-Identifier: GPL-2.0-only
//! A network namespace that is connected only to this test. The test reads the packets
//! that the kernel sends, and writes the packets that it receives (TUN, `tuntap.rst`).

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

/// The time that a test waits for an expected event.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The server's addresses.
pub const SERVER4: &str = "10.9.0.1";
pub const SERVER6: &str = "fd09::1";

pub struct Network {
    namespace: File,
    tun: File,
}

impl Network {
    /// Makes a new namespace, which the calling thread enters. All addresses except the
    /// server's are behind the device.
    pub fn new() -> Self {
        // Does nothing if it is built in or already loaded.
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

    /// Moves the calling thread to the namespace. Sockets stay where they were opened.
    pub fn enter(&self) {
        setns(&self.namespace, CloneFlags::CLONE_NEWNET).unwrap();
    }

    /// Passes a packet to the kernel.
    pub fn send(&self, packet: &[u8]) {
        (&self.tun).write_all(packet).unwrap();
    }

    /// The next packet from the kernel for which `find` returns a value.
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

/// Waits until there is data to read or a connection to accept.
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
    /// `struct ifreq`, up to the part that TUNSETIFF reads.
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
    // SAFETY: the request is as large as the part that the kernel reads.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    assert_eq!(result, 0, "TUNSETIFF: {}", std::io::Error::last_os_error());
    file
}

/// Sets a sysctl of the calling thread's namespace, below `/proc/sys/net`.
pub fn sysctl(name: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{name}"), value)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Waits for the route of the address, which IPv6 adds after the command has ended.
pub fn wait_until_local(address: Ipv6Addr) {
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

/// Runs these commands of `ip`.
pub fn ip(commands: &str) {
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
