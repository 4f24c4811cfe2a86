#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Draws the screen of a terminal.

usage: lab/demo/frame.py TITLE <SCREEN >PICTURE

SCREEN is text with escapes, as of `tmux capture-pane -e`; colours and bold are kept.
PICTURE is SVG.
"""

import re
import sys
from html import escape

COLUMN, LINE, TOP, LEFT, SIZE = 7.83, 18, 52, 14, 13
COLOURS = ["#6e7681", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#e6edf3"]
STYLE = f"font-family:monospace;font-size:{SIZE}px;fill:#e6edf3"


def styles(codes, style):
    """The style after an escape that sets these attributes."""
    for code in codes:
        if code in (0, 39):
            style = {} if code == 0 else {**style, "fill": None}
        elif code in (1, 22):
            style = {**style, "font-weight": "bold" if code == 1 else None}
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = {**style, "fill": COLOURS[code % 10]}
        else:
            sys.exit(f"lab/demo/frame.py: unknown attribute {code}")
    return style


def line(text, at):
    style, parts = {}, []
    for index, part in enumerate(re.split(r"\x1b\[([0-9;]*)m", text)):
        if index % 2:
            style = styles([int(code or 0) for code in part.split(";")], style)
        elif part:
            css = "".join(f"{key}:{value};" for key, value in style.items() if value)
            words = escape(part, quote=False)
            parts.append(f'<tspan style="{css}">{words}</tspan>' if css else words)
    return f'<text x="{LEFT}" y="{TOP + at * LINE}">{"".join(parts)}</text>'


lines = sys.stdin.read().rstrip("\n").split("\n")
columns = max(len(re.sub(r"\x1b\[[0-9;]*m", "", text)) for text in lines)
width = round(columns * COLUMN + 2 * LEFT)
height = TOP + len(lines) * LINE - 4
title = escape(sys.argv[1])
print(
    '<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve"'
    f' viewBox="0 0 {width} {height}" width="{width}">',
    f"<title>{title}</title>",
    f"<style>text {{ {STYLE} }}</style>",
    f'<rect width="{width}" height="{height}" rx="8" fill="#161b22"/>',
    f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" fill="none"'
    ' stroke="#3d444d"/>',
    *(f'<circle cx="{20 + 18 * n}" cy="18" r="5" fill="#3d444d"/>' for n in range(3)),
    f'<text x="{width / 2}" y="22" text-anchor="middle" style="fill:#9198a1">{title}</text>',
    *(line(text, at) for at, text in enumerate(lines)),
    "</svg>",
    sep="\n",
)
