// SPDX-License-Identifier: GPL-2.0-only
//! The text of a fixture.

use std::fs;
use std::path::{Path, PathBuf};

use crate::layer::{Layer, number};

/// The side of the director by which a packet comes in or leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// The session that exists before the packets come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// 6, 17 or 132.
    pub protocol: u8,
    /// 4 or 6.
    pub family: u8,
}

/// A packet, in this order of pieces if it is to be cut into fragments.
#[derive(Clone, Debug)]
pub struct Sent {
    pub side: Side,
    pub layers: Vec<Layer>,
    pub fragments: Option<Fragments>,
    pub line: usize,
}

/// Pieces of that many bytes, which come in that order.
#[derive(Clone, Debug)]
pub struct Fragments {
    pub size: usize,
    pub order: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct Received {
    pub side: Side,
    pub layers: Vec<Layer>,
    pub line: usize,
}

/// The director's own ICMP message about the packet, to its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub side: Side,
    pub family: u8,
    pub kind: u8,
    pub code: u8,
}

/// Some packets, and what has to become of them.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub sent: Vec<Sent>,
    /// Exactly these leave the director, translated.
    pub received: Vec<Received>,
    /// One packet leaves here, which is the one that was sent but for what full NAT changes.
    pub translated: Option<Side>,
    /// Exactly these counters of the module grow, by as much.
    pub counted: Vec<(String, u64)>,
    pub answers: Vec<Answer>,
    /// Nothing is counted or translated: the host treats it as if the module were not there.
    pub untouched: bool,
    /// The eBPF program alone translates the packet, if the flow has a lease.
    pub program: bool,
}

#[derive(Clone, Debug)]
pub struct Fixture {
    /// `SUBJECT/NAME`
    pub name: String,
    pub session: Option<Session>,
    /// Plays with the fast path alone, or without it alone.
    pub fast_path: Option<bool>,
    pub steps: Vec<Step>,
}

/// A mistake in a line.
type Mistake = String;

enum Block {
    None,
    Sent(Sent),
    Received(Received),
}

