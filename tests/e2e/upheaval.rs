// SPDX-License-Identifier: GPL-2.0-only
//! Upheavals of the whole machine under load: processors go, the clock jumps, processes are
//! frozen, memory is short, the BPF file system is unmounted. Each test has the machine to
//! itself, and puts it in order again even if it fails.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::time::{TimeSpec, TimeValLike};
use nix::time::{ClockId, clock_gettime, clock_settime};
use nix::unistd::Pid;

use crate::accounting::{becomes, one_server};
use crate::attached::kernel_has_tcx;
use crate::balance::balanced;
use crate::changes::Load;
use crate::fast_path::{fast, fast_packets, warm};
use crate::lab::{Lab, eventually, run, success};
use crate::leases::expires;
use crate::talk::Talk;

const ECHO: (&str, u16) = ("10.0.0.1", 7);
const WEB: (&str, u16) = ("10.0.0.1", 80);

/// Runs a shell command at the end of a test.
pub struct AtEnd(pub String);

impl Drop for AtEnd {
    fn drop(&mut self) {
        let status = Command::new("sh").args(["-c", &self.0]).status();
        assert!(std::thread::panicking() || status.unwrap().success());
    }
}

const SECOND_CPU: &str = "/sys/devices/system/cpu/cpu1/online";

/// False if the machine has one processor, which must be on purpose.
pub fn has_second_cpu() -> bool {
    let there = Path::new(SECOND_CPU).exists();
    let cpus = std::env::var("CPUS");
    assert!(
        there || cpus.is_ok_and(|number| number == "1"),
        "there is no {SECOND_CPU}"
    );
    there
}

/// Binds this thread to a processor. One that goes sends its threads away, for good.
pub fn to_cpu(number: usize) {
    let mut only = CpuSet::new();
    only.set(number).unwrap();
    sched_setaffinity(Pid::from_raw(0), &only).unwrap();
}

/// Veths handle packets on the processor of their sender.
#[test]
fn a_processor_goes_and_comes_back_and_every_packet_is_counted_once() {
    let lab = Lab::alone();
    if !has_second_cpu() {
        return;
    }
    let _online = AtEnd(format!("echo 1 >{SECOND_CPU}"));
    let every = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let file = one_server().replace("[director]\n", "[director]\nfast_path = true\n");
    lab.apply(&file);
    let load = Load::of_downloads(&lab);
    let mut talk = Talk::new(&lab, "udp", ECHO);
    let mut asked = 0;
    for _ in 0..3 {
        to_cpu(1);
        for _ in 0..20 {
            talk.ask();
        }
        let before = lab.counter("sessions_created");
        fs::write(SECOND_CPU, "0").unwrap();
        assert_eq!(lab.counter("sessions_created"), before);
        lab.get(&["http://10.0.0.1/"]);
        for _ in 0..20 {
            talk.ask();
        }
        fs::write(SECOND_CPU, "1").unwrap();
        asked += 40;
    }
    sched_setaffinity(Pid::from_raw(0), &every).unwrap();
    eventually("the counts of the fast path are added up", || {
        fast_packets(&lab).iter().all(|packets| *packets > 0)
    });
    load.end("10.2.0.100");
    let request = 28 + "hello".len() as u64;
    // server.py answers "NAME ADDRESS PORT LENGTH hello".
    let port = talk.ask().port;
    let answer = 28 + format!("server1 10.2.0.100 {port} 5 hello").len() as u64;
    asked += 1;
    becomes(&lab, "10.0.0.1:7 ", || {
        [1, asked, asked, asked * request, asked * answer]
    });
    assert_eq!(lab.counter("sessions_created"), 3 + 1 + 3);
    balanced(&lab);
}

/// The time of day, as it would be without the jumps.
struct Clock(TimeSpec, Instant);

impl Clock {
    fn read() -> Self {
        Clock(
            clock_gettime(ClockId::CLOCK_REALTIME).unwrap(),
            Instant::now(),
        )
    }

    fn jump(&self, seconds: i64) {
        let passed = self.1.elapsed().as_secs().cast_signed();
        let then = self.0 + TimeSpec::seconds(passed + seconds);
        clock_settime(ClockId::CLOCK_REALTIME, then).unwrap();
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.jump(0);
    }
}

