// SPDX-License-Identifier: GPL-2.0-only
//! Quotes words of the file in messages, and finds the words that were probably
//! meant.

/// The longest quoted word, in characters. A file may hold a word of megabytes.
const LONGEST: usize = 60;

/// Quotes a word in backticks, shortened, without characters that control a
/// terminal.
pub(crate) fn quoted(word: &str) -> String {
    let shown: String = word
        .chars()
        .take(LONGEST)
        .flat_map(|letter| {
            let plain = !letter.is_control() && !is_invisible(letter);
            let escaped = (!plain).then(|| letter.escape_default());
            plain
                .then_some(letter)
                .into_iter()
                .chain(escaped.into_iter().flatten())
        })
        .collect();
    let rest = if word.chars().nth(LONGEST).is_some() {
        "…"
    } else {
        ""
    };
    format!("`{shown}{rest}`")
}

/// True for characters that change the text direction or join text invisibly.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Words in backticks, separated by commas.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(quoted).collect();
    words.join(", ")
}

/// Returns the known word that was probably meant.
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let known: Vec<&str> = known.into_iter().collect();
    let slip = known
        .iter()
        .copied()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        // A short word may have one error, a longer word two.
        .filter(|(distance, candidate)| *distance <= 1 + usize::from(candidate.len() > 5))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate);
    slip.or_else(|| only_one_that_begins(&word, &known))
}

/// Returns the known name that `word` is a unique prefix of.
fn only_one_that_begins<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let mut begun = known.iter().filter(|known| known.starts_with(word));
    let one = begun.next().filter(|_| word.len() > 4)?;
    begun.next().is_none().then_some(*one)
}

/// Returns "did you mean `wrr`?", or else lists the known words.
pub(crate) fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match closest(word, known.clone()) {
        Some(meant) => format!("did you mean {}?", quoted(meant)),
        None => format!("known: {}", listed(known)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_is_short_and_steers_no_terminal() {
        assert_eq!(quoted("a\u{1b}[31m\nb"), "`a\\u{1b}[31m\\nb`");
        assert_eq!(quoted("ünï"), "`ünï`");
        assert_eq!(quoted(&"x".repeat(60)), format!("`{}`", "x".repeat(60)));
        assert_eq!(quoted(&"x".repeat(61)), format!("`{}…`", "x".repeat(60)));
    }

    #[test]
    fn one_slip_is_near_in_a_short_word_and_two_in_a_longer_one() {
        let known = ["rr", "wrr", "persistence"];
        assert_eq!(closest("wrrr", known), Some("wrr"));
        assert_eq!(closest("WRR", known), Some("wrr"));
        assert_eq!(closest("persistance", known), Some("persistence"));
        assert_eq!(closest("presistance", known), Some("persistence"));
        assert_eq!(closest("persist", known), Some("persistence"));
        assert_eq!(closest("maglev", known), None);
        assert_eq!(closest(&"w".repeat(10_000_000), known), None);
    }
}
