// SPDX-License-Identifier: GPL-2.0-only
//! What can be written but nothing serves yet: refused by name, never ignored.
//! Whoever makes something work deletes its lines here.

use super::diagnostics::{Mistake, Mistakes, Span};
use super::parse::Config;

fn refuse(mistakes: &Mistakes, span: &Span, what: &str, instead: &str) {
    mistakes.add(Mistake::new(
        span,
        format!("{what}: not supported yet"),
        instead,
    ));
}

pub(super) fn check(config: &Config, mistakes: &Mistakes) {
    if let Some(director) = &config.director
        && let Some((true, span)) = &director.fast_path
    {
        let instead = "write false: every packet passes through IPVS";
        refuse(mistakes, span, "`fast_path = true`", instead);
    }
}