#[test]
fn sessions_leases_and_timers_ignore_the_time_of_day() {
    const DAY: i64 = 24 * 60 * 60;
    let lab = Lab::alone();
    lab.apply(&(fast() + "[timeouts]\nudp = \"300s\"\n"));
    let mut talk = Talk::new(&lab, "udp", ECHO);
    warm(&lab, &mut talk);
    let clock = Clock::read();
    for jump in [DAY, -DAY] {
        let load = Load::begin_next_to(&lab, lab.sessions().len());
        clock.jump(jump);
        warm(&lab, &mut talk);
        eventually("a lease lasts longer than a second", || {
            let before = fast_packets(&lab)[0];
            for _ in 0..8 {
                talk.ask();
                sleep(Duration::from_millis(300));
            }
            sleep(Duration::from_secs(3));
            fast_packets(&lab)[0] - before >= 7
        });
        load.end("10.2.0.100");
        lab.get(&["http://10.0.0.1/"]);
    }
    let idle = balanced(&lab);
    assert_eq!(idle, 1 + 2 * 6);
    // A timer that runs since before a jump ends in its time.
    lab.exec("director", &["ipvsadm", "--set", "0", "0", "20"]);
    let mut short = Talk::new(&lab, "udp", ECHO);
    let begin = Instant::now();
    short.ask();
    clock.jump(DAY);
    let sessions = lab.sessions().len();
    assert!(begin.elapsed() > Duration::from_secs(20) || sessions == idle + 1);
    clock.jump(-DAY);
    eventually("the session ends", || balanced(&lab) == idle);
    assert!(begin.elapsed() >= Duration::from_secs(20));
    drop(clock);
    talk.ask();
    assert!(expires(&lab) > 0);
}

/// Has lab/vm/run.sh stop the machine for so many seconds, as a host does that sleeps. All
/// timers of that time are due at once afterwards.
fn suspend(seconds: u64) {
    let mut ports = glob::glob("/dev/vport*p6").unwrap();
    fs::write(
        ports.next().expect("a port").unwrap(),
        format!("{seconds}\n"),
    )
    .unwrap();
    let mut last = Instant::now();
    eventually("the machine was suspended", || {
        let passed = last.elapsed();
        last = Instant::now();
        passed >= Duration::from_secs(seconds)
    });
}

/// For longer than a lease lasts.
#[test]
fn the_machine_is_suspended_and_every_connection_goes_on() {
    const LEASE: u64 = 10;
    let lab = Lab::alone();
    lab.apply(&fast());
    let load = Load::begin(&lab);
    let mut talks = [("udp", ECHO), ("tcp", WEB)].map(|(kind, to)| Talk::new(&lab, kind, to));
    let first = talks.each_mut().map(Talk::ask);
    warm(&lab, &mut talks[0]);
    for _ in 0..2 {
        let before = fast_packets(&lab)[0];
        suspend(2 * LEASE);
        assert_eq!(talks.each_mut().map(Talk::ask), first);
        warm(&lab, &mut talks[0]);
        assert!(fast_packets(&lab)[0] > before);
        lab.get(&["http://10.0.0.1/"]);
    }
    load.end("10.2.0.100");
    balanced(&lab);
}

/// The part of a suspend by the kernel itself that the lab's machine survives: its files come
/// over a device (9p) whose driver cannot be suspended. For about five seconds no process runs, but packets and
/// timers do.
#[test]
fn every_process_is_frozen_for_a_while_and_transfers_go_on() {
    let lab = Lab::alone();
    let _no_test = AtEnd("echo none >/sys/power/pm_test".to_owned());
    lab.apply(&fast());
    let load = Load::begin(&lab);
    let mut talks = [("udp", ECHO), ("tcp", WEB)].map(|(kind, to)| Talk::new(&lab, kind, to));
    let first = talks.each_mut().map(Talk::ask);
    fs::write("/sys/power/pm_test", "freezer").unwrap();
    // Twenty seconds are short for a busy host.
    fs::write("/sys/power/pm_freeze_timeout", "600000").unwrap();
    for _ in 0..2 {
        let begin = Instant::now();
        fs::write("/sys/power/state", "freeze").unwrap();
        // The kernel counts the five seconds by loops, which an emulated processor may
        // execute faster than it should.
        assert!(begin.elapsed() >= Duration::from_secs(1));
        assert_eq!(talks.each_mut().map(Talk::ask), first);
        warm(&lab, &mut talks[0]);
        lab.get(&["http://10.0.0.1/"]);
    }
    load.end("10.2.0.100");
    balanced(&lab);
}

