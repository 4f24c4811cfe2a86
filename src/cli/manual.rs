// SPDX-License-Identifier: GPL-2.0-only
//! The text that `--help` prints for each command below its options. The man pages have a
//! section for each heading, so the form is fixed: a heading is a line that
//! ends with a colon; below it each entry begins with two spaces and its term,
//! and its text follows after two more spaces, or in lines of
//! six.

pub const IPVS_BPF: &str = "\
Exit status:
  0  Success.
  1  It failed, or the file or the arguments are wrong; a message says what,
      why, and what to do.
  2  Only `plan`: there are changes.
  3  Only `apply`: an interface that the file lists is missing, and everything
      else is done.
  4  Only `apply`: a step failed, the kernel cannot be read, or it differs from
      the file afterwards. Another attempt may succeed.
  130  It was stopped by Ctrl-C; 128 plus the signal number for others.

Files:
  /etc/ipvs-bpf/lb.toml  The default file; see ipvs-bpf.toml(5).
  /proc/net/ip_vs_bpf  The state of the module, and the counters of what it
      drops or refuses.
  /sys/fs/bpf  Where maps and programs are pinned.
  /run/ipvs-bpf/lock  The lock that serializes runs that change the kernel.
  /run/ipvs-bpf/follow-*.json  What `apply --follow` tells `metrics`.

Environment:
  IPVS_BPF_MODULE  The same as `--module`.
  NO_COLOR  If it is set, output to a terminal has no colours.

Examples:
  ipvs-bpf validate -f lb.toml
      Check the file.
  ipvs-bpf plan -f lb.toml
      Show what would change.
  ipvs-bpf apply -f lb.toml
      Make the kernel match it.
  ipvs-bpf show
      Show what is running.";

pub const APPLY: &str = "\
Exit status:
  0  The kernel matches the file. With `--follow`: it was ended by SIGTERM or
      SIGINT.
  1  The file or the arguments are wrong, the plan cannot be carried out, or
      rights are missing; no step was carried out.
  2  Only with `--dry-run`: there are changes.
  3  An interface that the file lists is missing, and everything else is done.
      Run `apply` again when it exists.
  4  A step failed, the kernel cannot be read, or it differs from the file after
      all steps because another program changes it. A message names the step, the
      kernel's reason, and how many steps were carried out; another `apply`
      continues from there.
  130  It was stopped by Ctrl-C; 128 plus the signal number for others. Another
      `apply` continues from there.

Examples:
  ipvs-bpf apply -f lb.toml
      Make the kernel match lb.toml.
  ipvs-bpf apply --keep-weights
      The same for /etc/ipvs-bpf/lb.toml; servers that were drained by hand stay
      drained.
  ipvs-bpf apply --follow
      Keep the kernel matching /etc/ipvs-bpf/lb.toml; docs/guides/follow.md describes it.
  ipvs-bpf --netns blue apply -f -
      Read standard input, and change the network namespace blue.";

pub const PLAN: &str = "\
Exit status:
  0  There is nothing to do.
  1  It failed, the plan cannot be carried out, or the file or the arguments are
      wrong.
  2  There are changes.

Examples:
  ipvs-bpf plan -f lb.toml
      Show what `apply` would do: `+` is added, `-` removed, `~` changed.
  ipvs-bpf plan --json
      The same as JSON, for /etc/ipvs-bpf/lb.toml.";

pub const VALIDATE: &str = "\
Exit status:
  0  The file has no mistakes; there may be warnings.
  1  It has mistakes, or it cannot be read.

Json:
  mistakes  A list, empty for a valid file. Each has `file`; `line` and `column`,
      from 1 and in characters, or null if it is about the file as a whole;
      `message`, what is wrong; `help`, how to fix it; `see`, null or `file`, `line`,
      `column` and `message` of a related place; and `fix`, null or an edit that
      fixes it: `text` replaces the bytes from `start` to before `end`, which
      count from 0 behind a byte order mark.
  more  The number of mistakes that are not listed: those after 10000.
  warnings  A list of the same form, for a file without mistakes.

Examples:
  ipvs-bpf validate -f lb.toml
      Show every mistake in its line.
  ipvs-bpf validate --json -f lb.toml
      Print them as JSON to standard output.";

pub const SHOW: &str = "\
Examples:
  ipvs-bpf show
      Services and their servers.
  ipvs-bpf show --stats tcp://10.0.0.1:80 --exact
      The totals of one service and its servers.
  ipvs-bpf show --connections --server 10.2.0.2:8080
      The connections of one server.
  ipvs-bpf show --rate --sort inbps --watch
      The busiest services first, every two seconds.
  ipvs-bpf show --counters --json
      For programs; docs/reference/json.md describes it.";

pub const DOCTOR: &str = "\
Exit status:
  0  There is no error and no warning; there may be notes.
  1  There is an error or a warning; or doctor failed, or the file or the
      arguments are wrong, and standard output is empty.

Json:
  findings  A list, empty where nothing is wrong; errors first. Each has
      `severity` (`error`, `warning`, `note`); `check`, the name of its kind,
      which does not change; `about`, the address, server or service, or null;
      `what` is wrong, `why` it matters, and the `cure`, a command if possible.
  errors, warnings, notes  How many there are.

