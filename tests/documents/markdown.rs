// SPDX-License-Identifier: GPL-2.0-only
//! Parses the documents, that is docs/*/*.md, README.md and the other pages of the root: code
//! blocks and the commands in them, words set as code, links, and headings.
//!
//! In a block `sh` each line is a command, and the commands run one after the other. The
//! text after ` # ` is a comment for the reader, except that `exit status N` is the
//! expected status. In a block `console`, commands come after `# `, and their output
//! follows. The second word of a block names a file or the host in the lab. The default
//! host is the director.

use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[derive(Default)]
pub struct Document {
    /// The path from the root of the repository.
    pub path: String,
    pub blocks: Vec<Block>,
    /// The line, and the words set as code.
    pub code: Vec<(usize, String)>,
    /// The line and the target. Includes pictures.
    pub links: Vec<(usize, String)>,
    /// The headings as anchors of the forge.
    pub anchors: Vec<String>,
}

pub struct Block {
    /// The number of the block's first line of text.
    pub line: usize,
    pub language: String,
    /// The second word of the block.
    pub name: Option<String>,
    pub text: String,
}

pub struct Command {
    pub line: usize,
    /// The command for a shell, without the comment.
    pub text: String,
    pub status: i32,
    /// The output, if the document shows it.
    pub output: Option<String>,
}

/// All documents.
pub fn documents() -> Vec<Document> {
    let mut paths = files(&Path::new(ROOT).join("docs"));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let root = ["README.md", "CONTRIBUTING.md", "SECURITY.md"];
    paths.splice(0..0, root.map(|name| Path::new(ROOT).join(name)));
    paths.iter().map(|path| Document::read(path)).collect()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
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

/// The anchor that the forge makes from a heading.
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
