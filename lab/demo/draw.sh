#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Draws graphviz sources as pictures next to them, all in the same style, for light and dark
# pages. A picture has the checksum of its source, which tests/documents/picture.rs compares.
#
#   lab/demo/draw.sh FILE.dot…
set -euo pipefail

style='
	graph [bgcolor=white pad=0.1 fontname=Helvetica fontsize=12]
	node [shape=box style="rounded,filled" fillcolor=white color="#555555" margin="0.12,0.08"
		fontname=Helvetica fontsize=12]
	edge [color="#555555" arrowsize=0.7 fontname=Helvetica fontsize=10]
'
# The colours that the sources use, and those of a dark page.
dark=(
	"white #0d1117" "#555555 #9198a1" "#2b6cb0 #58a6ff" "#c05621 #f0883e"
	"#eef4fb #16263a" "#9bb7d4 #4a6785" "#f6f6f2 #161b22" "#b9b9a8 #3d444d"
	"#dff0d8 #14301a" "#fdeecf #3a2c10"
)
rules='text { fill: #e6edf3 }'
for pair in "${dark[@]}"; do
	read -r light dim <<<"$pair"
	rules+=" [fill=\"$light\"] { fill: $dim } [stroke=\"$light\"] { stroke: $dim }"
done

for source; do
	sum=$(sha256sum <"$source")
	while IFS= read -r line; do
		printf '%s\n' "$line"
		[[ $line != digraph* ]] || printf '%s' "$style"
	done <"$source" | dot -Tsvg |
		sed "s|^<g id=\"graph0\"|<!-- source: ${sum%% *} -->\n<style>@media (prefers-color-scheme: dark) { $rules }</style>\n&|" \
			>"${source%.dot}.svg"
done
