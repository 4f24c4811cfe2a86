// SPDX-License-Identifier: GPL-2.0-only
//! Finds shell syntax beyond the words and comments that ipvsadm itself
//! accepts.

use crate::config::diagnostics::Span;

/// Words that begin a command of a shell script.
const COMMANDS: [&str; 13] = [
    "sudo", "if", "then", "else", "fi", "for", "while", "do", "done", "case", "set", "export",
    "modprobe",
];

/// Returns the place of such a sign. `at`: the byte offset at which the line
/// begins.
pub(super) fn found_in(line: &str, at: usize) -> Option<Span> {
    let code = match line.trim_start().starts_with('#') {
        true => "",
        false => line.split(" #").next().unwrap_or_default(),
    };
    let begin = line.len() - line.trim_start().len();
    let first = code.split_whitespace().next()?;
    let assigns = !first.starts_with('-') && first.contains('=');
    if COMMANDS.contains(&first) || assigns {
        return Some(at + begin..at + begin + first.len());
    }
    let sign = code
        .find(['$', '`', ';', '|', '&', '<', '>'])
        .or_else(|| code.trim_end().strip_suffix('\\').map(str::len))?;
    Some(at + sign..at + sign + 1)
}

#[cfg(test)]
mod tests {
    use super::found_in;

    #[test]
    fn shell_syntax_is_found() {
        for (line, found) in [
            ("sudo ipvsadm -C", "sudo"),
            ("$IPVSADM -A -t 10.0.0.1:80", "$"),
            ("VIP=10.0.0.1", "VIP=10.0.0.1"),
            ("ipvsadm -A -t 10.0.0.1:80 \\", "\\"),
            ("  ipvsadm -C; ipvsadm -Z", ";"),
        ] {
            let span = found_in(line, 0).expect(line);
            assert_eq!(line.get(span), Some(found), "{line}");
        }
        for line in [
            "",
            "# a; b",
            "-C # $x",
            "ipvsadm -A -t 10.0.0.1:80 -s wlc",
            "--set 1 2 3",
        ] {
            assert_eq!(found_in(line, 0), None, "{line}");
        }
    }
}
