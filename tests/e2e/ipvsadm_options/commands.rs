// SPDX-License-Identifier: GPL-2.0-only
//! The rows of commands.

use super::Ours::{Apply, Run};
use super::Proof::{Restored, Same, Saved, Shown, Test};
use super::Row;

const TWO_SERVERS: &[&str] = &[
    "-A -t 10.0.0.1:80 -s wrr",
    "-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m -w 3",
    "-a -t 10.0.0.1:80 -r 10.2.0.3:8080 -m -w 2",
];
const ONE_SERVER: &str = r#"
[[service]]
address = "tcp://10.0.0.1:80"
scheduler = "wrr"
  [[service.server]]
  address = "10.2.0.3:8080"
  weight = 2
"#;

pub const ROWS: &[Row] = &[
    Row {
        option: "`--add-service` `-A`",
        ours: "a `[[service]]` in the file, and `apply`",
        proof: Same {
            begin: &[],
            theirs: &["-A -t 10.0.0.1:80 -s rr"],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--edit-service` `-E`",
        ours: "change the `[[service]]`, and `apply`",
        proof: Same {
            begin: TWO_SERVERS,
            theirs: &["-E -t 10.0.0.1:80 -s lc -p 60"],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"lc\"\n\
                 persistence = { timeout = \"1m\" }\n\
                 [[service.server]]\naddress = \"10.2.0.2:8080\"\nweight = 3\n\
                 [[service.server]]\naddress = \"10.2.0.3:8080\"\nweight = 2",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--delete-service` `-D`",
        ours: "remove the `[[service]]`, and `apply`",
        proof: Same {
            begin: &[
                "-A -t 10.0.0.1:80 -s wrr",
                "-a -t 10.0.0.1:80 -r 10.2.0.3:8080 -m -w 2",
                "-A -u 10.0.0.1:53 -s rr",
            ],
            theirs: &["-D -u 10.0.0.1:53"],
            ours: &[Apply(ONE_SERVER)],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--clear` `-C`",
        ours: "`flush`; `down` removes the data plane too",
        proof: Same {
            begin: TWO_SERVERS,
            theirs: &["-C"],
            ours: &[Run("flush --yes")],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--restore` `-R`",
        ours: "`import` and `apply`",
        proof: Restored(
            "-A -t 10.0.0.1:80 -s wrr\\n-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m -w 3\\n-A -t 10.0.0.2:0 -s rr -p\\n-A -t 10.0.0.3:80\\n-a -t 10.0.0.3:80 -r 10.2.0.2\\n",
        ),
    },
    Row {
        option: "`--save` `-S`",
        ours: "`export`; `save` writes a file for `apply`",
        proof: Saved(TWO_SERVERS),
    },
    Row {
        option: "`--add-server` `-a`",
        ours: "a `[[service.server]]`, and `apply`",
        proof: Same {
            begin: &["-A -t 10.0.0.1:80 -s wrr"],
            theirs: &["-a -t 10.0.0.1:80 -r 10.2.0.3:8080 -m -w 2"],
            ours: &[Apply(ONE_SERVER)],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--edit-server` `-e`",
        ours: "change the `[[service.server]]`, and `apply`; `weight` changes only the weight",
        proof: Same {
            begin: TWO_SERVERS,
            theirs: &[
                "-e -t 10.0.0.1:80 -r 10.2.0.2:8080 -m -w 7",
                "-e -t 10.0.0.1:80 -r 10.2.0.3:8080 -m -w 8",
            ],
            ours: &[
                Apply(
                    "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"wrr\"\n\
                     [[service.server]]\naddress = \"10.2.0.2:8080\"\nweight = 7\n\
                     [[service.server]]\naddress = \"10.2.0.3:8080\"\nweight = 2",
                ),
                Run("weight tcp://10.0.0.1:80 10.2.0.3:8080 8"),
            ],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--delete-server` `-d`",
        ours: "`drain --remove`; or remove the `[[service.server]]`, and `apply`",
        proof: Same {
            begin: &[
                "-A -t 10.0.0.1:80 -s wrr",
                "-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m -w 3",
                "-a -t 10.0.0.1:80 -r 10.2.0.3:8080 -m -w 2",
                "-a -t 10.0.0.1:80 -r 10.2.0.4:8080 -m",
            ],
            theirs: &[
                "-d -t 10.0.0.1:80 -r 10.2.0.2:8080",
                "-d -t 10.0.0.1:80 -r 10.2.0.4:8080",
            ],
            ours: &[
                Run("drain tcp://10.0.0.1:80 10.2.0.4:8080 --remove"),
                Apply(ONE_SERVER),
            ],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--list` `-L` `-l`",
        ours: "`show`",
        proof: Shown {
            begin: TWO_SERVERS,
            theirs: "-L -n",
            ours: "show",
            both: &["10.0.0.1:80", "wrr", "10.2.0.2:8080", "10.2.0.3:8080"],
        },
    },
    Row {
        option: "`--zero` `-Z`",
        ours: "`zero`",
        proof: Test(
            crate::weight_and_zero::zero_sets_the_counters_of_one_service_or_of_all_to_zero,
        ),
    },
    Row {
        option: "`--set` TCP TCPFIN UDP",
        ours: "`[timeouts]`: `tcp`, `tcp_fin`, `udp`",
        proof: Same {
            begin: &[],
            theirs: &["--set 700 80 90"],
            ours: &[Apply(
                "[timeouts]\ntcp = \"11m40s\"\ntcp_fin = \"80s\"\nudp = \"90s\"",
            )],
            listing: "-L --timeout",
        },
    },
    Row {
        option: "`--start-daemon` master\\|backup",
        ours: "`[sync]`: `master = { … }`, `backup = { … }`",
        proof: Same {
            begin: &[],
            theirs: &[
                "--start-daemon master --mcast-interface eth2 --syncid 1",
                "--start-daemon backup --mcast-interface eth2 --syncid 2",
            ],
            ours: &[Apply(
                "[sync]\nmaster = { interface = \"eth2\", id = 1 }\n\
                 backup = { interface = \"eth2\", id = 2 }",
            )],
            listing: "-L --daemon",
        },
    },
    Row {
        option: "`--stop-daemon` master\\|backup",
        ours: "`[sync]` without it",
        proof: Same {
            begin: &[
                "--start-daemon master --mcast-interface eth2 --syncid 1",
                "--start-daemon backup --mcast-interface eth2 --syncid 2",
            ],
            theirs: &["--stop-daemon backup"],
            ours: &[Apply("[sync]\nmaster = { interface = \"eth2\", id = 1 }")],
            listing: "-L --daemon",
        },
    },
    Row {
        option: "`--help` `-h`",
        ours: "`--help`, `help`, and `man`",
        proof: Shown {
            begin: &[],
            theirs: "--help",
            ours: "--help",
            both: &["Usage:"],
        },
    },
];
