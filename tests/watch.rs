// SPDX-License-Identifier: GPL-2.0-only
//! `show --watch` at a real terminal, that of tmux. The view fits and follows the size of
//! the terminal. It restores everything, no matter how it ends. It needs no IPVS, so the
//! kernel of this host is enough.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A separate tmux server with one shell.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn new(width: u32, height: u32) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let terminal = Terminal {
            socket: format!("ipvs-bpf-test-{}-{number}", std::process::id()),
        };
        let (width, height) = (width.to_string(), height.to_string());
        let shell = "PS1='ready$ ' exec bash --norc --noprofile";
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &width,
            "-y",
            &height,
            shell,
        ]);
        terminal.until("the shell", |screen| screen.contains("ready$"));
        terminal
    }

    fn try_tmux(&self, arguments: &[&str]) -> Output {
        Command::new("tmux")
            .args(["-L", &self.socket])
            .args(arguments)
            .output()
            .expect("tmux starts: run `make deps`")
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = self.try_tmux(arguments);
        assert!(output.status.success(), "tmux {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Two flags: whether the alternate screen and the cursor are shown.
    fn state(&self) -> String {
        let format = "#{alternate_on} #{cursor_flag}";
        self.tmux(&["display-message", "-p", format])
            .trim()
            .to_owned()
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn run(&self, line: &str) {
        self.keys(&[line, "Enter"]);
    }

    fn until(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let begin = Instant::now();
        loop {
            let screen = self.screen();
            if condition(&screen) {
                return screen;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(300),
                "never: {what}\n{screen}"
            );
            sleep(Duration::from_millis(50));
        }
    }

    /// Starts a view. Returns the previous settings of the terminal.
    fn watch(&self, arguments: &str) -> String {
        self.run("clear; stty -a | cksum");
        let sum = |screen: &str| {
            let mut lines = screen.lines();
            let line = lines.find(|line| line.starts_with(|c: char| c.is_ascii_digit()));
            line.map(str::to_owned)
        };
        let screen = self.until("the settings", |screen| sum(screen).is_some());
        let settings = sum(&screen).unwrap();
        let program = env!("CARGO_BIN_EXE_ipvs-bpf");
        self.run(&format!("{program} show --watch=0.2 {arguments}"));
        self.until("the view", |screen| screen.contains("q quits"));
        assert_eq!(self.state(), "1 0", "alternate screen, no cursor");
        settings
    }

    /// Checks that the view ended with this status and left nothing behind.
    fn ended(&self, settings: &str, status: &str) {
        let screen = self.until("the end", |screen| !screen.contains("q quits"));
        assert!(screen.contains("show --watch"), "what was there:\n{screen}");
        assert_eq!(self.state(), "0 1", "normal screen and cursor");
        self.run("echo status $?; stty -a | cksum");
        let screen = self.until("the status", |screen| {
            screen.contains(&format!("\nstatus {status}\n"))
                && screen.trim_end().ends_with("ready$")
        });
        assert_eq!(screen.matches(settings).count(), 2, "stty:\n{screen}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.try_tmux(&["kill-server"]);
    }
}

/// The process id of the view, which is a child of the shell.
fn pid(terminal: &Terminal) -> String {
    let shell = terminal.tmux(&["display-message", "-p", "#{pane_pid}"]);
    let children = format!("/proc/{0}/task/{0}/children", shell.trim());
    let children = std::fs::read_to_string(children).unwrap();
    children.trim().to_owned()
}

fn kill(signal: &str, pid: &str) {
    let status = Command::new("kill").args([signal, pid]).status().unwrap();
    assert!(status.success());
}

#[test]
fn q_and_control_c_and_signals_leave_the_terminal_as_it_was() {
    let terminal = Terminal::new(100, 20);
    for key in ["q", "C-c"] {
        let settings = terminal.watch("");
        terminal.keys(&[key]);
        terminal.ended(&settings, "0");
    }
    for signal in ["-TERM", "-INT", "-HUP", "-QUIT"] {
        let settings = terminal.watch("--counters");
        kill(signal, &pid(&terminal));
        terminal.ended(&settings, "0");
    }
}

#[test]
fn control_z_gives_the_shell_its_terminal_and_fg_brings_the_view_back() {
    let terminal = Terminal::new(100, 20);
    let settings = terminal.watch("");
    terminal.keys(&["C-z"]);
    terminal.until("stopped", |screen| screen.contains("Stopped"));
    assert_eq!(terminal.state(), "0 1");
    terminal.run("fg");
    terminal.until("the view", |screen| screen.contains("q quits"));
    assert_eq!(terminal.state(), "1 0");
    terminal.keys(&["q"]);
    terminal.ended(&settings, "0");
}

#[test]
fn the_view_follows_the_size_of_the_terminal() {
    let terminal = Terminal::new(100, 20);
    let settings = terminal.watch("");
    let header = |screen: &str| screen.lines().nth(1).unwrap_or_default().to_owned();
    let wide = "Service  Full NAT  Sessions  Weight  ActiveConn  InActConn  CPS  InPPS  OutPPS  InBPS  OutBPS";
    assert_eq!(header(&terminal.screen()), wide);
    terminal.tmux(&["resize-window", "-x", "40", "-y", "5"]);
    terminal.until("a narrow header", |screen| {
        header(screen) == "Service  Full NAT  Sessions  Weight"
            && screen.contains("not shown: ActiveConn")
    });
    terminal.keys(&["Right"]);
    terminal.until("the next columns", |screen| {
        header(screen) == "Service  Sessions  Weight  ActiveConn"
    });
    terminal.keys(&["Left"]);
    terminal.until("the first columns again", |screen| {
        header(screen) == "Service  Full NAT  Sessions  Weight"
    });
    terminal.tmux(&["resize-window", "-x", "3", "-y", "2"]);
    terminal.until("the smallest", |screen| header(screen) == "Se…");
    terminal.tmux(&["resize-window", "-x", "100", "-y", "20"]);
    terminal.until("a wide header", |screen| header(screen) == wide);
    terminal.keys(&["q"]);
    terminal.ended(&settings, "0");
}

#[test]
fn a_table_fits_the_terminal_and_names_the_columns_that_do_not() {
    let terminal = Terminal::new(40, 20);
    let program = env!("CARGO_BIN_EXE_ipvs-bpf");
    terminal.run(&format!("clear; {program} show; echo status $?"));
    let screen = terminal.until("the table", |screen| screen.contains("\nstatus 0\n"));
    let lines: Vec<&str> = screen.lines().collect();
    let header = lines
        .iter()
        .position(|line| *line == "Service  Scheduler  Full NAT  Forward")
        .expect(&screen);
    assert_eq!(
        lines[header + 1],
        "not shown: Weight, ActiveConn, InActConn"
    );
}

#[test]
fn a_dumb_terminal_gets_no_colours() {
    let terminal = Terminal::new(100, 40);
    let program = env!("CARGO_BIN_EXE_ipvs-bpf");
    let bad = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/config/service_twice.toml"
    );
    for (term, coloured) in [("dumb", false), ("screen", true)] {
        let line = format!("clear; TERM={term} {program} validate -f {bad}; echo end {term}");
        terminal.run(&line);
        terminal.until("the mistake", |screen| {
            screen.contains(&format!("\nend {term}\n"))
        });
        let screen = terminal.tmux(&["capture-pane", "-e", "-p"]);
        assert_eq!(screen.contains('\u{1b}'), coloured, "{term}: {screen:?}");
    }
}

#[test]
fn an_error_at_the_start_does_not_take_the_terminal() {
    let terminal = Terminal::new(100, 20);
    let program = env!("CARGO_BIN_EXE_ipvs-bpf");
    terminal.run(&format!(
        "{program} show --watch tcp://10.0.0.1:80; echo status $?"
    ));
    let screen = terminal.until("the error", |screen| screen.contains("\nstatus 1\n"));
    assert!(screen.contains("there is no service tcp://10.0.0.1:80"));
    assert_eq!(terminal.state(), "0 1");
}

#[test]
fn without_a_terminal_each_look_is_printed_until_the_reader_goes() {
    for (json, separator) in [(false, "\n\n"), (true, "\n")] {
        let json = if json { "--json" } else { "" };
        let script = format!(
            "{} show --watch=0.1 {json} | head -n 5; echo ${{PIPESTATUS[0]}}",
            env!("CARGO_BIN_EXE_ipvs-bpf")
        );
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        assert_eq!(output.stderr, b"", "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.ends_with("0\n"),
            "a reader that went is not an error: {text}"
        );
        let looks: Vec<&str> = text.split(separator).collect();
        assert_eq!(looks[0], looks[1], "{text}");
        if separator == "\n" {
            for look in &looks[..5] {
                let json: serde_json::Value = serde_json::from_str(look).unwrap();
                assert!(json["services"].as_array().unwrap().is_empty());
            }
        }
    }
}
