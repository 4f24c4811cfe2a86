// SPDX-License-Identifier: GPL-2.0-only
//! A client, a director and two real servers in network namespaces, laid out
//! by `lab/topology`, with real programs in them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, Once, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Tests may run beside each other, each with namespaces of its own; but the
/// module is one for all, and whoever unloads it is alone.
static MODULE: RwLock<()> = RwLock::new(());
static NUMBER: AtomicU32 = AtomicU32::new(0);

enum Guard {
    Shared(#[expect(dead_code)] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code)] RwLockWriteGuard<'static, ()>),
}

pub struct Lab {
    prefix: String,
    programs: Vec<Child>,
    servers: Vec<Pid>,
    _guard: Guard,
}

impl Lab {
    /// Beside others, with an HTTP and UDP echo server at each real server.
    pub fn new() -> Self {
        let guard = Guard::Shared(MODULE.read().unwrap_or_else(|error| error.into_inner()));
        Lab::with(guard)
    }

    /// No other test uses the module.
    pub fn alone() -> Self {
        let guard = Guard::Alone(MODULE.write().unwrap_or_else(|error| error.into_inner()));
        Lab::with(guard)
    }

    fn with(guard: Guard) -> Self {
        load_modules();
        let prefix = format!("t{}-", NUMBER.fetch_add(1, Ordering::Relaxed));
        run(Command::new("lab/topology").args(["up", &prefix]));
        let mut lab = Lab {
            prefix,
            programs: Vec::new(),
            servers: Vec::new(),
            _guard: guard,
        };
        for name in ["server1", "server2"] {
            lab.serve(name);
        }
        lab.timeouts(["36000"; 3]);
        lab
    }

    /// Sets the timeouts of IPVS for TCP, TCP after a FIN and UDP, in seconds. They are
    /// long to begin with, so that no connection ends while a busy host takes its time.
    pub fn timeouts(&self, seconds: [&str; 3]) {
        self.exec("director", &[&["ipvsadm", "--set"], &seconds[..]].concat());
    }

    /// Adds a host behind the client and one behind server2, each of which
    /// becomes a router; with the usual servers on the latter.
    pub fn far(&mut self) {
        run(Command::new("lab/topology").args(["far", &self.prefix]));
        self.serve("farserver");
    }

    /// Adds a second director; VIP and local IP of the first one are gone.
    pub fn pair(&mut self) {
        run(Command::new("lab/topology").args(["pair", &self.prefix]));
    }

    pub fn namespace(&self, host: &str) -> String {
        format!("{}{host}", self.prefix)
    }

    pub fn command(&self, host: &str, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace(host)])
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// Runs a program on a host; it must succeed. Its standard output.
    pub fn exec(&self, host: &str, words: &[&str]) -> String {
        run(&mut self.command(host, words))
    }

    /// Runs a program on a host, however it ends.
    pub fn try_exec(&self, host: &str, words: &[&str]) -> Output {
        self.command(host, words).output().unwrap()
    }

