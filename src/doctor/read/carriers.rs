// SPDX-License-Identifier: GPL-2.0-only
//! Reads what is attached to the interfaces that carry the programs or are
//! supposed to.

use std::collections::BTreeSet;

use crate::datapath;
use crate::director::{self, Error};
use crate::doctor::interfaces::{Before, Carriers, ProgramBefore};
use crate::model::State;

pub fn read(wanted: &State) -> Result<Carriers, Error> {
    let mut carriers = Carriers {
        attached: director::data_plane_now()?.interfaces,
        ..Carriers::default()
    };
    let datapath = wanted.datapath.iter();
    let wanted: BTreeSet<&String> = datapath.flat_map(|datapath| &datapath.interfaces).collect();
    for interface in wanted {
        // The interface does not exist, so nothing is attached.
        let Some(hanging) = datapath::hanging(interface)? else {
            continue;
        };
        let before = hanging.before.into_iter().map(|filter| Before {
            interface: interface.clone(),
            priority: filter.priority,
            kind: filter.kind,
        });
        carriers.before.extend(before);
        let programs = hanging.programs.into_iter().map(|program| ProgramBefore {
            interface: interface.clone(),
            id: program.id,
            name: program.name,
        });
        carriers.programs_before.extend(programs);
    }
    Ok(carriers)
}
