// SPDX-License-Identifier: GPL-2.0-only
//! Presses Tab at the end of a bash line.

/// A shell program that runs `script`, which defines the completions, and then prints the
/// candidates, one for each line.
pub fn program(script: &str, line: &str) -> String {
    let words = words(line);
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    format!(
        "{script}
         COMP_LINE='{line}' COMP_POINT={} COMP_WORDS=({}) COMP_CWORD={}
         function=$(complete -p ipvs-bpf | grep -oP '(?<=-F )\\S+')
         $function ipvs-bpf \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        line.len(),
        quoted.join(" "),
        words.len() - 1
    )
}

/// Splits the line as readline does: each run of `:` and `=` is a separate word.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut breaks = false;
    for letter in line.chars() {
        let is_break = ":=".contains(letter);
        let begun = words.last().is_some_and(|word| !word.is_empty());
        if letter == ' ' || (begun && is_break != breaks) {
            words.push(String::new());
        }
        if letter != ' ' {
            words.last_mut().unwrap().push(letter);
        }
        breaks = is_break;
    }
    words
}
