#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Takes the screen of `ipvs-bpf show --watch` at a busy director, in a terminal of tmux.
#
#   lab/demo/watch.sh FILE    in a virtual machine; FILE gets the screen
#
# IPVS_BPF is the CLI to use. lab/demo/frame.py draws the screen.
set -euo pipefail

lab=$(dirname "$(dirname "$(readlink -f "$0")")")
cli=${IPVS_BPF:-$lab/../target/release/ipvs-bpf}

# shellcheck source=lab/demo/busy.sh
source "$lab/demo/busy.sh"

terminal() {
	tmux -L watch -f /dev/null "$@"
}

# Succeeds if every service has clients now: no row of one ends with a rate of 0.
busy() {
	[ "$(grep -cE '^(tcp|udp)://.* [1-9][^ ]*$' <<<"$1")" -eq 3 ]
}

[ $# -eq 1 ] || {
	echo "usage: lab/demo/watch.sh FILE" >&2
	exit 2
}
start_director
visit 120 &
director tmux -L watch -f /dev/null new-session -d -x 112 -y 13 "$cli show --watch"
for _ in {1..200}; do
	screen=$(terminal capture-pane -e -p)
	! busy "$screen" || break
	sleep 0.5
done
busy "$screen" || {
	echo "lab/demo/watch.sh: a service has no clients:" >&2
	echo "$screen" >&2
	exit 1
}
echo "$screen" >"$1"
