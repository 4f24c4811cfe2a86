// SPDX-License-Identifier: GPL-2.0-only
//! `[sysctl]`: the names below `net.ipv4.vs`, and the valid values of each.

use super::diagnostics::{Mistake, Mistakes, Span};
use super::reader::{Section, Value, array, integer, string};
use super::spelling::{closest, meant, quoted};
use super::value::number;
use crate::model::Sysctls;

/// The valid values of a setting. `validate` checks them where the kernel
/// refuses numbers or changes their meaning.
#[derive(Clone, Copy)]
enum Kind {
    Between(i64, i64),
    /// 0, 1 or 3: `proc_do_defense_mode()`.
    DefenceMode,
    PowerOfTwo,
    Threshold,
    CpuList,
}

const INT: Kind = Kind::Between(0, i32::MAX as i64);
/// Any `int`, for unknown names.
const ANY: Kind = Kind::Between(i32::MIN as i64, i32::MAX as i64);

/// `vs_vars` of ip_vs_ctl.c; newer kernels have more.
const SYSCTLS: [(&str, Kind); 30] = [
    ("am_droprate", INT),
    ("amemthresh", INT),
    ("backup_only", INT),
    ("cache_bypass", INT),
    ("conn_reuse_mode", INT),
    ("conntrack", INT),
    ("debug_level", INT),
    ("drop_entry", Kind::DefenceMode),
    ("drop_packet", Kind::DefenceMode),
    ("est_cpulist", Kind::CpuList),
    ("est_nice", Kind::Between(-20, 19)),
    ("expire_nodest_conn", INT),
    ("expire_quiescent_template", INT),
    ("ignore_tunneled", INT),
    ("nat_icmp_send", INT),
    ("pmtu_disc", INT),
    ("run_estimation", INT),
    ("schedule_icmp", INT),
    ("secure_tcp", Kind::DefenceMode),
    ("sloppy_sctp", INT),
    ("sloppy_tcp", INT),
    ("snat_reroute", INT),
    ("sync_persist_mode", INT),
    ("sync_ports", Kind::PowerOfTwo),
    // The kernel has an unsigned long.
    ("sync_qlen_max", Kind::Between(0, i64::MAX)),
    ("sync_refresh_period", INT),
    ("sync_retries", Kind::Between(0, 3)),
    ("sync_sock_size", INT),
    ("sync_threshold", Kind::Threshold),
    ("sync_version", Kind::Between(0, 1)),
];

pub(super) fn read(section: &Section) -> Sysctls {
    let mut sysctls = Sysctls::new();
    for (name, span, value) in section.entries() {
        if let Some(mistake) = whole_path(name, &span, value) {
            section.mistakes.add(mistake);
            continue;
        }
        if let Some(kind) = kind(name, &span, section.mistakes)
            && let Some(text) = read_value(name, kind, value, section.mistakes)
        {
            sysctls.insert(name.to_owned(), text);
        }
    }
    sysctls
}

/// Reports a full sysctl(8) name in the place of its last part. The name can be
/// a quoted key or nested TOML tables.
fn whole_path(name: &str, span: &Span, value: &Value) -> Option<Mistake> {
    const MESSAGE: &str = "names in `[sysctl]` are those below net.ipv4.vs";
    let mistake = |name: &str, end: usize| {
        let span = span.start..end;
        Mistake::new(&span, MESSAGE, format!("write `{name}`")).fix(&span, name)
    };
    if let Some(("", end)) = name.split_once("net.ipv4.vs.") {
        return Some(mistake(end, span.end));
    }
    let mut table = value.get_ref().as_table().filter(|_| name == "net")?;
    for part in ["ipv4", "vs"] {
        table = table.get(part)?.get_ref().as_table()?;
    }
    let (key, _) = table.iter().next()?;
    if table.len() > 1 {
        let help = "write only the last part of each name";
        return Some(Mistake::new(span, MESSAGE, help));
    }
    Some(mistake(key.get_ref(), key.span().end))
}

