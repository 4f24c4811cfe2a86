// SPDX-License-Identifier: GPL-2.0-only
//! Reading the file.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::{Config, Diagnostics, parse};

/// 20 000 services with four servers each are 6 MiB.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Why there is no [`Config`].
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{name}: there is no such file; name one, or `-` for standard input")]
    Absent { name: String },
    #[error("{name}: this user may not read it; run as root, or change its mode")]
    Forbidden { name: String },
    #[error("{name}: it is a directory; name a file in it")]
    Directory { name: String },
    #[error("{name}: it cannot be read: {source}")]
    Unreadable { name: String, source: io::Error },
    #[error("{name}: it has more than 64 MiB, which no file of services has; is it the right one?")]
    TooLarge { name: String },
    #[error("{name}: it is binary (byte {at} is NUL), not TOML; is it the right file?")]
    Binary { name: String, at: usize },
    #[error("{name}: it is no UTF-8 text (byte {at}); save it as UTF-8")]
    NotText { name: String, at: usize },
    #[error(
        "{name}: it describes nothing; to remove what is there, use `ipvs-bpf down`, \
         or write `service = []`"
    )]
    Empty { name: String },
    #[error("{0}")]
    Mistakes(Box<Diagnostics>),
}

/// `-` is standard input.
pub fn read(path: &Path) -> Result<Config, Failure> {
    let (name, result) = if path == Path::new("-") {
        ("standard input".to_owned(), bytes(io::stdin().lock()))
    } else {
        let file = File::open(path).and_then(bytes);
        (path.display().to_string(), file)
    };
    let bytes = match result {
        Ok(bytes) => bytes,
        Err(source) => {
            return Err(match source.kind() {
                ErrorKind::NotFound => Failure::Absent { name },
                ErrorKind::PermissionDenied => Failure::Forbidden { name },
                ErrorKind::IsADirectory => Failure::Directory { name },
                _ => Failure::Unreadable { name, source },
            });
        }
    };
    let text = text(&name, bytes)?;
    parse(&name, &text).map_err(|diagnostics| Failure::Mistakes(Box::new(diagnostics)))
}

fn bytes(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    let name = name.to_owned();
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::TooLarge { name });
    }
    // Text of 16-bit characters has a byte order mark that is no UTF-8.
    let wide = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    if let Some(at) = bytes.iter().position(|byte| *byte == 0)
        && !wide
    {
        return Err(Failure::Binary { name, at });
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            return Err(Failure::NotText { name, at });
        }
    };
    // A file that lost its contents must not remove every service.
    let blank = |line: &str| {
        let line = line.trim_start_matches('\u{feff}').trim();
        line.is_empty() || line.starts_with('#')
    };
    if text.lines().all(blank) {
        return Err(Failure::Empty { name });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        text("lb.toml", bytes.to_vec()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_text_is_refused_in_one_line() {
        for (bytes, why) in [
            (&b""[..], "describes nothing"),
            (b" \n\t\n", "describes nothing"),
            (b"\xef\xbb\xbf# only words\n", "describes nothing"),
            (b"\x7fELF\x02\0\0", "byte 5 is NUL"),
            (b"a = \"\xe9\"", "no UTF-8 text (byte 5)"),
            (b"\xff\xfea\0=\0", "no UTF-8 text (byte 0)"),
        ] {
            let refusal = refusal(bytes);
            assert!(refusal.contains(why), "{refusal}");
            assert_eq!(refusal.lines().count(), 1);
        }
        let refusal = refusal(&vec![b'\n'; LARGEST as usize + 1]);
        assert!(refusal.contains("64 MiB"), "{refusal}");
    }

    #[test]
    fn what_cannot_be_read_is_refused_in_one_line() {
        let refusal = |path: &str| read(Path::new(path)).unwrap_err().to_string();
        assert!(refusal("/nowhere/lb.toml").contains("no such file"));
        assert!(refusal("/").contains("is a directory"));
        // Endless, and no text.
        assert!(refusal("/dev/zero").contains("64 MiB"));
    }
}
