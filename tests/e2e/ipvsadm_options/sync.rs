// SPDX-License-Identifier: GPL-2.0-only
//! The rows of options of the sync daemons.

use super::Ours::Apply;
use super::Proof::Same;
use super::Row;

pub const ROWS: &[Row] = &[
    Row {
        option: "`--syncid`",
        ours: "`master = { interface = \"eth2\", id = 7 }`",
        proof: Same {
            begin: &[],
            theirs: &["--start-daemon master --mcast-interface eth2 --syncid 7"],
            ours: &[Apply("[sync]\nmaster = { interface = \"eth2\", id = 7 }")],
            listing: "-L --daemon",
        },
    },
    Row {
        option: "`--sync-maxlen`",
        ours: "`master = { interface = \"eth2\", sync_maxlen = 1000 }`",
        proof: Same {
            begin: &[],
            theirs: &["--start-daemon master --mcast-interface eth2 --syncid 0 --sync-maxlen 1000"],
            ours: &[Apply(
                "[sync]\nmaster = { interface = \"eth2\", sync_maxlen = 1000 }",
            )],
            listing: "-L --daemon",
        },
    },
    Row {
        option: "`--mcast-interface`",
        ours: "`backup = { interface = \"eth2\" }`",
        proof: Same {
            begin: &[],
            theirs: &["--start-daemon backup --mcast-interface eth2 --syncid 0"],
            ours: &[Apply("[sync]\nbackup = { interface = \"eth2\" }")],
            listing: "-L --daemon",
        },
    },
    Row {
        option: "`--mcast-group`",
        ours: "`master = { interface = \"eth2\", group = \"224.0.0.99\" }`",
        proof: Same {
            begin: &[],
            theirs: &[
                "--start-daemon master --mcast-interface eth2 --syncid 0 --mcast-group 224.0.0.99",
            ],
            ours: &[Apply(
                "[sync]\nmaster = { interface = \"eth2\", group = \"224.0.0.99\" }",
            )],
            listing: "-L --daemon",
        },
    },
    Row {
        option: "`--mcast-port`",
        ours: "`master = { interface = \"eth2\", port = 9000 }`",
        proof: Same {
            begin: &[],
            theirs: &["--start-daemon master --mcast-interface eth2 --syncid 0 --mcast-port 9000"],
            ours: &[Apply(
                "[sync]\nmaster = { interface = \"eth2\", port = 9000 }",
            )],
            listing: "-L --daemon",
        },
    },
    Row {
        option: "`--mcast-ttl`",
        ours: "`master = { interface = \"eth2\", ttl = 5 }`",
        proof: Same {
            begin: &[],
            theirs: &["--start-daemon master --mcast-interface eth2 --syncid 0 --mcast-ttl 5"],
            ours: &[Apply("[sync]\nmaster = { interface = \"eth2\", ttl = 5 }")],
            listing: "-L --daemon",
        },
    },
];