impl Fixture {
    pub fn parse(name: &str, text: &str) -> Result<Self, Mistake> {
        let mut fixture = Self {
            name: name.to_owned(),
            session: None,
            fast_path: None,
            steps: Vec::new(),
        };
        let mut block = Block::None;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            if line.trim().is_empty() {
                continue;
            }
            let place = |why: String| format!("{name}.txt:{number}: {why}");
            if line.starts_with(' ') {
                let layer = Layer::parse(line).map_err(place)?;
                match &mut block {
                    Block::Sent(sent) => sent.layers.push(layer),
                    Block::Received(received) => received.layers.push(layer),
                    Block::None => return Err(place("a layer of no packet".to_owned())),
                }
                continue;
            }
            fixture.close(std::mem::replace(&mut block, Block::None));
            block = fixture.directive(line, number).map_err(place)?;
        }
        fixture.close(block);
        fixture
            .check()
            .map_err(|why| format!("{name}.txt: {why}"))?;
        Ok(fixture)
    }

    /// The protocol of the session or, without one, of the first packet; 17 if that has none.
    pub fn protocol(&self) -> u8 {
        if let Some(session) = self.session {
            return session.protocol;
        }
        let layers = self
            .steps
            .iter()
            .flat_map(|step| &step.sent)
            .flat_map(|sent| &sent.layers);
        let protocol = |layer: &Layer| match layer.name.as_str() {
            "tcp" => Some(6),
            "udp" => Some(17),
            "sctp" => Some(132),
            _ => None,
        };
        layers.filter_map(protocol).next().unwrap_or(17)
    }

    fn close(&mut self, block: Block) {
        match block {
            Block::None => (),
            Block::Sent(sent) => self.last().sent.push(sent),
            Block::Received(received) => self.last().received.push(received),
        }
    }

    fn last(&mut self) -> &mut Step {
        if self.steps.is_empty() {
            self.steps.push(Step::default());
        }
        self.steps.last_mut().expect("there is one")
    }

    /// A packet after an expectation begins a new step.
    fn begin(&mut self) {
        if self.steps.last().is_none_or(Step::expects) {
            self.steps.push(Step::default());
        }
    }

    fn directive(&mut self, line: &str, number_of_line: usize) -> Result<Block, Mistake> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["session", session] => self.session = Some(parse_session(session)?),
            ["fast-path", "on"] => self.fast_path = Some(true),
            ["fast-path", "off"] => self.fast_path = Some(false),
            ["send", side, ref rest @ ..] => {
                self.begin();
                return Ok(Block::Sent(Sent {
                    side: parse_side(side)?,
                    layers: Vec::new(),
                    fragments: parse_fragments(rest)?,
                    line: number_of_line,
                }));
            }
            ["receive", side] => {
                return Ok(Block::Received(Received {
                    side: parse_side(side)?,
                    layers: Vec::new(),
                    line: number_of_line,
                }));
            }
            ["expect", counter] => self.last().counted.push((counter.to_owned(), 1)),
            ["expect", counter, times] => {
                let times = number(times)?;
                self.last().counted.push((counter.to_owned(), times));
            }
            ["answer", side, family, kind, code] => {
                let answer = Answer {
                    side: parse_side(side)?,
                    family: parse_icmp(family)?,
                    kind: number(kind)? as u8,
                    code: number(code)? as u8,
                };
                self.last().answers.push(answer);
            }
            ["translated", side] => self.last().translated = Some(parse_side(side)?),
            ["untouched"] => self.last().untouched = true,
            ["program", "translates"] => self.last().program = true,
            _ => return Err(format!("`{line}` is not a line of a fixture")),
        }
        Ok(Block::None)
    }

    fn check(&self) -> Result<(), Mistake> {
        if self.steps.is_empty() {
            return Err("nothing is sent".to_owned());
        }
        for step in &self.steps {
            let [first, ..] = &step.sent[..] else {
                return Err("an expectation about no packet".to_owned());
            };
            let line = first.line;
            let leaves = !step.received.is_empty() || step.translated.is_some();
            let touched = leaves || !step.counted.is_empty();
            if step.untouched == touched {
                return Err(format!(
                    "the packet of line {line} is either untouched, or received or counted"
                ));
            }
            if step.program && !(leaves && self.session.is_some() && step.sent.len() == 1) {
                return Err(format!(
                    "line {line}: the program translates no such packet"
                ));
            }
        }
        Ok(())
    }

    /// Every fixture below a folder, in the order of their names.
    pub fn all(folder: &Path) -> Result<Vec<Self>, Mistake> {
        let entries = |folder: &Path| -> Result<Vec<PathBuf>, Mistake> {
            let read = fs::read_dir(folder).map_err(|error| format!("{folder:?}: {error}"))?;
            let mut paths: Vec<_> = read.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            Ok(paths)
        };
        let mut fixtures = Vec::new();
        for subject in entries(folder)? {
            if !subject.is_dir() || subject.ends_with("src") {
                continue;
            }
            for path in entries(&subject)? {
                let text =
                    fs::read_to_string(&path).map_err(|error| format!("{path:?}: {error}"))?;
                let name = path
                    .strip_prefix(folder)
                    .unwrap_or(&path)
                    .with_extension("");
                fixtures.push(Self::parse(&name.to_string_lossy(), &text)?);
            }
        }
        Ok(fixtures)
    }
}

impl Step {
    fn expects(&self) -> bool {
        self.untouched
            || self.program
            || self.translated.is_some()
            || !(self.received.is_empty() && self.counted.is_empty() && self.answers.is_empty())
    }
}

fn parse_side(text: &str) -> Result<Side, Mistake> {
    match text {
        "client" => Ok(Side::Client),
        "server" => Ok(Side::Server),
        _ => Err(format!("`{text}` is neither client nor server")),
    }
}

fn parse_icmp(text: &str) -> Result<u8, Mistake> {
    match text {
        "icmp4" => Ok(4),
        "icmp6" => Ok(6),
        _ => Err(format!("`{text}` is neither icmp4 nor icmp6")),
    }
}

fn parse_session(text: &str) -> Result<Session, Mistake> {
    let (protocol, family) = text.split_at(text.len().saturating_sub(1));
    let protocol = match protocol {
        "tcp" => 6,
        "udp" => 17,
        "sctp" => 132,
        _ => return Err(format!("`{text}` is not a session, such as udp4")),
    };
    match family {
        "4" => Ok(Session {
            protocol,
            family: 4,
        }),
        "6" => Ok(Session {
            protocol,
            family: 6,
        }),
        _ => Err(format!("`{text}` is of no family")),
    }
}

/// `fragments SIZE ORDER`, such as `fragments 16 1,0`.
fn parse_fragments(words: &[&str]) -> Result<Option<Fragments>, Mistake> {
    match words {
        [] => Ok(None),
        ["fragments", size, order] => {
            let size = number(size)? as usize;
            let order: Result<Vec<_>, _> = order
                .split(',')
                .map(|place| Ok(number(place)? as usize))
                .collect::<Result<_, Mistake>>();
            if size == 0 || !size.is_multiple_of(8) {
                return Err(format!("fragments of {size} bytes"));
            }
            Ok(Some(Fragments {
                size,
                order: order?,
            }))
        }
        _ => Err(format!("`{}` is not a way to send", words.join(" "))),
    }
}
