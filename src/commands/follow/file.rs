// SPDX-License-Identifier: GPL-2.0-only
//! The file that is followed: its last version without mistakes, and whether it changed
//! since.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::{self, Config, Failure, Sources, Stamp};

pub(super) struct File {
    path: PathBuf,
    config: Config,
    sources: Sources,
    /// The mistakes of the text, if it has some, as they were shown.
    wrong: Option<String>,
}

/// The result of reading the file again.
pub(super) enum Reading {
    /// The text is the same, or has the same mistakes.
    Same,
    /// The file has other text, without mistakes.
    New,
    /// The file has mistakes, or cannot be read.
    Wrong(Failure),
    /// The file changed while it was read.
    Unsettled,
}

impl File {
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let (sources, config) = config::read_with_sources(path);
        Ok(File {
            path: path.to_owned(),
            config: config?,
            sources,
            wrong: None,
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn is_valid(&self) -> bool {
        self.wrong.is_none()
    }

    /// The folders to watch.
    pub fn folders(&self) -> Vec<PathBuf> {
        self.sources.folders()
    }

    /// The files that changed, as far as the file system shows it.
    pub fn changes(&self) -> BTreeMap<PathBuf, Stamp> {
        self.sources.changes()
    }

    /// Reads the file again. With mistakes the earlier version stays. `asked`: the user
    /// says that the file is complete.
    pub fn read_again(&mut self, asked: bool) -> Reading {
        let (sources, config) = config::read_with_sources(&self.path);
        if !asked && sources.have_changed() {
            return Reading::Unsettled;
        }
        self.sources = sources;
        match config {
            Ok(config) => {
                let was_wrong = self.wrong.take().is_some();
                if !was_wrong && config.has_text_of(&self.config) {
                    return Reading::Same;
                }
                self.config = config;
                Reading::New
            }
            Err(failure) => {
                let text = failure.to_string();
                if self.wrong.as_ref() == Some(&text) {
                    return Reading::Same;
                }
                self.wrong = Some(text);
                Reading::Wrong(failure)
            }
        }
    }

    /// Mistakes are shown again, because the user asked for it.
    pub fn forget_mistakes(&mut self) {
        if let Some(wrong) = &mut self.wrong {
            wrong.clear();
        }
    }
}
