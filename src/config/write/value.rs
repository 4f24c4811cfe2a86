// SPDX-License-Identifier: GPL-2.0-only
//! Writes values in the syntax of the file.

/// A list that is wider than this is written on several lines.
const WIDE: usize = 70;

pub(super) fn string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Writes a number as 1_048_576.
pub(super) fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

/// Writes seconds as "1h30m".
pub(super) fn duration(seconds: u32) -> String {
    let mut rest = seconds;
    let mut text = String::new();
    for (unit, letter) in [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')] {
        if rest >= unit {
            text += &format!("{}{letter}", rest / unit);
            rest %= unit;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    string(&text)
}

pub(super) fn array(values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.collect();
    let line = format!("[{}]", values.join(", "));
    if line.len() <= WIDE || values.len() < 2 {
        return line;
    }
    let mut lines = String::from("[");
    let mut width = usize::MAX;
    for value in &values {
        if width.saturating_add(value.len()) > WIDE {
            lines.push_str("\n ");
            width = 0;
        }
        lines += &format!(" {value},");
        width += value.len() + 2;
    }
    lines + "\n]"
}

/// Writes an inline table: `{ type = "gue", port = 6080 }`.
pub(super) fn table(entries: &[(&str, String)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    format!("{{ {} }}", entries.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_they_are_read() {
        for (seconds, text) in [
            (1, "1s"),
            (90, "1m30s"),
            (300, "5m"),
            (5_400, "1h30m"),
            (86_400, "1d"),
            (2_678_399, "30d23h59m59s"),
        ] {
            assert_eq!(duration(seconds), format!("\"{text}\""));
            assert_eq!(super::super::super::value::duration(text), Ok(seconds));
        }
    }

    #[test]
    fn long_numbers_are_grouped() {
        for (number, text) in [(1, "1"), (999, "999"), (1_000, "1_000")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(1 << 20), "1_048_576");
    }

    #[test]
    fn long_lists_go_over_several_lines() {
        let address = |n: u8| string(&format!("10.2.0.{n}"));
        assert_eq!(array((1..=2).map(address)), r#"["10.2.0.1", "10.2.0.2"]"#);
        let long = array((1..=9).map(address));
        assert_eq!(long.lines().count(), 4, "{long}");
        assert!(long.ends_with("\"10.2.0.9\",\n]"), "{long}");
    }
}
