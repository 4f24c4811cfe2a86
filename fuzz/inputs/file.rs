// SPDX-License-Identifier: GPL-2.0-only
//! Any bytes as a file: a state, or mistakes that can be shown. A state that
//! was read is written again, and read as the same.

use ipvs_bpf::config::write::{Notes, save};
use ipvs_bpf::config::{Diagnostics, Failure, Report, parse};
use ipvs_bpf::ipvsadm::export;

pub fn take(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let config = match parse("input", &text) {
        Ok(config) => config,
        Err(diagnostics) => return shown(diagnostics),
    };
    let interfaces = ["eth0".to_owned(), "lo".to_owned()];
    config.desired(&interfaces);
    if let Some(warnings) = config.warnings_on(&interfaces) {
        shown(warnings);
    }
    let state = config.on_any_host();
    // Patterns are escaped as if they were names.
    let native = ipvs_bpf::model::State {
        datapath: None,
        local_ips: Default::default(),
        full_nat: Default::default(),
        // Only those that the kernel does not begin with are written.
        sysctls: Default::default(),
        // A table without daemons, and the usual length, are not written.
        sync: None,
        ..state.clone()
    };
    let saved = save(&native, Notes::default()).unwrap();
    assert_eq!(saved.unsaid, [] as [String; 0], "{}", saved.text);
    let again = parse("saved", &saved.text).unwrap().on_any_host();
    assert_eq!(again, native, "{}", saved.text);
    // Of the whole, that it is a file.
    save(&state, Notes::default()).unwrap();
    export(&state);
}

fn shown(diagnostics: Diagnostics) {
    assert!(diagnostics.count() > 0);
    let text = diagnostics.render(false);
    let steers = |letter: char| letter.is_control() && letter != '\n';
    assert_eq!(text.find(steers), None, "{text:?}");
    let failure = Failure::Mistakes(Box::new(diagnostics));
    serde_json::to_string(&Report::of_failure(&failure)).unwrap();
}