    /// Starts a program that runs until the end of the test, and waits until a
    /// line of its output contains a word.
    pub fn start(&mut self, host: &str, words: &[&str], ready: &str) {
        let mut child = self
            .command(host, words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let found = lines.any(|line| line.unwrap().contains(ready));
        assert!(found, "{words:?} ended before it was ready");
        self.programs.push(child);
    }

    /// Starts `lab/server` on a host.
    pub fn serve(&mut self, host: &str) {
        self.servers.push(start_server(&self.namespace(host), host));
    }

    /// Starts a program on a host, to be waited for; its output is piped.
    pub fn spawn_at(&self, host: &str, words: &[&str]) -> Child {
        self.command(host, words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// `curl` at the client: the body.
    pub fn get(&self, arguments: &[&str]) -> String {
        let mut words = vec!["curl", "-sS", "--fail", "--max-time", "120"];
        words.extend(arguments);
        self.exec("client", &words)
    }

    /// Sends a datagram from the client and waits for the answer.
    pub fn udp(&self, address: &str, port: u16, data: &str) -> String {
        let script = format!(
            "import socket\n\
             family = socket.AF_INET6 if ':' in '{address}' else socket.AF_INET\n\
             s = socket.socket(family, socket.SOCK_DGRAM)\n\
             s.settimeout(120)\n\
             s.sendto(b'{data}', ('{address}', {port}))\n\
             print(s.recvfrom(65535)[0].decode())"
        );
        self.exec("client", &["/usr/bin/python3", "-c", &script])
    }

    /// The CLI, on the director.
    pub fn ipvs_bpf(&self, arguments: &[&str]) -> Output {
        ipvs_bpf()
            .args(["--netns", &self.namespace("director")])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// The CLI on the director, with a file on its standard input. With
    /// `FAST_PATH=off` what says nothing of the fast path goes without.
    pub fn with_file(&self, arguments: &[&str], toml: &str) -> Output {
        let mut toml = toml.to_owned();
        if std::env::var_os("FAST_PATH").is_some_and(|value| value == "off")
            && !toml.contains("fast_path")
        {
            toml = toml.replacen("[director]\n", "[director]\nfast_path = false\n", 1);
        }
        let mut child = ipvs_bpf()
            .args(["--netns", &self.namespace("director")])
            .args(arguments)
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(toml.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    /// The CLI on the director, started; its output is piped.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        ipvs_bpf()
            .args(["--netns", &self.namespace("director")])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// `apply`, which must succeed. What it printed.
    pub fn apply(&self, toml: &str) -> String {
        success(&self.with_file(&["apply"], toml))
    }

    /// The sessions that `show` lists, a line each.
    pub fn sessions(&self) -> Vec<String> {
        let table = success(&self.ipvs_bpf(&["show", "--sessions"]));
        table.lines().skip(1).map(str::to_owned).collect()
    }

    /// A counter of the module.
    pub fn counter(&self, name: &str) -> u64 {
        let stats = self.exec("director", &["cat", "/proc/net/ip_vs_bpf/stats"]);
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.expect(name).parse().unwrap()
    }
}

/// What ipvsadm would have the kernel load with the mutex of IPVS held, for which
/// the end of another test's namespaces waits, for which such modules wait.
fn load_modules() {
    static ONCE: Once = Once::new();
    let names = ["ip_vs_lblc", "ip_vs_lblcr", "ip_vs_pe_sip"];
    ONCE.call_once(|| {
        run(Command::new("modprobe").arg("-a").args(names));
    });
}

/// One process starts all servers, which end with it.
fn start_server(namespace: &str, name: &str) -> Pid {
    struct Starter {
        _process: Child,
        input: ChildStdin,
        output: BufReader<ChildStdout>,
    }
    static STARTER: LazyLock<Mutex<Starter>> = LazyLock::new(|| {
        let mut process = Command::new("lab/server")
            .arg("--each")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Mutex::new(Starter {
            input: process.stdin.take().unwrap(),
            output: BufReader::new(process.stdout.take().unwrap()),
            _process: process,
        })
    });
    let mut starter = STARTER.lock().unwrap_or_else(|error| error.into_inner());
    writeln!(starter.input, "{namespace} {name}").unwrap();
    let mut line = String::new();
    starter.output.read_line(&mut line).unwrap();
    Pid::from_raw(line.trim().parse().expect("lab/server ended"))
}

impl Drop for Lab {
    fn drop(&mut self) {
        for program in &mut self.programs {
            let _ = program.kill();
            let _ = program.wait();
        }
        for server in &self.servers {
            let _ = kill(*server, Signal::SIGKILL);
        }
        let down = self.ipvs_bpf(&["down"]);
        let gone = Command::new("lab/topology")
            .args(["down", &self.prefix])
            .status()
            .unwrap();
        if !std::thread::panicking() {
            success(&down);
            assert!(gone.success());
        }
    }
}

/// The CLI of this build.
pub fn ipvs_bpf() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipvs-bpf"));
    command.stdin(Stdio::null());
    command
}

pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// What a program that succeeded printed.
pub fn success(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Waits until something holds: as long as the busiest host may need.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(600), "never: {what}");
        sleep(Duration::from_millis(100));
    }
}

pub fn module_is_loaded() -> bool {
    Path::new("/sys/module/ip_vs_bpf").exists()
}
