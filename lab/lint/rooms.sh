#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Checks that the module's files call in one direction (docs/concepts/architecture.md): a
# folder calls only those after it, and there are no call cycles between files. Reads the
# symbols of the objects that lab/module.sh has built in a folder.
#
#   lab/lint/rooms.sh FOLDER
set -euo pipefail
cd "${1:?usage: lab/lint/rooms.sh FOLDER}"

objects=$(find . -mindepth 2 -name '*.o' -printf '%P\n'; ls main.o namespace.o)
# shellcheck disable=SC2086 # one word an object
calls=$(nm -A $objects | awk '
	{ split($1, place, ":"); object = place[1]; symbol = $NF; type = $(NF - 1) }
	type == "U" { uses[object] = uses[object] " " symbol }
	type ~ /[TDBR]/ { home[symbol] = object }
	END {
		for (object in uses) {
			split(uses[object], symbols, " ")
			for (i in symbols)
				if (symbols[i] in home && home[symbols[i]] != object)
					print object, home[symbols[i]], symbols[i]
		}
	}')
[ "$(wc -l <<<"$calls")" -gt 100 ] || {
	echo "lab/lint/rooms.sh: $PWD has no objects of the module" >&2
	exit 1
}

wrong=$(awk '
	function place(object) { return object ~ /\// ? order[substr(object, 1, index(object, "/") - 1)] : 1 }
	BEGIN { order["control"] = 2; order["packet"] = 3; order["session"] = 4; order["table"] = 5 }
	!place($1) || place($2) < place($1) { print "  " $1 " calls " $3 "() of " $2 }' <<<"$calls")
[ -z "$wrong" ] || {
	echo "lab/lint/rooms.sh: folders call only those after them (control, packet, session, table), but" >&2
	echo "$wrong" >&2
	exit 1
}

circle=$(cut -d' ' -f1,2 <<<"$calls" | sort -u | tsort 2>&1 >/dev/null) || {
	echo "lab/lint/rooms.sh: these files call each other in a circle:" >&2
	echo "$circle" >&2
	exit 1
}
