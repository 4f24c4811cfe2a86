// SPDX-License-Identifier: GPL-2.0-only
//! The documents, README.md and docs/*.md, taken apart: blocks of code and the
//! commands in them, words set as code, links, headings.
//!
//! A block `sh` is a command a line, run one after the other; what stands behind
//! ` # ` is for people, but `exit status N` there is the status that is expected.
//! In `console`, commands stand behind `# ` and what they print below them. A second
//! word names the host of the lab, which else is the director, or a file.

use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[derive(Default)]
pub struct Document {
    /// From the root of the repository.
    pub path: String,
    pub blocks: Vec<Block>,
    /// Line, and the words set as code.
    pub code: Vec<(usize, String)>,
    /// Line and target, of pictures too.
    pub links: Vec<(usize, String)>,
    /// As anchors of the forge.
    pub anchors: Vec<String>,
}

pub struct Block {
    /// Of its first line of text.
    pub line: usize,
    pub language: String,
    /// The second word.
    pub name: Option<String>,
    pub text: String,
}

pub struct Command {
    pub line: usize,
    /// For a shell, without what is for people.
    pub text: String,
    pub status: i32,
    /// What it prints, if the document says so.
    pub output: Option<String>,
}

/// All of them.
pub fn documents() -> Vec<Document> {
    let folder = fs::read_dir(Path::new(ROOT).join("docs")).unwrap();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths.insert(0, Path::new(ROOT).join("README.md"));
    paths.iter().map(|path| Document::read(path)).collect()
}

impl Document {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let name = path.strip_prefix(ROOT).unwrap().to_str().unwrap();
        let mut document = Document {
            path: name.to_owned(),
            ..Document::default()
        };
        let line = |offset: usize| text[..offset].matches('\n').count() + 1;
        let mut heading: Option<String> = None;
        let mut block: Option<Block> = None;
        for (event, range) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    block = Some(Block::begin(&kind, line(range.start) + 1));
                }
                Event::End(TagEnd::CodeBlock) => document.blocks.extend(block.take()),
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    document
                        .anchors
                        .extend(heading.take().map(|text| anchor(&text)));
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    let link = (line(range.start), dest_url.into_string());
                    document.links.push(link);
                }
                Event::Text(words) => match (&mut block, &mut heading) {
                    (Some(block), _) => block.text += &words,
                    (None, Some(heading)) => *heading += &words,
                    (None, None) => {}
                },
                Event::Code(words) => {
                    if let Some(heading) = &mut heading {
                        *heading += &words;
                    }
                    document.code.push((line(range.start), words.into_string()));
                }
                _ => {}
            }
        }
        document
    }
}

/// What the forge makes of a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ => letter.is_alphanumeric().then_some(letter),
    });
    letters.flat_map(char::to_lowercase).collect()
}

impl Block {
    fn begin(kind: &CodeBlockKind, line: usize) -> Self {
        let info = match kind {
            CodeBlockKind::Fenced(info) => info,
            CodeBlockKind::Indented => "",
        };
        let mut words = info.split_whitespace().map(str::to_owned);
        Block {
            line,
            language: words.next().unwrap_or_default(),
            name: words.next(),
            text: String::new(),
        }
    }

    pub fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        let prompt = match &*self.language {
            "sh" => "",
            "console" => "# ",
            _ => return commands,
        };
        let mut continued = false;
        for (number, line) in self.text.lines().enumerate() {
            match (commands.last_mut(), line.strip_prefix(prompt)) {
                (Some(command), _) if continued => {
                    command.text += "\n";
                    command.text += line;
                }
                (_, Some(line)) if line.is_empty() || line.starts_with('#') => {}
                (_, Some(line)) => commands.push(Command::new(line, self.line + number)),
                (Some(command), None) => {
                    let output = command.output.get_or_insert_default();
                    *output += line;
                    *output += "\n";
                }
                (None, None) => panic!("line {}: no command", self.line + number),
            }
            continued = line.ends_with('\\');
        }
        commands
    }
}

impl Command {
    fn new(line: &str, number: usize) -> Self {
        let (text, comment) = line.split_once(" # ").unwrap_or((line, ""));
        let status = comment.split_once("exit status ").map_or(0, |(_, rest)| {
            let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next();
            digits.and_then(|digits| digits.parse().ok()).expect(line)
        });
        Command {
            line: number,
            text: text.trim_end().to_owned(),
            status,
            output: None,
        }
    }
}
