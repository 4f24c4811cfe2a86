// SPDX-License-Identifier: GPL-2.0-only
//! A client, a director and two real servers in network namespaces, set up by
//! `lab/net/topology.sh`, with real programs.

use std::cell::Cell;
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, Once, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Tests can run in parallel, each in its own namespaces. They share the module, so a
/// test that unloads it must run alone.
static MODULE: RwLock<()> = RwLock::new(());
static NUMBER: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static LOCKED: Cell<bool> = const { Cell::new(false) };
}

enum Lock {
    Shared(#[expect(dead_code)] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code)] RwLockWriteGuard<'static, ()>),
}

/// Held by a test while it uses IPVS or the module.
pub struct Guard(#[expect(dead_code)] Lock);

impl Guard {
    /// A thread that locks twice waits for ever if a test that must run alone waits in
    /// between.
    fn new(lock: impl FnOnce() -> Lock) -> Self {
        assert!(!LOCKED.get(), "Lab::next_to() makes a second lab");
        let lock = lock();
        LOCKED.set(true);
        load_modules();
        Guard(lock)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        LOCKED.set(false);
    }
}

/// For a test with namespaces of its own, which runs in parallel with others.
pub fn shared() -> Guard {
    Guard::new(|| Lock::Shared(MODULE.read().unwrap_or_else(|error| error.into_inner())))
}

pub struct Lab {
    prefix: String,
    programs: Vec<Child>,
    /// The servers with the hosts that they run on.
    servers: Vec<(String, Pid)>,
    _guard: Option<Guard>,
}

impl Lab {
    /// Runs in parallel with other tests. Each real server has an HTTP and UDP echo
    /// server.
    pub fn new() -> Self {
        Lab::with(Some(shared()))
    }

    /// Runs while no other test uses the module.
    pub fn alone() -> Self {
        let lock = || Lock::Alone(MODULE.write().unwrap_or_else(|error| error.into_inner()));
        Lab::with(Some(Guard::new(lock)))
    }

    /// A second lab of the test. It ends before the first one.
    pub fn next_to(_: &Lab) -> Self {
        Lab::with(None)
    }

    fn with(guard: Option<Guard>) -> Self {
        let prefix = format!("t{}-", NUMBER.fetch_add(1, Ordering::Relaxed));
        run(Command::new("lab/net/topology.sh").args(["up", &prefix]));
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
    /// long by default, so that no connection ends on a slow host.
    pub fn timeouts(&self, seconds: [&str; 3]) {
        self.exec("director", &[&["ipvsadm", "--set"], &seconds[..]].concat());
    }

    /// Adds a host behind the client and one behind server2. Both then act as routers.
    /// The host behind server2 runs the usual servers.
    pub fn far(&mut self) {
        run(Command::new("lab/net/topology.sh").args(["far", &self.prefix]));
        self.serve("farserver");
    }

    /// Adds a second director. The VIP and local IP of the first one are removed.
    pub fn pair(&mut self) {
        run(Command::new("lab/net/topology.sh").args(["pair", &self.prefix]));
    }

    pub fn namespace(&self, host: &str) -> String {
        format!("{}{host}", self.prefix)
    }

    /// A program on a host, with a mount namespace and a `/sys` of its own.
    pub fn command(&self, host: &str, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace(host)])
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// Starts a program on a host. It inherits the namespace of the thread that starts it,
    /// which costs less than `ip netns exec`. But only that shows the host's interfaces in
    /// `/sys`.
    fn at<T: Send>(
        &self,
        host: &str,
        words: &[&str],
        start: impl FnOnce(&mut Command) -> io::Result<T> + Send,
    ) -> T {
        let started = if words.iter().any(|word| word.contains("/sys/class/net")) {
            start(&mut self.command(host, words))
        } else {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).stdin(Stdio::null());
            self.inside(host, || start(&mut command))
        };
        started.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Runs a program on a host. It must succeed. Returns its standard output.
    pub fn exec(&self, host: &str, words: &[&str]) -> String {
        output_of(
            &format_args!("{host}: {words:?}"),
            &self.try_exec(host, words),
        )
    }

    /// Runs a program on a host. It may fail.
    pub fn try_exec(&self, host: &str, words: &[&str]) -> Output {
        self.at(host, words, Command::output)
    }

    /// Starts a program that runs until the end of the test. Waits until a line of its
    /// output contains `ready`.
    pub fn start(&mut self, host: &str, words: &[&str], ready: &str) {
        let mut child = self.at(host, words, |command| {
            command.stdout(Stdio::piped()).spawn()
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let found = lines.any(|line| line.unwrap().contains(ready));
        assert!(found, "{words:?} ended before it was ready");
        self.programs.push(child);
    }

    /// Starts `lab/net/server.py` on a host.
    pub fn serve(&mut self, host: &str) {
        let server = start_server(&self.namespace(host), host);
        self.servers.push((host.to_owned(), server));
    }

    /// Kills `lab/net/server.py` on a host. Its connections end.
    pub fn stop_serving(&mut self, host: &str) {
        let here = self.servers.extract_if(.., |(on, _)| on == host);
        for (_, server) in here {
            kill(server, Signal::SIGKILL).unwrap();
        }
    }

    /// Starts a program on a host with piped output. The caller waits for it.
    pub fn spawn_at(&self, host: &str, words: &[&str]) -> Child {
        self.at(host, words, |command| {
            let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn()
        })
    }

    /// Runs `curl` at the client and returns the body.
    pub fn get(&self, arguments: &[&str]) -> String {
        let mut words = vec!["curl", "-sS", "--fail", "--max-time", "120"];
        words.extend(arguments);
        self.exec("client", &words)
    }

    /// Calls a function in the host's network namespace.
    pub fn inside<T: Send>(&self, host: &str, call: impl FnOnce() -> T + Send) -> T {
        inside(&self.namespace(host), call)
    }

    /// A file of `/proc/net` on a host.
    pub fn proc_net(&self, host: &str, file: &str) -> String {
        let path = format!("/proc/thread-self/net/{file}");
        let text = self.inside(host, || fs::read_to_string(path));
        text.expect(file)
    }

    /// Sends a datagram from the client and waits for the answer.
    pub fn udp(&self, address: &str, port: u16, data: &str) -> String {
        let address: IpAddr = address.parse().unwrap();
        let any = match address {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        self.inside("client", || {
            let socket = UdpSocket::bind((any, 0)).unwrap();
            let patience = Some(Duration::from_secs(120));
            socket.set_read_timeout(patience).unwrap();
            socket.send_to(data.as_bytes(), (address, port)).unwrap();
            let mut answer = vec![0; 65535];
            let length = socket.recv(&mut answer).unwrap();
            answer.truncate(length);
            String::from_utf8(answer).unwrap() + "\n"
        })
    }

    /// Runs the CLI on the director.
    pub fn ipvs_bpf(&self, arguments: &[&str]) -> Output {
        ipvs_bpf()
            .args(["--netns", &self.namespace("director")])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Runs the CLI on the director with a file on its standard input. With
    /// `FAST_PATH=off`, a file that does not mention the fast path runs without it.
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

    /// Starts the CLI on the director with piped output.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        ipvs_bpf()
            .args(["--netns", &self.namespace("director")])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs `apply`, which must succeed. Returns its output.
    pub fn apply(&self, toml: &str) -> String {
        success(&self.with_file(&["apply"], toml))
    }

    /// The sessions that `show` lists, one for each line.
    pub fn sessions(&self) -> Vec<String> {
        let table = success(&self.ipvs_bpf(&["show", "--sessions"]));
        table.lines().skip(1).map(str::to_owned).collect()
    }

    /// A counter of the module.
    pub fn counter(&self, name: &str) -> u64 {
        let stats = self.proc_net("director", "ip_vs_bpf/stats");
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.expect(name).parse().unwrap()
    }
}

/// Calls a function on a thread in the network namespace. Starting a program takes longer.
pub fn inside<T: Send>(namespace: &str, call: impl FnOnce() -> T + Send) -> T {
    let namespace = File::open(format!("/run/netns/{namespace}")).unwrap();
    let call = || {
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        call()
    };
    thread::scope(|scope| scope.spawn(call).join().unwrap())
}

/// Loads the modules that ipvsadm would have the kernel load while it holds the mutex of
/// IPVS. That can deadlock: removing another test's namespace waits for this mutex, and
/// these modules wait for the removal.
fn load_modules() {
    static ONCE: Once = Once::new();
    let names = ["ip_vs_lblc", "ip_vs_lblcr", "ip_vs_pe_sip"];
    ONCE.call_once(|| {
        run(Command::new("modprobe").arg("-a").args(names));
    });
}

/// One process starts all servers. They end with it.
fn start_server(namespace: &str, name: &str) -> Pid {
    struct Starter {
        _process: Child,
        input: ChildStdin,
        output: BufReader<ChildStdout>,
    }
    static STARTER: LazyLock<Mutex<Starter>> = LazyLock::new(|| {
        let mut process = Command::new("lab/net/server.py")
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
    Pid::from_raw(line.trim().parse().expect("lab/net/server.py ended"))
}

impl Drop for Lab {
    fn drop(&mut self) {
        for program in &mut self.programs {
            let _ = program.kill();
            let _ = program.wait();
        }
        for (_, server) in &self.servers {
            let _ = kill(*server, Signal::SIGKILL);
        }
        let down = self.ipvs_bpf(&["down"]);
        let gone = Command::new("lab/net/topology.sh")
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
    output_of(command, &output)
}

/// The output of a program that must have succeeded.
pub fn success(output: &Output) -> String {
    output_of(&"a program", output)
}

fn output_of(program: &dyn Debug, output: &Output) -> String {
    assert!(
        output.status.success(),
        "{program:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    // The other one can be that of another test.
    text.replace("waiting for another ipvs-bpf to finish\n", "")
}

/// The number in an environment variable.
pub fn environment(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap())
}

/// Waits until the condition holds, long enough for the slowest host.
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
