// SPDX-License-Identifier: GPL-2.0-only
//! `import` reads the output of `export` as the same state.

use ipvs_bpf::config;
use ipvs_bpf::ipvsadm::{Names, export, import};
use ipvs_bpf::model::State;
use proptest::prelude::*;

use super::full_nat_states::full_nat;
use super::states::native;

fn imported(text: &str) -> State {
    let toml = import("rules", text, &Names::default());
    let toml = toml.unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    config::parse("imported.toml", &toml).unwrap().on_any_host()
}

proptest! {
    #[test]
    fn native_services_are_imported_as_they_were_exported(state in native(&["rr", "sh", "mh", "none", "quux"], &["sip"])) {
        let exported = export(&state);
        prop_assert_eq!(&exported.lost, &[] as &[String]);
        prop_assert_eq!(imported(&exported.text), state, "{}", exported.text);
    }

    #[test]
    fn everything_but_full_nat_is_imported_as_it_was_exported(state in full_nat()) {
        let exported = export(&state);
        let pools = 1;
        prop_assert_eq!(exported.lost.len(), 1 + pools + state.full_nat.len());
        let native = State { services: state.services, ..State::default() };
        prop_assert_eq!(imported(&exported.text), native, "{}", exported.text);
    }
}
