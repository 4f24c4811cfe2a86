// SPDX-License-Identifier: GPL-2.0-only
//! The files as they are read, in the network namespace of the calling thread, and the texts
//! that would write the same.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;

use ipvs_bpf::kmod::proc;
use packet_fixtures::mutate::Random;

use super::texts::{FILES, READ_ONLY};

const ERROR_PREFIX: &str = "# error: ";

pub fn path(file: &str) -> String {
    format!("/proc/thread-self/net/ip_vs_bpf/{file}")
}

/// The lines of all files that configure the module, without the reasons of refusals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State(pub BTreeMap<&'static str, String>);

/// The file without the reason, and the reason.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.strip_prefix(ERROR_PREFIX) {
        Some(rest) => {
            let (reason, rest) = rest.split_once('\n').unwrap();
            (rest, Some(reason))
        }
        None => (text, None),
    }
}

fn read(file: &str) -> String {
    String::from_utf8_lossy(&fs::read(path(file)).unwrap()).into_owned()
}

impl State {
    pub fn read() -> Self {
        let one = |file: &&'static str| (*file, split(&read(file)).0.to_owned());
        State(FILES.iter().map(one).collect())
    }

    /// The names of the files that differ.
    pub fn differences(&self, other: &State) -> Vec<&'static str> {
        let names = FILES.iter().copied();
        names.filter(|file| self.0[file] != other.0[file]).collect()
    }

    /// The CLI reads all lines, and takes none for a comment.
    pub fn assert_is_read_by_the_cli(&self) {
        let lines = |file: &str| self.0[file].lines().count();
        assert_eq!(proc::local_ips().unwrap().len(), lines("local_ips"));
        assert_eq!(proc::full_nat().unwrap().len(), lines("services"));
        assert_eq!(proc::rule_lines().unwrap().len(), lines("rules"));
        assert_eq!(proc::unanswered().unwrap().len(), lines("unanswered"));
        let maps = proc::registered_maps().unwrap();
        assert_eq!(maps.is_some(), lines("map") == 3);
        proc::fast_path().unwrap();
        proc::port_secret().unwrap();
    }

    /// The text that makes a file say what it says.
    pub fn written_back(&self, file: &str, maps: [i32; 3]) -> String {
        let text = &self.0[file];
        let before = |line: &str, word: &str| line.rsplit_once(word).unwrap().0.to_owned();
        match file {
            "map" if text.is_empty() => "none\n".to_owned(),
            "map" => format!(
                "flows4 {} flows6 {} control {}\n",
                maps[0], maps[1], maps[2]
            ),
            "rules" if text.is_empty() => "none\n".to_owned(),
            "rules" => text
                .lines()
                .map(|line| before(line, " services ") + "\n")
                .collect(),
            "local_ips" | "services" => text
                .lines()
                .map(|line| format!("+ {}\n", before(line, " sessions ")))
                .collect(),
            _ => text.clone(),
        }
    }
}

/// The reason of the last refusal, which must be readable on any terminal.
pub fn reason(file: &str) -> Option<String> {
    let text = fs::read(path(file)).unwrap();
    let text = String::from_utf8_lossy(&text);
    let reason = split(&text).1?;
    assert!(!reason.is_empty(), "{file}");
    let printable = |c: char| c == ' ' || c.is_ascii_graphic();
    assert!(reason.chars().all(printable), "{file}: {reason:?}");
    Some(reason.to_owned())
}

/// Reads a file in small pieces and at odd offsets. Nothing writes it meanwhile.
pub fn assert_pieces_are_the_whole(random: &mut Random) {
    let file = FILES[random.below(FILES.len())];
    let whole = fs::read(path(file)).unwrap();
    let mut open = File::open(path(file)).unwrap();
    let mut pieces: Vec<u8> = Vec::new();
    loop {
        let mut buffer = vec![0; 1 + random.below(40)];
        let length = open.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        pieces.extend(&buffer[..length]);
    }
    assert_eq!(pieces, whole, "{file}");
    for _ in 0..3 {
        let at = random.below(whole.len() + 2);
        let mut buffer = vec![0; 1 + random.below(7)];
        let length = open.read_at(&mut buffer, at as u64).unwrap();
        let rest = whole.get(at..).unwrap_or_default();
        assert_eq!(&buffer[..length], &rest[..rest.len().min(buffer.len())]);
    }
    let file = READ_ONLY[random.below(READ_ONLY.len())];
    let open = File::open(path(file)).unwrap();
    let _ = open.read_at(&mut [0; 5], random.below(5000) as u64);
}
