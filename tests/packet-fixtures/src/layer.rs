// SPDX-License-Identifier: GPL-2.0-only
//! One line of a packet: a header with the fields that are not as usual.

use std::collections::BTreeMap;

/// `NAME WORDS… KEY=VALUE…`, such as `ip4 client > vip ttl=1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub name: String,
    pub words: Vec<String>,
    pub keys: BTreeMap<String, String>,
}

/// The names of layers with the keys of each, and the number of words.
const LAYERS: [(&str, &[&str], usize); 19] = [
    ("ether", &["to", "type"], 0),
    ("vlan", &["type"], 1),
    (
        "ip4",
        &[
            "ttl", "id", "df", "evil", "fragment", "more", "tos", "length", "ihl", "version",
            "protocol", "checksum", "options", "cut", "pad",
        ],
        3,
    ),
    (
        "ip6",
        &[
            "hops", "length", "version", "class", "flow", "next", "cut", "pad",
        ],
        3,
    ),
    ("hop", &["length", "next", "options"], 0),
    ("dest", &["length", "next", "options"], 0),
    ("routing", &["type", "left", "length", "next"], 0),
    ("fragment", &["offset", "more", "id", "next", "reserved"], 0),
    ("auth", &["length", "next"], 0),
    ("mobility", &["length", "next"], 0),
    ("udp", &["length", "checksum", "balance"], 3),
    (
        "tcp",
        &[
            "flags", "seq", "ack", "offset", "window", "options", "checksum", "urgent", "reserved",
        ],
        3,
    ),
    ("sctp", &["tag", "checksum"], 3),
    ("chunk", &["flags", "length"], 1),
    ("icmp4", &["rest", "checksum", "quote"], 2),
    ("icmp6", &["rest", "checksum", "quote"], 2),
    ("data", &[], 1),
    ("bytes", &[], 1),
    ("hex", &[], 0),
];

impl Layer {
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut parts = line.split_whitespace();
        let name = parts.next().unwrap_or_default().to_owned();
        let (_, known, count) = LAYERS
            .iter()
            .find(|(layer, ..)| *layer == name)
            .ok_or_else(|| format!("`{name}` is not a layer"))?;
        let mut words = Vec::new();
        let mut keys = BTreeMap::new();
        for part in parts {
            match part.split_once('=') {
                Some((key, value)) if known.contains(&key) => {
                    if keys.insert(key.to_owned(), value.to_owned()).is_some() {
                        return Err(format!("`{key}` twice"));
                    }
                }
                Some((key, _)) => return Err(format!("`{name}` has no key `{key}`")),
                None => words.push(part.to_owned()),
            }
        }
        let right = match name.as_str() {
            "hex" => true,
            "ip4" | "ip6" | "udp" | "tcp" | "sctp" => words.len() == 3 && words[1] == ">",
            _ => words.len() == *count,
        };
        if !right {
            return Err(format!("`{line}` has not the words of `{name}`"));
        }
        Ok(Self { name, words, keys })
    }

    pub fn key(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    /// A number in decimal or, after 0x, in hexadecimal.
    pub fn number(&self, key: &str, usual: u64) -> Result<u64, String> {
        self.key(key).map_or(Ok(usual), number)
    }

    /// A length field: a number, or the error in it (`+4`, `-1`).
    pub fn length(&self, usual: usize) -> Result<u64, String> {
        let Some(text) = self.key("length") else {
            return Ok(usual as u64);
        };
        match text.as_bytes()[0] {
            b'+' => Ok(usual as u64 + number(&text[1..])?),
            b'-' => Ok((usual as u64).wrapping_sub(number(&text[1..])?)),
            _ => number(text),
        }
    }

    pub fn bytes(&self, key: &str) -> Result<Vec<u8>, String> {
        self.key(key).map_or(Ok(Vec::new()), hex)
    }
}

pub fn number(text: &str) -> Result<u64, String> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .map_err(|_| format!("`{text}` is not a number"))
}

pub fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digit = |at: usize| {
        text.get(at..at + 2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            .ok_or_else(|| format!("`{text}` is not pairs of hexadecimal digits"))
    };
    (0..text.len()).step_by(2).map(digit).collect()
}
