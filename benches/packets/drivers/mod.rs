// SPDX-License-Identifier: GPL-2.0-only
//! The whole director between two emulated cards with native XDP: driver in, path, driver
//! out. Generator and sink are outside of the machine, so nothing is subtracted.

mod cards;
mod generator;
mod goals;
mod parts;
mod report;
mod table;
mod window;

use generator::Generator;
pub use report::{Run, write};
pub use table::print;
use window::Windows;

/// Measures these parts, or all, of these paths between cards of this model.
pub fn measure(model: &str, parts: &[String]) -> Result<Run, String> {
    let parts = parts::named(parts)?;
    // QEMU's name of the card, without its bus, is the driver's.
    let driver = model.trim_end_matches("-pci").replace('-', "_");
    parts::prepare(&driver);
    let generator = Generator::open();
    let windows = Windows::measured(&generator);
    let mut run = Run::of(model);
    let paths = parts::paths_of_this_kernel();
    for part in parts {
        eprintln!("part {}", part.name);
        for path in paths.iter().filter(|path| part.has(**path)) {
            eprintln!("  {}", path.name());
            run.rows.extend(part.measure(*path, &generator, &windows));
        }
    }
    run.finish();
    Ok(run)
}
