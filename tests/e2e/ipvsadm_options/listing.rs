// SPDX-License-Identifier: GPL-2.0-only
//! The rows of listings and their formats.

use super::Proof::{Shown, Test};
use super::Row;

const RULES: &[&str] = &[
    "-A -t 10.0.0.1:80 -s wrr",
    "-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m -w 3 -x 7001 -y 6001",
    "-a -t 10.0.0.1:80 -r 10.2.0.3:80 -i --tun-type gue --tun-port 6080 --tun-remcsum",
];

const fn shown(
    option: &'static str,
    ours: &'static str,
    list: &'static str,
    show: &'static str,
    both: &'static [&'static str],
) -> Row {
    Row {
        option,
        ours,
        proof: Shown {
            begin: RULES,
            theirs: list,
            ours: show,
            both,
        },
    }
}

pub const ROWS: &[Row] = &[
    Row {
        option: "`--connection` `-c`",
        ours: "`show --connections`; `show --sessions` for full NAT",
        proof: Test(crate::show::same_as_ipvsadm::the_connections_are_those_of_ipvsadm),
    },
    shown(
        "`--timeout`",
        "`show --timeouts`",
        "-L --timeout",
        "show --timeouts --exact",
        &["900", "120", "300"],
    ),
    Row {
        option: "`--daemon`",
        ours: "`show --daemon`",
        proof: Shown {
            begin: &["--start-daemon master --mcast-interface eth2 --syncid 77"],
            theirs: "-L --daemon",
            ours: "show --daemon",
            both: &["master", "eth2", "77"],
        },
    },
    Row {
        option: "`--stats`",
        ours: "`show --stats`",
        proof: Test(crate::show::same_as_ipvsadm::totals_rates_thresholds_and_connections_are_those_of_ipvsadm),
    },
    Row {
        option: "`--rate`",
        ours: "`show --rate`",
        proof: Test(crate::show::same_as_ipvsadm::totals_rates_thresholds_and_connections_are_those_of_ipvsadm),
    },
    Row {
        option: "`--exact`",
        ours: "`--exact`; `--json` is always exact",
        proof: Test(crate::show::same_as_ipvsadm::totals_rates_thresholds_and_connections_are_those_of_ipvsadm),
    },
    shown(
        "`--thresholds`",
        "`show --thresholds`",
        "-Ln --thresholds",
        "show --thresholds --exact",
        &["7001", "6001"],
    ),
    Row {
        option: "`--persistent-conn`",
        ours: "`show --persistent-conn`",
        proof: Test(crate::show::same_as_ipvsadm::totals_rates_thresholds_and_connections_are_those_of_ipvsadm),
    },
    shown(
        "`--tun-info`",
        "`show`, in the column Forward",
        "-Ln --tun-info",
        "show",
        &["gue", "6080"],
    ),
    shown(
        "`--nosort`",
        "not needed: `show --sort COLUMN` chooses the order",
        "-Ln --nosort",
        "show --sort weight",
        &["10.2.0.2:8080", "10.2.0.3:80"],
    ),
    shown(
        "`--sort`",
        "`show`, by protocol and address unless `--sort COLUMN` says otherwise",
        "-Ln --sort",
        "show",
        &["10.2.0.2:8080", "10.2.0.3:80"],
    ),
    shown(
        "`--numeric` `-n`",
        "always, unless with `show --names`",
        "-Ln",
        "show",
        &["10.0.0.1:80", "10.2.0.2:8080"],
    ),
];
