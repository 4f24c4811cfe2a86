// SPDX-License-Identifier: GPL-2.0-only
//! A plan, and the parts of it that are sent to the kernel at once.

use std::collections::BTreeMap;

use super::refusal::Refusal;
use super::step::Step;
use crate::model::{FullNat, ServiceKey, SourceLines};

/// The limit on IPVS steps in one slice. A signal waits for at most this many.
const AT_ONCE: usize = 128;

/// The steps of `apply` in order, or the reasons why it does nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// If there are any refusals, none of the steps may be carried out. The steps are
    /// then only for display.
    pub refusals: Vec<Refusal>,
    /// The services of the steps whose full NAT is the same before and after.
    pub stays_full_nat: BTreeMap<ServiceKey, FullNat>,
    /// Where the file has what a refusal is about. Empty unless the caller knows the file.
    pub places: SourceLines,
}

impl Plan {
    /// True if the kernel already has the wanted state.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refusals.is_empty()
    }

    /// Returns the steps in slices, each of which is sent to the kernel at once. There
    /// are two kinds of slices. The first is one write to the module's `local_ips` or
    /// `services`, which takes effect as a whole. Only this lets two pools exchange their
    /// only addresses. The second is a sequence of IPVS steps. The kernel carries out
    /// later steps of it even if an earlier one fails, so a removal is never in one slice
    /// with its replacement.
    ///
    /// `Err`: the plan must not be carried out.
    pub fn transactions(&self) -> Result<impl Iterator<Item = &[Step]>, &[Refusal]> {
        if !self.refusals.is_empty() {
            return Err(&self.refusals);
        }
        let together = |a: &Step, b: &Step| {
            (a.is_local_ip() && b.is_local_ip())
                || (a.is_full_nat() && b.is_full_nat())
                || (a.is_rule() && b.is_rule())
                || (is_ipvs_step(a) && is_ipvs_step(b) && a.leaves() == b.leaves())
        };
        Ok(self.steps.chunk_by(together).flat_map(at_once))
    }
}

fn is_ipvs_step(step: &Step) -> bool {
    step.ipvs_service().is_some()
}

fn at_once(steps: &[Step]) -> std::slice::Chunks<'_, Step> {
    match steps {
        [step, ..] if is_ipvs_step(step) => steps.chunks(AT_ONCE),
        _ => steps.chunks(usize::MAX),
    }
}
