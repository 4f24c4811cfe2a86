// SPDX-License-Identifier: GPL-2.0-only
//! What `--help` says of each command below its options. The man pages have a
//! section for each heading, so the form is fixed: a heading is a line that
//! ends with a colon; below it each entry begins with two spaces and its term,
//! and what is said of the term follows after two more spaces, or in lines of
//! six.

pub const IPVS_BPF: &str = "\
Exit status:
  0  It is done.
  1  It failed, or the file or the arguments are wrong; a message says what,
      why, and what to do.
  2  Only of `plan`: there are changes.
  3  Only of `apply`: an interface that the file lists is missing, and everything
      else is done.
  130  It was stopped by Ctrl-C; 128 and its number for other signals.

Files:
  /etc/ipvs-bpf/lb.toml  The file, where no other is named; see
      ipvs-bpf.toml(5).
  /proc/net/ip_vs_bpf  What the module knows, and the counters of all that it
      drops or refuses.
  /sys/fs/bpf  Where maps and programs are pinned.
  /run/ipvs-bpf/lock  Who holds it is the only one that changes the kernel.

Environment:
  IPVS_BPF_MODULE  The same as `--module`.
  NO_COLOR  If it is set, output to a terminal has no colours.

Examples:
  ipvs-bpf validate -f lb.toml
      Is the file right?
  ipvs-bpf plan -f lb.toml
      What would change?
  ipvs-bpf apply -f lb.toml
      Make it so.
  ipvs-bpf show
      What is running?";

pub const APPLY: &str = "\
Exit status:
  0  The kernel matches the file.
  1  The file or the arguments are wrong, or the plan cannot be carried out, and
      nothing was changed; or it failed. A message names the step, the kernel's
      reason, and how many steps were carried out; `apply` again goes on from
      there.
  2  Only with `--dry-run`: there are changes.
  3  An interface that the file lists is missing, and everything else is done.
      `apply` again when it is there.
  130  It was stopped by Ctrl-C; 128 and its number for other signals. `apply`
      again goes on from there.

Examples:
  ipvs-bpf apply -f lb.toml
      Make the kernel match lb.toml.
  ipvs-bpf apply --keep-weights
      The same for /etc/ipvs-bpf/lb.toml; servers that were drained by hand stay
      drained.
  ipvs-bpf --netns blue apply -f -
      Read standard input, and change the network namespace blue.";

pub const PLAN: &str = "\
Exit status:
  0  There is nothing to do.
  1  It failed, the plan cannot be carried out, or the file or the arguments are
      wrong.
  2  There are changes, and nothing is wrong.

Examples:
  ipvs-bpf plan -f lb.toml
      What would `apply` change? `+` is added, `-` removed, `~` changed.
  ipvs-bpf plan --json
      The same for programs, of /etc/ipvs-bpf/lb.toml.";

pub const VALIDATE: &str = "\
Exit status:
  0  The file has no mistakes; it may have given warnings.
  1  It has, or it cannot be read.

Json:
  mistakes  A list, empty for a good file. Each has `file`; `line` and `column`,
      from 1 and in characters, or null where it is about the file as a whole;
      `message`, what is wrong; `help`, what would be right; `see`, null or
      `line`, `column` and `message` of another place that has to do with it;
      and `fix`, null or an edit that makes it right: `text` for the bytes from
      `start` to before `end`, which count from 0 behind a byte order mark.
  more  How many mistakes are not listed: after 10000 they are only counted.
  warnings  A list of the same form, of a file without mistakes.

Examples:
  ipvs-bpf validate -f lb.toml
      Show every mistake in its line.
  ipvs-bpf validate --json -f lb.toml
      Print them for programs, to standard output.";

pub const SHOW: &str = "\
Examples:
  ipvs-bpf show
      Services and their servers.
  ipvs-bpf show --stats tcp://10.0.0.1:80 --exact
      What one service and its servers did so far.
  ipvs-bpf show --connections --server 10.2.0.2:8080
      The connections of one server.
  ipvs-bpf show --rate --sort inbps --watch
      The busiest services first, again every two seconds.
  ipvs-bpf show --counters --json
      For programs; docs/json.md describes it.";

pub const DOCTOR: &str = "\
Exit status:
  0  There is no error and no warning; there may be notes.
  1  There are some; or it failed, or the file or the arguments are wrong, and
      standard output is empty.

Json:
  findings  A list, empty where nothing is wrong; errors first. Each has
      `severity` (`error`, `warning`, `note`); `check`, the name of its kind,
      which does not change; `about`, the address, server or service, or null;
      `what` is wrong, `why` it matters, and the `cure`, a command where one can
      do it.
  errors, warnings, notes  How many there are.

Examples:
  ipvs-bpf doctor
      Is anything wrong with what runs?
  ipvs-bpf doctor -f lb.toml
      Can this host do what lb.toml asks for?
  ipvs-bpf doctor --json
      For monitoring; docs/doctor.md lists the findings.";

pub const METRICS: &str = "\
Exit status:
  0  The metrics are printed, or the file is written.
  1  It failed, and a file that was there is as it was.

