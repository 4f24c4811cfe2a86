// SPDX-License-Identifier: GPL-2.0-only
//! Any bytes as the text of ipvsadm: a file, or mistakes that can be shown. A
//! file that came out is a good one, and what it exports is imported as the
//! same.

use ipvs_bpf::config::parse;
use ipvs_bpf::ipvsadm::{Names, export, import};

const HOSTS: &str = "10.0.0.9 web\n";
const SERVICES: &str = "http 80/tcp\ndomain 53/udp\n";

pub fn take(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let names = Names::new(HOSTS, SERVICES);
    let toml = match import("input", &text, &names) {
        Ok(toml) => toml,
        Err(diagnostics) => {
            assert!(diagnostics.count() > 0);
            let text = diagnostics.render(false);
            let steers = |letter: char| letter.is_control() && letter != '\n';
            assert_eq!(text.find(steers), None, "{text:?}");
            return;
        }
    };
    let state = parse("imported", &toml).unwrap().on_any_host();
    let exported = export(&state);
    if exported.lost.is_empty() {
        let again = import("exported", &exported.text, &names).unwrap();
        let again = parse("imported", &again).unwrap().on_any_host();
        assert_eq!(again, state, "{}", exported.text);
    }
}
