// SPDX-License-Identifier: GPL-2.0-only
//! docs/concepts/benchmark.svg: the cost of a packet, a new session and a short TCP connection on
//! each path, and of a packet between cards, at XDP as well. Each axis begins at 0.

use std::error::Error;
use std::fs;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::cards;
use crate::report::{Choice, PATHS, Report, WHOLE, number};

const FILE: &str = "docs/concepts/benchmark.svg";
const SIZE: (u32, u32) = (880, 1190);
const TITLE_HEIGHT: i32 = 44;
/// The height of a bar, and of the rest of a panel.
const BAR_HEIGHT: i32 = 30;
const FRAME_HEIGHT: i32 = 66;

/// The panel between cards is the second one.
const PANELS: [(Choice, &str); 3] = [
    (
        Choice::of("packet", "ipv4"),
        "per packet of a flow in use (mean of both directions)",
    ),
    (Choice::of("session", "ipv4"), "per new session"),
    (
        Choice::of("connection", "ipv4"),
        "per short TCP connection (SYN to last ACK, 8 segments)",
    ),
];

const PAPER: RGBColor = RGBColor(255, 255, 255);
const INK: RGBColor = RGBColor(31, 35, 40);
const LINES: RGBColor = RGBColor(209, 217, 224);
/// In the order of `PATHS`. Grey paths translate less than full NAT does.
const BARS: [RGBColor; 8] = [
    RGBColor(175, 184, 193),
    RGBColor(175, 184, 193),
    RGBColor(175, 184, 193),
    RGBColor(212, 123, 58),
    RGBColor(214, 150, 96),
    RGBColor(196, 166, 60),
    RGBColor(76, 154, 180),
    RGBColor(38, 142, 108),
];
const AT_XDP: RGBColor = RGBColor(20, 108, 82);
/// Colours for dark pages, as CSS. It overrides the attributes that plotters writes. The
/// bars have the same colours on both.
const DARK: [(RGBColor, &str); 3] = [(PAPER, "#0d1117"), (INK, "#e6edf3"), (LINES, "#3d444d")];

/// A path with its cost.
struct Bar {
    name: &'static str,
    cost: f64,
    colour: RGBColor,
    is_whole: bool,
}

/// `between_cards`: the costs of [`cards::PATHS`].
pub fn draw(report: &Report, between_cards: &[f64]) -> Result<(), Box<dyn Error>> {
    let mut panels = Vec::new();
    for (choice, title) in PANELS {
        panels.push((title, bars(report, choice, title)?));
    }
    let title = "per packet between two virtio-net cards, their drivers included";
    panels.insert(1, (title, bars_between_cards(between_cards)));
    let mut svg = String::new();
    {
        let page = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        page.fill(&PAPER)?;
        let title = format!(
            "Instructions of the kernel, IPv4, small packets, Linux {}",
            report.kernel
        );
        let (head, mut rest) = page.margin(8, 0, 0, 0).split_vertically(TITLE_HEIGHT);
        head.titled(&title, ("sans-serif", 21).into_font().color(&INK))?;
        for (title, bars) in &panels {
            let height = FRAME_HEIGHT + BAR_HEIGHT * i32::try_from(bars.len())?;
            let (area, below) = rest.split_vertically(height);
            panel(&area, title, bars)?;
            rest = below;
        }
        page.present()?;
    }
    fs::write(FILE, with_dark_colours(&svg)).map_err(|error| format!("{FILE}: {error}"))?;
    Ok(())
}

fn bars(report: &Report, choice: Choice, title: &str) -> Result<Vec<Bar>, Box<dyn Error>> {
    let mut bars = Vec::new();
    for ((path, name), colour) in PATHS.into_iter().zip(BARS) {
        let cost = report.cost(choice, path);
        bars.push(Bar {
            name,
            cost: cost.ok_or_else(|| format!("the report has no {title} of {path}"))?,
            colour,
            is_whole: path == WHOLE,
        });
    }
    Ok(bars)
}

/// A path has the colour that it has in the other panels.
fn bars_between_cards(costs: &[f64]) -> Vec<Bar> {
    let colour = |path| PATHS.iter().position(|(other, _)| *other == path);
    let bars = cards::PATHS.into_iter().zip(costs);
    bars.map(|((path, name), cost)| Bar {
        name,
        cost: *cost,
        colour: colour(path).map_or(AT_XDP, |at| BARS[at]),
        is_whole: path == WHOLE,
    })
    .collect()
}

fn panel(
    area: &DrawingArea<SVGBackend, Shift>,
    title: &str,
    bars: &[Bar],
) -> Result<(), Box<dyn Error>> {
    let whole = bars.iter().find(|bar| bar.is_whole);
    let whole = whole.map_or(1.0, |bar| bar.cost);
    let longest = bars.iter().map(|bar| bar.cost).fold(0.0, f64::max);
    let text = ("sans-serif", 16).into_font().color(&INK);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18).into_font().color(&INK))
        .margin_right(20)
        .x_label_area_size(28)
        .y_label_area_size(250)
        // Leaves room for the figure after the longest bar.
        .build_cartesian_2d(0.0..longest * 1.2, (0..bars.len() - 1).into_segmented())?;
    // The first path is at the top.
    let place = |index: usize| bars.len() - 1 - index;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(LINES)
        .axis_style(LINES)
        .x_labels(6)
        .x_label_formatter(&|cost| number(*cost))
        .y_labels(bars.len())
        .y_label_formatter(&|segment| match segment {
            SegmentValue::CenterOf(index) => bars
                .get(place(*index))
                .map_or(String::new(), |bar| bar.name.to_owned()),
            _ => String::new(),
        })
        .label_style(text.clone())
        .draw()?;
    for (index, Bar { cost, colour, .. }) in bars.iter().enumerate() {
        let (row, cost) = (place(index), *cost);
        let ends = [
            (0.0, SegmentValue::Exact(row)),
            (cost, SegmentValue::Exact(row + 1)),
        ];
        let mut bar = Rectangle::new(ends, colour.filled());
        bar.set_margin(3, 3, 0, 0);
        let figures = format!("{} ({:.2})", number(cost), cost / whole);
        let aligned = text.clone().pos(Pos::new(HPos::Left, VPos::Center));
        let label = EmptyElement::at((cost, SegmentValue::CenterOf(row)))
            + Text::new(figures, (8, 0), aligned);
        chart.draw_series([bar])?;
        chart.draw_series([label])?;
    }
    Ok(())
}

fn with_dark_colours(svg: &str) -> String {
    let mut style = "<style>@media (prefers-color-scheme: dark) {".to_owned();
    for (RGBColor(red, green, blue), dark) in DARK {
        for attribute in ["fill", "stroke"] {
            style += &format!(
                "[{attribute}=\"#{red:02X}{green:02X}{blue:02X}\"] {{ {attribute}: {dark} }} "
            );
        }
    }
    style += "}</style>\n";
    // Inserts the style after the first tag.
    match svg.split_once(">\n") {
        Some((tag, rest)) => format!("{tag}>\n{style}{rest}"),
        None => svg.to_owned(),
    }
}
