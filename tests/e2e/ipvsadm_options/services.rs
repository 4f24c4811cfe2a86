// SPDX-License-Identifier: GPL-2.0-only
//! The rows of options that identify and describe a service.

use super::Ours::Apply;
use super::Proof::Same;
use super::Row;

pub const ROWS: &[Row] = &[
    Row {
        option: "`--tcp-service` `-t`",
        ours: "`address = \"tcp://10.0.0.1:80\"`",
        proof: Same {
            begin: &[],
            theirs: &["-A -t 10.0.0.1:80 -s rr", "-A -t [fd00::1]:80 -s rr"],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service]]\naddress = \"tcp://[fd00::1]:80\"\nscheduler = \"rr\"",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--udp-service` `-u`",
        ours: "`address = \"udp://10.0.0.1:53\"`",
        proof: Same {
            begin: &[],
            theirs: &["-A -u 10.0.0.1:53 -s rr", "-A -u [fd00::1]:53 -s rr"],
            ours: &[Apply(
                "[[service]]\naddress = \"udp://10.0.0.1:53\"\nscheduler = \"rr\"\n[[service]]\naddress = \"udp://[fd00::1]:53\"\nscheduler = \"rr\"",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--sctp-service`",
        ours: "`address = \"sctp://10.0.0.1:132\"`",
        proof: Same {
            begin: &[],
            theirs: &["-A --sctp-service 10.0.0.1:132 -s rr"],
            ours: &[Apply(
                "[[service]]\naddress = \"sctp://10.0.0.1:132\"\nscheduler = \"rr\"",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--fwmark-service` `-f`",
        ours: "`address = \"fwmark://7\"`",
        proof: Same {
            begin: &[],
            theirs: &["-A -f 7 -s rr"],
            ours: &[Apply(
                "[[service]]\naddress = \"fwmark://7\"\nscheduler = \"rr\"",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--ipv6` `-6`",
        ours: "`address = \"fwmark6://7\"`",
        proof: Same {
            begin: &[],
            theirs: &["-A -f 7 -6 -s rr"],
            ours: &[Apply(
                "[[service]]\naddress = \"fwmark6://7\"\nscheduler = \"rr\"",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--scheduler` `-s`",
        ours: "`scheduler = \"wrr\"`",
        proof: Same {
            begin: &[],
            theirs: &[
                "-A -t 10.0.0.1:80 -s rr",
                "-A -t 10.0.0.2:80 -s wrr",
                "-A -t 10.0.0.3:80 -s lc",
                "-A -t 10.0.0.4:80 -s wlc",
                "-A -t 10.0.0.5:80 -s lblc",
                "-A -t 10.0.0.6:80 -s lblcr",
                "-A -t 10.0.0.7:80 -s dh",
                "-A -t 10.0.0.8:80 -s sh",
                "-A -t 10.0.0.9:80 -s sed",
                "-A -t 10.0.0.10:80 -s nq",
                "-A -t 10.0.0.11:80 -s fo",
                "-A -t 10.0.0.12:80 -s ovf",
                "-A -t 10.0.0.13:80 -s mh",
            ],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n[[service]]\naddress = \"tcp://10.0.0.2:80\"\nscheduler = \"wrr\"\n[[service]]\naddress = \"tcp://10.0.0.3:80\"\nscheduler = \"lc\"\n[[service]]\naddress = \"tcp://10.0.0.4:80\"\nscheduler = \"wlc\"\n[[service]]\naddress = \"tcp://10.0.0.5:80\"\nscheduler = \"lblc\"\n[[service]]\naddress = \"tcp://10.0.0.6:80\"\nscheduler = \"lblcr\"\n[[service]]\naddress = \"tcp://10.0.0.7:80\"\nscheduler = \"dh\"\n[[service]]\naddress = \"tcp://10.0.0.8:80\"\nscheduler = \"sh\"\n[[service]]\naddress = \"tcp://10.0.0.9:80\"\nscheduler = \"sed\"\n[[service]]\naddress = \"tcp://10.0.0.10:80\"\nscheduler = \"nq\"\n[[service]]\naddress = \"tcp://10.0.0.11:80\"\nscheduler = \"fo\"\n[[service]]\naddress = \"tcp://10.0.0.12:80\"\nscheduler = \"ovf\"\n[[service]]\naddress = \"tcp://10.0.0.13:80\"\nscheduler = \"mh\"",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--sched-flags` `-b`",
        ours: "`scheduler_flags = [\"sh-fallback\", \"sh-port\"]`",
        proof: Same {
            begin: &[],
            theirs: &[
                "-A -t 10.0.0.1:80 -s sh -b sh-fallback,sh-port",
                "-A -t 10.0.0.2:80 -s mh -b mh-port,mh-fallback",
                "-A -t 10.0.0.3:80 -s rr -b flag-1,flag-3",
            ],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"sh\"\nscheduler_flags = [\"sh-fallback\", \"sh-port\"]\n[[service]]\naddress = \"tcp://10.0.0.2:80\"\nscheduler = \"mh\"\nscheduler_flags = [\"mh-fallback\", \"mh-port\"]\n[[service]]\naddress = \"tcp://10.0.0.3:80\"\nscheduler = \"rr\"\nscheduler_flags = [\"flag-1\", \"flag-3\"]",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--persistent` `-p`",
        ours: "`persistence = { timeout = \"6m\" }`: without a timeout, ipvsadm takes 6 minutes, and the file 5. Port 0 for every port",
        proof: Same {
            begin: &[],
            theirs: &["-A -t 10.0.0.1:80 -s rr -p", "-A -t 10.0.0.2:0 -s rr -p 61"],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\npersistence = { timeout = \"6m\" }\n[[service]]\naddress = \"tcp://10.0.0.2:0\"\nscheduler = \"rr\"\npersistence = { timeout = \"61s\" }",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--netmask` `-M`",
        ours: "`persistence = { timeout = \"5m\", netmask = 24 }`",
        proof: Same {
            begin: &[],
            theirs: &[
                "-A -t 10.0.0.1:80 -s rr -p 300 -M 255.255.255.0",
                "-A -t [fd00::1]:80 -s rr -p 300 -M 64",
            ],
            ours: &[Apply(
                "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\npersistence = { timeout = \"5m\", netmask = 24 }\n[[service]]\naddress = \"tcp://[fd00::1]:80\"\nscheduler = \"rr\"\npersistence = { timeout = \"5m\", netmask = 64 }",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--pe`",
        ours: "`persistence = { timeout = \"1m\", engine = \"sip\" }`",
        proof: Same {
            begin: &[],
            theirs: &["-A -u 10.0.0.1:5060 -s rr -p 60 --pe sip"],
            ours: &[Apply(
                "[[service]]\naddress = \"udp://10.0.0.1:5060\"\nscheduler = \"rr\"\npersistence = { timeout = \"1m\", engine = \"sip\" }",
            )],
            listing: "-Sn",
        },
    },
    Row {
        option: "`--ops` `-o`",
        ours: "`one_packet = true`",
        proof: Same {
            begin: &[],
            theirs: &["-A -u 10.0.0.1:53 -s rr -o"],
            ours: &[Apply(
                "[[service]]\naddress = \"udp://10.0.0.1:53\"\nscheduler = \"rr\"\none_packet = true",
            )],
            listing: "-Sn",
        },
    },
];
