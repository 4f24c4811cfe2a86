// SPDX-License-Identifier: GPL-2.0-only
//! Formats large numbers for people, like ipvsadm.

/// The smallest number for each unit, its divisor, and its letter. Eight digits
/// fit into ipvsadm's columns.
const UNITS: [(u64, u64, char); 4] = [
    (100_000_000_000_000, 1_000_000_000_000, 'T'),
    (100_000_000_000, 1_000_000_000, 'G'),
    (1_000_000_000, 1_000_000, 'M'),
    (100_000_000, 1_000, 'K'),
];

/// Formats a number. Up to eight digits are printed in full. Larger numbers are
/// cut, not rounded.
pub fn human(number: u64) -> String {
    let unit = UNITS.iter().find(|(from, ..)| number >= *from);
    match unit {
        Some((_, divisor, letter)) => format!("{}{letter}", number / divisor),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn numbers_of_up_to_eight_digits_are_in_full() {
        assert_eq!(human(0), "0");
        assert_eq!(human(99_999_999), "99999999");
    }

    #[test]
    fn larger_numbers_are_cut_as_ipvsadm_cuts_them() {
        for (number, text) in [
            (100_000_000, "100000K"),
            (999_999_999, "999999K"),
            (1_000_000_000, "1000M"),
            (99_999_999_999, "99999M"),
            (100_000_000_000, "100G"),
            (99_999_999_999_999, "99999G"),
            (100_000_000_000_000, "100T"),
            (u64::MAX, "18446744T"),
        ] {
            assert_eq!(human(number), text);
        }
    }
}
