#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Draws the answers of lab/demo/panels.py as the dashboard lays its panels out.

usage: packaging/grafana/draw.py ANSWERS PICTURE.svg

Needs python3-matplotlib.
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import FuncFormatter  # noqa: E402

WIDTH = 24  # columns of the dashboard
COLUMN, ROW = 0.58, 0.28  # inches
INK, QUIET, CARD, PAPER = "#24292f", "#6e7781", "#ffffff", "#eef0f3"
COLOURS = ["#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b83280", "#b7791f", "#2c7a7b", "#718096"]

answers_file, picture = sys.argv[1:]
with open(answers_file) as file:
    answers = json.load(file)


def scaled(value, unit):
    for factor, letter in (1e9, "G"), (1e6, "M"), (1e3, "k"):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {letter}{unit}"
    return f"{value:.3g} {unit}".strip()


def said(value, unit):
    """As Grafana's units of these names."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    return scaled(value, {"short": "", "cps": "c/s", "pps": "p/s", "Bps": "B/s"}[unit])


def stat(axes, panel):
    axes.axis("off")
    series = panel["series"]
    for number, one in enumerate(series):
        middle = (number + 0.5) / len(series)
        value = said(one["points"][-1][1], panel["unit"])
        axes.text(
            middle, 0.5, value, size=20, color="#2f855a", ha="center", va="center", weight="bold"
        )
        axes.text(middle, 0.16, one["name"], size=7.5, color=QUIET, ha="center", va="center")


def lines(axes, panel):
    for number, one in enumerate(panel["series"]):
        times = [at / 60 for at, _ in one["points"]]
        values = [value for _, value in one["points"]]
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(times, values, color=colour, linewidth=1.3, label=one["name"])
    axes.set_xlim(0, answers["seconds"] / 60)
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: said(value, panel["unit"])))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} min"))
    axes.locator_params(axis="y", nbins=4)
    axes.tick_params(labelsize=7, colors=QUIET, length=0)
    axes.grid(color="#e3e6ea", linewidth=0.6)
    for side in axes.spines.values():
        side.set_visible(False)
    if panel["series"]:
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(-0.02, -0.16),
            ncol=4 if max(len(one["name"]) for one in panel["series"]) < 25 else 3,
            fontsize=6.5,
            frameon=False,
            labelcolor=INK,
            handlelength=1,
            columnspacing=1.2,
        )
    else:
        axes.text(
            0.5,
            0.5,
            "No data",
            size=11,
            color=QUIET,
            ha="center",
            va="center",
            transform=axes.transAxes,
        )


matplotlib.rcParams.update(
    {"svg.hashsalt": "ipvs-bpf", "svg.fonttype": "none", "font.family": "sans-serif"}
)
rows = max(panel["place"]["y"] + panel["place"]["h"] for panel in answers["panels"])
size = (WIDTH * COLUMN, rows * ROW)
figure = pyplot.figure(figsize=size, facecolor=PAPER)
for panel in answers["panels"]:
    place = panel["place"]
    left, width = place["x"] / WIDTH, place["w"] / WIDTH
    bottom, height = 1 - (place["y"] + place["h"]) / rows, place["h"] / rows
    edge = 0.06  # inches between panels
    card = (left + edge / size[0], bottom + edge / size[1])
    extent = (width - 2 * edge / size[0], height - 2 * edge / size[1])
    figure.patches.append(
        pyplot.Rectangle(
            card,
            *extent,
            transform=figure.transFigure,
            facecolor=CARD,
            edgecolor="#d5d9de",
            linewidth=0.8,
            zorder=-1,
        )
    )
    figure.text(
        card[0] + 0.1 / size[0],
        card[1] + extent[1] - 0.2 / size[1],
        panel["title"],
        size=9,
        color=INK,
        weight="bold",
    )
    if panel["type"] == "stat":
        stat(figure.add_axes((*card, extent[0], extent[1] * 0.85)), panel)
    else:
        inner = (card[0] + 0.75 / size[0], card[1] + 0.6 / size[1])
        lines(
            figure.add_axes((*inner, extent[0] - 0.95 / size[0], extent[1] - 0.94 / size[1])), panel
        )
figure.savefig(
    picture, metadata={"Date": None, "Title": "The dashboard of ipvs-bpf"}, facecolor=PAPER
)