fn kind(name: &str, span: &Span, mistakes: &Mistakes) -> Option<Kind> {
    let known = SYSCTLS.iter().map(|(known, _)| *known);
    if let Some((_, kind)) = SYSCTLS.iter().find(|(known, _)| *known == name) {
        return Some(*kind);
    }
    // The name becomes part of a path.
    let fits = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if fits && closest(name, known.clone()).is_none() {
        return Some(ANY);
    }
    let message = format!("unknown name {} in `[sysctl]`", quoted(name));
    let mistake = Mistake::new(span, message, meant(name, known.clone()));
    mistakes.add(match closest(name, known) {
        Some(meant) => mistake.fix(span, meant),
        None => mistake,
    });
    None
}

/// Returns the value in the form in which the kernel prints it.
fn read_value(name: &str, kind: Kind, value: &Value, mistakes: &Mistakes) -> Option<String> {
    let between = |value, least, most| integer(value, name, least, most, mistakes);
    match kind {
        Kind::Between(least, most) => Some(between(value, least, most)?.0.to_string()),
        Kind::DefenceMode => {
            let (mode, span) = between(value, 0, 3)?;
            if mode == 2 {
                mistakes.add(Mistake::new(
                    &span,
                    format!(
                        "2 is the value that the kernel gives `{name} = 1` while memory is \
                         short"
                    ),
                    "write 1 for that, 3 for always, or 0 for never",
                ));
            }
            Some(mode.to_string())
        }
        Kind::PowerOfTwo => {
            let (ports, span) = between(value, 1, 64)?;
            if ports.count_ones() != 1 {
                mistakes.add(Mistake::new(
                    &span,
                    format!("`{name}` is a power of two"),
                    "write 1, 2, 4, 8, 16, 32 or 64",
                ));
            }
            Some(ports.to_string())
        }
        Kind::Threshold => threshold(name, value, mistakes),
        Kind::CpuList => {
            let (text, span) = string(value, name, mistakes)?;
            if !is_cpu_list(text) {
                mistakes.add(Mistake::new(
                    &span,
                    format!(
                        "{} is not a list of CPUs as the kernel prints it",
                        quoted(text)
                    ),
                    "write it like \"0-3,8\": ascending, adjacent ones as a range",
                ));
            }
            Some(text.to_owned())
        }
    }
}

/// Checks for the form of `%*pbl`. Other forms would be read back differently.
fn is_cpu_list(text: &str) -> bool {
    let mut free: u64 = 0;
    text.split(',').all(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Some(first), Some(last)) = (number::<u32>(first), number::<u32>(last)) else {
            return false;
        };
        let fits = u64::from(first) >= free && (first < last || !part.contains('-'));
        // The next CPU would belong to this range, so the next part starts one
        // later.
        free = u64::from(last) + 2;
        fits
    })
}

/// Reads the two numbers of `proc_do_sync_threshold()`.
fn threshold(name: &str, value: &Value, mistakes: &Mistakes) -> Option<String> {
    let mut numbers = Vec::new();
    for value in array(value, name, mistakes)? {
        numbers.push(integer(value, name, 0, i32::MAX.into(), mistakes)?.0);
    }
    let wrong = |message: String| {
        mistakes.add(Mistake::new(
            &value.span(),
            message,
            "write it like [3, 50]: threshold and period",
        ));
        None
    };
    match numbers[..] {
        [threshold, period] if threshold < period || period == 0 => {
            Some(format!("{threshold} {period}"))
        }
        [_, _] => wrong(format!("the threshold of `{name}` is not below its period")),
        _ => wrong(format!("`{name}` has two numbers")),
    }
}

#[cfg(test)]
mod tests {
    use super::is_cpu_list;

    #[test]
    fn a_list_of_cpus_is_as_the_kernel_prints_it() {
        for text in ["0", "0-3", "0-3,8", "1,3,5-6"] {
            assert!(is_cpu_list(text), "{text}");
        }
        for text in [
            "",
            ",",
            "a",
            "0 1",
            "0,1",
            "0-3,4",
            "3-0",
            "3-3",
            "8,0-3",
            "1,1",
            "0-",
            "-1",
            "4294967296",
            "4294967295,0",
        ] {
            assert!(!is_cpu_list(text), "{text}");
        }
    }
}
