// SPDX-License-Identifier: GPL-2.0-only
//! Texts for the module's files: valid ones, and mutations of these. A seed and a number make
//! the same writes each time.

use packet_fixtures::mutate::Random;

/// The files that configure the module.
pub const FILES: [&str; 8] = [
    "map",
    "local_ips",
    "services",
    "rules",
    "fast_path",
    "xdp",
    "port_secret",
    "unanswered",
];
/// The files that nobody can write.
pub const READ_ONLY: [&str; 2] = ["sessions", "stats"];

/// The place of a write. The files have none, so it makes no difference.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// write(2), after the previous one.
    Next,
    /// lseek(2), then write(2).
    Sought(u64),
    /// pwrite(2), which the files refuse.
    At(u64),
}

#[derive(Clone, Debug)]
pub struct Write {
    pub bytes: Vec<u8>,
    pub place: Place,
}

/// Writes by one open file.
#[derive(Clone, Debug)]
pub struct Script {
    pub number: u64,
    pub file: &'static str,
    pub writes: Vec<Write>,
}

/// How often each file is written. An exchange of maps takes longer than other writes.
const WEIGHTS: [(&str, usize); 10] = [
    ("map", 1),
    ("local_ips", 8),
    ("services", 9),
    ("rules", 8),
    ("fast_path", 2),
    ("xdp", 1),
    ("port_secret", 3),
    ("unanswered", 4),
    ("sessions", 1),
    ("stats", 1),
];

fn valid(file: &str) -> &'static [&'static str] {
    match file {
        // FD: see `texts`.
        "map" => &["none\n", "flows4 FD0 flows6 FD1 control FD2\n"],
        "local_ips" => &[
            "+ default 10.2.0.101 1024-65535\n",
            "+ default fd00:2::101 1024-65535\n",
            "- 10.2.0.101\n",
            "- fd00:2::101\n",
            "+ other 10.2.0.102 5000-5009\n+ other fd00:2::102 1-1\n",
            "+ other 10.2.0.101 1-2\n- 10.2.0.102\n",
        ],
        "services" => &[
            "+ tcp 10.0.0.1:81 default\n",
            "+ tcp 10.0.0.1:82 default toa\n+ udp 10.0.0.9:0 default\n",
            "+ sctp [fd00::1]:83 other\n",
            "+ fwmark 7 default toa\n+ fwmark6 7 other\n",
            "- tcp 10.0.0.1:81\n- tcp 10.0.0.1:82\n",
            "- udp 10.0.0.9:0\n",
            "- fwmark 7\n- fwmark6 7\n",
            "= other third ipv4\n",
            "= third other ipv4\n",
            "= other third ipv6\n",
            "flush\n",
        ],
        "rules" => &[
            "none\n",
            "10.9.0.0/16 * * * default\n",
            "10.9.0.0/16,10.10.1.0/24 tcp,udp 1-5,7,90-99 eth0,bond* default toa\n",
            "10.9.0.1/32 udp 53 eth1 default\nfd00:9::/64 sctp * * other\n",
        ],
        "fast_path" => &["on\n", "off\n", "revoke\n"],
        "xdp" => &["on\n", "off\n"],
        "port_secret" => &["random\n", "0123456789abcdef0123456789ABCDEF\n"],
        "unanswered" => &["tcp 10\nudp 30\nsctp 10\n", "udp 2678400\n", "tcp 1\n"],
        _ => &["on\n", "none\n", "\n"],
    }
}

const WORDS: [&[u8]; 30] = [
    b"",
    b"+",
    b"-",
    b"=",
    b"*",
    b"none",
    b"flush",
    b"toa",
    b"default",
    b"other",
    b"tcp",
    b"sctp",
    b"fwmark6",
    b"ipv6",
    b"10.2.0.100",
    b"10.0.0.1:80",
    b"[fd00::1]:80",
    b"::ffff:10.2.0.100",
    b"fe80::1",
    b"0.0.0.0/0",
    b"::/0",
    b"#",
    b"# error: x",
    b"%s%n%p",
    b"../x",
    b"a\tb",
    b"\x1b[2J",
    b"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
    b"\xff\xfe",
    b"\r",
];

const NUMBERS: [&[u8]; 22] = [
    b"0",
    b"1",
    b"-1",
    b"+1",
    b"00000000000000000001",
    b"0x10",
    b"010",
    b"32",
    b"33",
    b"128",
    b"129",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"2147483647",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999999999999999",
];