Examples:
  ipvs-bpf doctor
      Check what runs.
  ipvs-bpf doctor -f lb.toml
      Check whether this host can run lb.toml.
  ipvs-bpf doctor --json
      For monitoring; docs/reference/doctor.md lists the findings.";

pub const METRICS: &str = "\
Exit status:
  0  The metrics are printed, or the file is written.
  1  It failed, and an existing file is unchanged.

Labels:
  service  As in the file: `tcp://10.0.0.1:80`, `fwmark://7`.
  server  The address and port of a real server of that service.
  pool, local_ip  The pool and the address of a local IP.
  reason, result  What a counter of the module or of the programs counts.
  netns  The network namespace, where `--netns` names one.

Examples:
  ipvs-bpf metrics
      Print all metrics; docs/reference/metrics.md lists the names.
  ipvs-bpf metrics --format prometheus -o /var/lib/prometheus/node-exporter/ipvs-bpf.prom
      For node_exporter's textfile collector; docs/reference/metrics.md has a
      timer that runs this every 15 seconds.";

pub const SAVE: &str = "\
Exit status:
  0  The running state is written.
  1  It failed, and the file is unchanged; or some of the state could only be
      written as comments, and a message says which and why.

Json:
  text  The file.
  unsaid  A list of sentences, one for each part that is only a comment in
      the text.

Examples:
  ipvs-bpf save
      Print the running state.
  ipvs-bpf save -o /etc/ipvs-bpf/lb.toml
      Write it into a new file.";

pub const IMPORT: &str = "\
Exit status:
  0  The text is valid, and the file is written.
  1  The text has mistakes or cannot be read, or the file cannot be written;
      nothing was written. With `--json` standard output has the mistakes, in the
      form of `validate --json`.

Json:
  text  The file.

Files:
  /etc/hosts  Names of hosts in the text are looked up here, and nowhere else.
  /etc/services  Names of ports are looked up here.

Examples:
  ipvsadm -Sn | ipvs-bpf import -o lb.toml
      Move the running services into a file.
  ipvs-bpf import rules.sh
      Print the file for a script of ipvsadm.
  ipvs-bpf import /etc/keepalived/keepalived.conf
      Print the file for the virtual servers of keepalived.";

pub const EXPORT: &str = "\
Exit status:
  0  The lines are printed; messages on standard error name the state that
      they cannot describe.
  1  It failed, or the file has mistakes.

Json:
  lines  A list of lines for `ipvsadm -R`.
  lost  A list of sentences, one for each part that the lines cannot
      describe.

Examples:
  ipvs-bpf export | ssh backup ipvsadm -R
      Give another director the same services.
  ipvs-bpf export --comments -f lb.toml > rules
      Lines for ipvsadm-restore, with comments.";

pub const DRAIN: &str = "\
Exit status:
  0  No connection is left, and with `--remove` the server is removed.
  1  It failed, the timeout was reached, or another program changed the server.
      A message says how many connections are left and what the weight is.
  130  Ctrl-C ended it; 128 plus the signal number for others. The weight
      stays 0.

Json:
  service, server  The drained server.
  weight_before  The weight to restore with `weight`; 0: it was already 0.
  outcome  `drained`, `removed`, `timeout`, `interrupted`; `weight` or `gone`
      where another program changed the weight or removed the server.
  weight  The present weight; null: the server no longer exists.
  left  At the last check: `connections` that it waits for, those that are
      `closed` and have not expired, `templates` of a persistent service.
  seconds  How long it waited.

Examples:
  ipvs-bpf drain tcp://10.0.0.1:80 10.2.0.2:8080
      Wait until the server has no connection of that service.
  ipvs-bpf drain tcp://10.0.0.1:80 10.2.0.2:8080 --timeout 15m --remove
      Wait at most 15 minutes. Remove the server only if no connection is left.";

pub const WEIGHT: &str = "\
Json:
  service, server  The server whose weight was set.
  weight_before  The previous weight.
  weight  The new weight.

Examples:
  ipvs-bpf weight tcp://10.0.0.1:80 10.2.0.2:8080 3
      Give the server the weight 3.";

pub const ZERO: &str = "\
Json:
  service  The service; null: all services.

Examples:
  ipvs-bpf zero tcp://10.0.0.1:80
      The counters of one service and its servers.";

pub const FLUSH: &str = "\
Exit status:
  0  No virtual services are left.
  1  It failed, or the answer was not yes, or there was no terminal for the
      question and no `--yes`. Nothing was changed.

Json:
  removed  The removed virtual services.

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
  0  Nothing of ipvs-bpf is left.
  1  It failed; a message says where.

Json:
  removed  The removed objects, in words and in order.
  error  Why something remains; null: nothing does.

Examples:
  ipvs-bpf down
      Native services are removed too, no matter which program added them.
  ipvs-bpf down --keep-native
      Keep the native services.";

pub const MAN: &str = "\
Examples:
  ipvs-bpf man | man -l -
      Read the page of ipvs-bpf.
  ipvs-bpf man --dir /usr/local/share/man/man8
      Install all pages.";
