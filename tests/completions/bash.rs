// SPDX-License-Identifier: GPL-2.0-only
//! Tab pressed at the end of a line of bash.

/// The program of a shell that prints the candidates, one a line, when it has run
/// `script`, which defines the completions.
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

/// As readline cuts them: each run of `:` and `=` is a word of its own.
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