/// Makes scripts. `maps` are the descriptors of the maps in the writing process.
pub fn script(seed: u64, number: u64, maps: [i32; 3]) -> Script {
    let mut random = Random::new(seed, number);
    let random = &mut random;
    let file = file(random);
    let text = if random.below(50) == 0 {
        Vec::new()
    } else {
        mutated(random, file, maps)
    };
    let offset = [1, 7, 4095, 1 << 32][random.below(4)];
    let whole = |place| {
        vec![Write {
            bytes: text.clone(),
            place,
        }]
    };
    let writes = match random.below(20) {
        // Each part is a transaction of its own.
        0..4 => parts(random, &text),
        4 | 5 => whole(Place::Sought(offset)),
        6 => whole(Place::At(offset)),
        _ => whole(Place::Next),
    };
    Script {
        number,
        file,
        writes,
    }
}

fn file(random: &mut Random) -> &'static str {
    let mut left = random.below(WEIGHTS.iter().map(|(_, weight)| weight).sum());
    let found = WEIGHTS.iter().find(|(_, weight)| {
        let is_it = left < *weight;
        left = left.wrapping_sub(*weight);
        is_it
    });
    found.unwrap().0
}

/// Cuts a text at up to three places.
fn parts(random: &mut Random, text: &[u8]) -> Vec<Write> {
    let mut cuts: Vec<usize> = (0..1 + random.below(3))
        .map(|_| random.below(text.len() + 1))
        .collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    let part = |ends: &[usize]| Write {
        bytes: text[ends[0]..ends[1]].to_vec(),
        place: Place::Next,
    };
    cuts.windows(2).map(part).collect()
}

/// A valid text with the descriptors of the maps.
fn text(random: &mut Random, file: &str, maps: [i32; 3]) -> Vec<u8> {
    let texts = valid(file);
    let mut text = texts[random.below(texts.len())].to_owned();
    for (number, map) in maps.iter().enumerate() {
        text = text.replace(&format!("FD{number}"), &map.to_string());
    }
    text.into_bytes()
}

/// A third of the texts stays valid, so that there is something to change.
fn mutated(random: &mut Random, file: &str, maps: [i32; 3]) -> Vec<u8> {
    let mut bytes = text(random, file, maps);
    if random.below(3) == 0 {
        return bytes;
    }
    for _ in 0..1 + random.below(3) {
        bytes = match random.below(16) {
            12 => [bytes, text(random, file, maps)].concat(),
            13 => {
                let other = FILES[random.below(FILES.len())];
                text(random, other, maps)
            }
            _ => change(random, bytes),
        };
    }
    bytes
}

fn is_separator(byte: u8) -> bool {
    b" \n,-/:[]".contains(&byte)
}

/// Words and separators. Together they are the text.
fn tokens(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes
        .chunk_by(|a, b| !is_separator(*a) && !is_separator(*b))
        .map(<[u8]>::to_vec)
        .collect()
}

fn change(random: &mut Random, bytes: Vec<u8>) -> Vec<u8> {
    let mut tokens = tokens(&bytes);
    if tokens.is_empty() {
        return b"\n".to_vec();
    }
    // Mostly words.
    let words: Vec<usize> = (0..tokens.len())
        .filter(|at| tokens[*at].len() > 1)
        .collect();
    let mut one = || match words[..] {
        [_, ..] if random.below(4) > 0 => words[random.below(words.len())],
        _ => random.below(tokens.len()),
    };
    let (at, other) = (one(), one());
    match random.below(12) {
        0 => drop(tokens.remove(at)),
        1 => tokens.insert(at, tokens[at].clone()),
        2 => tokens.swap(at, other),
        3 => tokens[at] = tokens[other].clone(),
        4 | 5 => {
            let is_number = |token: &&mut Vec<u8>| token.iter().all(u8::is_ascii_digit);
            let mut numbers: Vec<_> = tokens.iter_mut().filter(is_number).collect();
            let at = random.below(numbers.len());
            if let Some(number) = numbers.get_mut(at) {
                **number = NUMBERS[random.below(NUMBERS.len())].to_vec();
            }
        }
        6 => tokens[at] = WORDS[random.below(WORDS.len())].to_vec(),
        7 => tokens.insert(at, WORDS[random.below(WORDS.len())].to_vec()),
        8 => {
            let bytes = [random.below(256) as u8, 0, 0x7f, 0x80];
            let place = random.below(tokens[at].len() + 1);
            tokens[at].insert(place, bytes[random.below(bytes.len())]);
        }
        9 => {
            let lengths = [15, 16, 64, 300, 5_000];
            let length = lengths[random.below(lengths.len())];
            let unit = tokens[at].clone();
            tokens[at] = unit.iter().copied().cycle().take(length).collect();
        }
        10 => tokens.truncate(at),
        _ if random.below(20) == 0 => {
            // About as long as a write may be, and longer.
            let times = (256 * 1024 - 64 + random.below(128)) / bytes.len();
            return bytes.repeat(times + random.below(2));
        }
        _ => tokens.extend(self::tokens(&bytes)),
    }
    tokens.concat()
}