/// A number of /proc/meminfo, in KiB, or of /proc/vmstat.
fn number(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .expect(name);
    let number = line.trim_start_matches(':').trim().trim_end_matches(" kB");
    number.parse().expect(name)
}

/// The number of times that the kernel began to reclaim memory.
fn reclaims() -> u64 {
    number("/proc/vmstat", "pageoutrun ")
}

/// Takes memory until the kernel reclaims what others could use. Little is left then.
fn fill_memory(folder: &str, block: usize) {
    let before = reclaims();
    for n in 0.. {
        if reclaims() > before || number("/proc/meminfo", "MemAvailable") < 32 << 10 {
            return;
        }
        fs::write(format!("{folder}/{block}.{n}"), vec![1; 1 << 20]).unwrap();
    }
}

/// Sends a datagram of each of 300 flows, with ports from this one on.
const FLOWS: &str = r"
import socket, sys
first = int(sys.argv[1])
for port in range(first, first + 300):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('10.1.0.3', port))
    s.sendto(b'x', ('10.0.0.1', 7))
    s.close()
";

const BLOCKS: usize = 10;

#[test]
fn memory_is_short_and_each_flow_gets_a_session_or_is_counted_as_refused() {
    let lab = Lab::alone();
    let folder = "/run/filled";
    let least = number("/proc/sys/vm/min_free_kbytes", "");
    let _freed = AtEnd(format!(
        "umount {folder} && rmdir {folder} && echo {least} >/proc/sys/vm/min_free_kbytes"
    ));
    lab.apply(&fast());
    let load = Load::begin(&lab);
    let mut talk = Talk::new(&lab, "udp", ECHO);
    warm(&lab, &mut talk);

    run(Command::new("mkdir").arg(folder));
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=95%", "none", folder]));
    let before = reclaims();
    fs::write("/proc/sys/vm/min_free_kbytes", "65536").unwrap();
    let send = |block: usize| {
        let port = (2000 + 300 * block).to_string();
        lab.exec("client", &["/usr/bin/python3", "-ISc", FLOWS, &port]);
    };
    for block in 0..BLOCKS {
        fill_memory(folder, block);
        send(block);
    }
    assert!(reclaims() > before, "memory was not short");
    warm(&lab, &mut talk);
    lab.get(&["http://10.0.0.1/"]);

    // A busy host may lose datagrams. Then each flow sends another one. One that has a session
    // gets no other session, and only refusals of the last round count.
    let mut refused_before = 0;
    eventually("each flow is counted", || {
        let refused = lab.counter("refused_no_memory");
        let counted = lab.counter("sessions_created") + refused - refused_before;
        let expected = 5 + 1 + 300 * BLOCKS as u64 + 1;
        let all = counted >= expected;
        if !all {
            refused_before = refused;
            (0..BLOCKS).for_each(send);
        }
        all
    });
    load.end("10.2.0.100");
    talk.ask();
    balanced(&lab);
}

/// With it go all pins. A program that only its pin kept is detached.
#[test]
fn the_bpf_file_system_is_unmounted_and_that_costs_only_speed() {
    let lab = Lab::alone();
    lab.apply(&fast());
    let load = Load::begin(&lab);
    let mut talk = Talk::new(&lab, "tcp", WEB);
    warm(&lab, &mut talk);
    let first = talk.ask();
    {
        let mount = "mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf";
        let _mounted = AtEnd(mount.to_owned());
        run(Command::new("umount").arg("/sys/fs/bpf"));
        assert_eq!(talk.ask(), first);
        if kernel_has_tcx() {
            talk.ask();
        } else {
            warm(&lab, &mut talk);
        }
        lab.get(&["http://10.0.0.1/"]);
    }
    let text = lab.apply(&fast());
    assert!(text.contains("~ programs → those of this build"), "{text}");
    assert_eq!(
        success(&lab.with_file(&["plan"], &fast())),
        "nothing to do\n"
    );
    warm(&lab, &mut talk);
    assert_eq!(talk.ask(), first);
    load.end("10.2.0.100");
    balanced(&lab);
}
