// SPDX-License-Identifier: GPL-2.0-only
//! Reads what is attached to the interfaces that carry the programs or are
//! supposed to.

use std::collections::BTreeSet;

use crate::datapath;
use crate::director::{self, Error};
use crate::doctor::interfaces::{Attachments, Before, ProgramBefore, UnfitForXdp};
use crate::model::State;
use crate::plan::Refusal;

pub fn read(wanted: &State) -> Result<Attachments, Error> {
    let running = director::running_data_plane()?;
    let mut attachments = Attachments {
        attached: running.interfaces,
        at_xdp: running.xdp,
        ..Attachments::default()
    };
    for interface in wanted.datapath.iter().flat_map(|datapath| &datapath.xdp) {
        let unfit = datapath::unfit(interface)?;
        let refusal = unfit.map(|unfit| Refusal::xdp(interface, unfit).to_string());
        let unfit = refusal.map(|refusal| UnfitForXdp {
            interface: interface.clone(),
            refusal,
        });
        attachments.unfit_for_xdp.extend(unfit);
    }
    let datapath = wanted.datapath.iter();
    let wanted: BTreeSet<&String> = datapath.flat_map(|datapath| &datapath.interfaces).collect();
    for interface in wanted {
        // The interface does not exist, so nothing is attached.
        let Some(earlier) = datapath::earlier(interface)? else {
            continue;
        };
        let before = earlier.before.into_iter().map(|filter| Before {
            interface: interface.clone(),
            priority: filter.priority,
            kind: filter.kind,
        });
        attachments.before.extend(before);
        let programs = earlier.programs.into_iter().map(|program| ProgramBefore {
            interface: interface.clone(),
            id: program.id,
            name: program.name,
        });
        attachments.programs_before.extend(programs);
    }
    Ok(attachments)
}