Labels:
  service  As in the file: `tcp://10.0.0.1:80`, `fwmark://7`.
  server  The address and port of a real server of that service.
  pool, local_ip  The pool and the address of a local IP.
  reason, result  What a counter of the module or of the programs counts.
  netns  The network namespace, where `--netns` names one.

Examples:
  ipvs-bpf metrics
      Everything; docs/metrics.md lists the names.
  ipvs-bpf metrics --format prometheus -o /var/lib/prometheus/node-exporter/ipvs-bpf.prom
      For node_exporter's textfile collector; docs/metrics.md has a timer that
      does it every 15 seconds.";

pub const SAVE: &str = "\
Exit status:
  0  The running state is written.
  1  It failed, and the file is as it was; or parts of the state are only
      comments in what was written, and a message says which and why.

Json:
  text  The file.
  unsaid  A list of sentences: what the text has only as comments.

Examples:
  ipvs-bpf save
      Print the running state.
  ipvs-bpf save -o /etc/ipvs-bpf/lb.toml
      Write it into a new file.";

pub const IMPORT: &str = "\
Exit status:
  0  The text is good, and the file is written.
  1  The text has mistakes or cannot be read, or the file cannot be written;
      nothing was written. With `--json` standard output has the mistakes as
      `validate --json` has them.

Json:
  text  The file.

Files:
  /etc/hosts  Names of hosts in the text are looked up here, and nowhere else.
  /etc/services  The same for names of ports.

Examples:
  ipvsadm -Sn | ipvs-bpf import -o lb.toml
      Move the running services into a file.
  ipvs-bpf import rules.sh
      Print the file for a script of ipvsadm.";

pub const EXPORT: &str = "\
Exit status:
  0  The lines are printed; what is not in them was said on standard error.
  1  It failed, or the file has mistakes.

Json:
  lines  A list of lines for `ipvsadm -R`.
  lost  A list of sentences: what is not in them.

Examples:
  ipvs-bpf export | ssh backup ipvsadm -R
      Give another director the same services.
  ipvs-bpf export --comments -f lb.toml > rules
      Lines for ipvsadm-restore, with comments.";

pub const DRAIN: &str = "\
Exit status:
  0  No connection is left, and with `--remove` the server is removed.
  1  It failed, the time is over, or another program changed the server. A
      message says how many connections are left and what the weight is.
  130  Ctrl-C ended the waiting; 128 and its number for other signals. The
      weight stays 0.

Json:
  service, server  What was drained.
  weight_before  What `weight` takes to undo it; 0: it was 0 already.
  outcome  `drained`, `removed`, `timeout`, `interrupted`; `weight` or `gone`
      where another program changed the weight or removed the server.
  weight  Now; null where the server is not there any more.
  left  At the last look: `connections` that are waited for, those that are
      `closed` and only remembered, `templates` of a persistent service.
  seconds  How long it waited.

Examples:
  ipvs-bpf drain tcp://10.0.0.1:80 10.2.0.2:8080
      Wait until the server has no connection of that service.
  ipvs-bpf drain tcp://10.0.0.1:80 10.2.0.2:8080 --timeout 15m --remove
      Wait for at most 15 minutes, then remove the server.";

pub const WEIGHT: &str = "\
Json:
  service, server  Whose weight it is.
  weight_before  What it was.
  weight  What it is now.

Examples:
  ipvs-bpf weight tcp://10.0.0.1:80 10.2.0.2:8080 3
      Give the server the weight 3.";

pub const ZERO: &str = "\
Json:
  service  Whose counters; null: those of all services.

Examples:
  ipvs-bpf zero tcp://10.0.0.1:80
      The counters of one service and its servers.";

pub const FLUSH: &str = "\
Exit status:
  0  There are no virtual services any more.
  1  It failed, or the answer was not yes; or there is no terminal to ask at, and
      no `--yes`. Nothing was changed.

Json:
  removed  The virtual services that were there.

Examples:
  ipvs-bpf flush --yes
      Remove all virtual services.";

pub const COMPLETIONS: &str = "\
Examples:
  ipvs-bpf completions bash > /etc/bash_completion.d/ipvs-bpf
      For bash.
  ipvs-bpf completions zsh > /usr/local/share/zsh/site-functions/_ipvs-bpf
      For zsh.
  ipvs-bpf completions fish > /etc/fish/completions/ipvs-bpf.fish
      For fish.";

pub const DOWN: &str = "\
Exit status:
  0  Nothing of ours is left.
  1  It failed; a message says at what.

Json:
  removed  What went, in words, in this order.
  error  Why not everything went; null: it did.

Examples:
  ipvs-bpf down
      Take everything out of the kernel.
  ipvs-bpf down --keep-native
      Leave the services that plain IPVS serves.";

pub const MAN: &str = "\
Examples:
  ipvs-bpf man | man -l -
      Read the page of ipvs-bpf.
  ipvs-bpf man --dir /usr/local/share/man/man8
      Install all pages.";
