// SPDX-License-Identifier: GPL-2.0-only
//! Reading the file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::{Config, Diagnostics, parse};

/// 20 000 services with four servers each are 6 MiB.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Why there is no [`Config`].
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{name}: {source}")]
    Unreadable { name: String, source: io::Error },
    #[error("{name}: it has more than 64 MiB, which no such file has")]
    TooLarge { name: String },
    #[error("{name}: it is no UTF-8 text (byte {at})")]
    NotText { name: String, at: usize },
    #[error("{name}: it is empty; without any service, `ipvs-bpf down` is what removes them all")]
    Empty { name: String },
    #[error("{0}")]
    Mistakes(Box<Diagnostics>),
}

/// `-` is standard input.
pub fn read(path: &Path) -> Result<Config, Failure> {
    let (name, result) = if path == Path::new("-") {
        ("standard input".to_owned(), bytes(io::stdin().lock()))
    } else {
        (path.display().to_string(), File::open(path).and_then(bytes))
    };
    let bytes = match result {
        Ok(bytes) => bytes,
        Err(source) => return Err(Failure::Unreadable { name, source }),
    };
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::TooLarge { name });
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            return Err(Failure::NotText { name, at });
        }
    };
    if text.trim().is_empty() {
        return Err(Failure::Empty { name });
    }
    parse(&name, &text).map_err(|diagnostics| Failure::Mistakes(Box::new(diagnostics)))
}

fn bytes(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
