// SPDX-License-Identifier: GPL-2.0-only
//! The rows of options that identify and describe a server.

use super::Ours::Apply;
use super::Proof::Same;
use super::Row;

pub const ROWS: &[Row] = &[
    Row {
        option: "`--real-server` `-r`",
        ours: "`[[service.server]]` with `address = \"10.2.0.2:8080\"`",
        proof: Same {
            begin: &["-A -t 10.0.0.1:80 -s rr"],
            theirs: &[
                "-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m",
                "-a -t 10.0.0.1:80 -r 10.2.0.2:8081 -m",
            ],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service.server]]\naddress = \"10.2.0.2:8080\"\n[[service.server]]\naddress = \"10.2.0.2:8081\"",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--gatewaying` `-g`",
        ours: "`forward = \"route\"`",
        proof: Same {
            begin: &["-A -t 10.0.0.1:80 -s rr"],
            theirs: &["-a -t 10.0.0.1:80 -r 10.2.0.2:80 -g"],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service.server]]\naddress = \"10.2.0.2:80\"\nforward = \"route\"",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--ipip` `-i`",
        ours: "`forward = \"tunnel\"`",
        proof: Same {
            begin: &["-A -t 10.0.0.1:80 -s rr"],
            theirs: &["-a -t 10.0.0.1:80 -r 10.2.0.2:80 -i"],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service.server]]\naddress = \"10.2.0.2:80\"\nforward = \"tunnel\"",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--masquerading` `-m`",
        ours: "`forward = \"masq\"`, the default",
        proof: Same {
            begin: &["-A -t 10.0.0.1:80 -s rr"],
            theirs: &["-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m"],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service.server]]\naddress = \"10.2.0.2:8080\"",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--tun-type`",
        ours: "`tunnel = { type = \"gre\" }`: `ipip`, `gue` or `gre`",
        proof: Same {
            begin: &["-A -t 10.0.0.1:80 -s rr"],
            theirs: &[
                "-a -t 10.0.0.1:80 -r 10.2.0.2:80 -i --tun-type gre",
                "-a -t 10.0.0.1:80 -r 10.2.0.3:80 -i --tun-type ipip",
                "-a -t 10.0.0.1:80 -r 10.2.0.4:80 -i --tun-type gue --tun-port 6080",
            ],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service.server]]\naddress = \"10.2.0.2:80\"\nforward = \"tunnel\"\ntunnel = { type = \"gre\" }\n[[service.server]]\naddress = \"10.2.0.3:80\"\nforward = \"tunnel\"\ntunnel = { type = \"ipip\" }\n[[service.server]]\naddress = \"10.2.0.4:80\"\nforward = \"tunnel\"\ntunnel = { type = \"gue\", port = 6080 }",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--tun-port`",
        ours: "`tunnel = { type = \"gue\", port = 6080 }`",
        proof: Same {
            begin: &["-A -t 10.0.0.1:80 -s rr"],
            theirs: &["-a -t 10.0.0.1:80 -r 10.2.0.2:80 -i --tun-type gue --tun-port 6080"],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service.server]]\naddress = \"10.2.0.2:80\"\nforward = \"tunnel\"\ntunnel = { type = \"gue\", port = 6080 }",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--tun-nocsum`",
        ours: "`tunnel = { type = \"gre\", checksum = \"none\" }`, the default",
        proof: Same {
            begin: &["-A -t 10.0.0.1:80 -s rr"],
            theirs: &["-a -t 10.0.0.1:80 -r 10.2.0.2:80 -i --tun-type gre --tun-nocsum"],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service.server]]\naddress = \"10.2.0.2:80\"\nforward = \"tunnel\"\ntunnel = { type = \"gre\", checksum = \"none\" }",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--tun-csum`",
        ours: "`tunnel = { type = \"gre\", checksum = \"full\" }`",
        proof: Same {
            begin: &["-A -t 10.0.0.1:80 -s rr"],
            theirs: &["-a -t 10.0.0.1:80 -r 10.2.0.2:80 -i --tun-type gre --tun-csum"],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service.server]]\naddress = \"10.2.0.2:80\"\nforward = \"tunnel\"\ntunnel = { type = \"gre\", checksum = \"full\" }",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--tun-remcsum`",
        ours: "`tunnel = { type = \"gue\", port = 6080, checksum = \"remote\" }`",
        proof: Same {
            begin: &["-A -t 10.0.0.1:80 -s rr"],
            theirs: &[
                "-a -t 10.0.0.1:80 -r 10.2.0.2:80 -i --tun-type gue --tun-port 6080 --tun-remcsum",
            ],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service.server]]\naddress = \"10.2.0.2:80\"\nforward = \"tunnel\"\ntunnel = { type = \"gue\", port = 6080, checksum = \"remote\" }",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--weight` `-w`",
        ours: "`weight = 3`; `weight SERVICE SERVER 3` at once",
        proof: Same {
            begin: &["-A -t 10.0.0.1:80 -s rr"],
            theirs: &[
                "-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m -w 3",
                "-a -t 10.0.0.1:80 -r 10.2.0.3:8080 -m -w 0",
            ],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service.server]]\naddress = \"10.2.0.2:8080\"\nweight = 3\n[[service.server]]\naddress = \"10.2.0.3:8080\"\nweight = 0",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--u-threshold` `-x`",
        ours: "`upper_threshold = 70`",
        proof: Same {
            begin: &["-A -t 10.0.0.1:80 -s rr"],
            theirs: &["-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m -x 70"],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service.server]]\naddress = \"10.2.0.2:8080\"\nupper_threshold = 70",
            )],
            listing: "-Ln --thresholds",
        },
    },
    Row {
        option: "`--l-threshold` `-y`",
        ours: "`lower_threshold = 7`",
        proof: Same {
            begin: &["-A -t 10.0.0.1:80 -s rr"],
            theirs: &["-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m -x 70 -y 7"],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service.server]]\naddress = \"10.2.0.2:8080\"\nupper_threshold = 70\nlower_threshold = 7",
            )],
            listing: "-Ln --thresholds",
        },
    },
];
