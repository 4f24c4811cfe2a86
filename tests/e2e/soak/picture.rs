// SPDX-License-Identifier: GPL-2.0-only
//! target/soak/soak.svg: sessions, objects, memory and bytes over time.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::counts::FAMILIES;
use super::memory::{CACHES, KINDS};
use super::report::{FOLDER, Sample};
use crate::pair::DIRECTORS;

const SIZE: (u32, u32) = (880, 1000);
const COLOURS: [RGBColor; 4] = [
    RGBColor(0, 84, 166),
    RGBColor(200, 60, 30),
    RGBColor(40, 130, 60),
    RGBColor(120, 70, 160),
];

const FAILOVER: RGBColor = RGBColor(90, 90, 90);
/// The width of the names of lines, at the right.
const NAMES: u32 = 130;

/// One value for each sample.
struct Line {
    name: &'static str,
    values: Vec<f64>,
}

struct Panel {
    title: &'static str,
    lines: Vec<Line>,
}

fn line(name: &'static str, samples: &[Sample], value: impl Fn(&Sample) -> f64) -> Line {
    Line {
        name,
        values: samples.iter().map(value).collect(),
    }
}

fn panels(samples: &[Sample]) -> [Panel; 4] {
    let sessions = DIRECTORS
        .iter()
        .enumerate()
        .map(|(index, name)| line(name, samples, |sample| sample.sessions[index] as f64));
    let objects = CACHES
        .iter()
        .enumerate()
        .map(|(index, name)| line(name, samples, |sample| sample.memory.objects[index] as f64));
    let memory = KINDS.iter().map(|kind| {
        let first = (kind.of)(&samples[0].memory) as f64;
        let more = |sample: &Sample| ((kind.of)(&sample.memory) as f64 - first) / 1024.0;
        line(kind.name, samples, more)
    });
    let bytes = FAMILIES.iter().enumerate().map(|(index, name)| {
        let mib = |sample: &Sample| sample.traffic.families[index].bytes as f64 / 1_048_576.0;
        line(name, samples, mib)
    });
    [
        Panel {
            title: "sessions of each director",
            lines: sessions.collect(),
        },
        Panel {
            title: "objects in use, of both directors",
            lines: objects.collect(),
        },
        Panel {
            title: "kernel memory, MiB more than at the first sample",
            lines: memory.collect(),
        },
        Panel {
            title: "bytes that came back, MiB",
            lines: bytes.collect(),
        },
    ]
}

pub fn draw(samples: &[Sample]) -> Result<(), Box<dyn std::error::Error>> {
    let file = format!("{FOLDER}/soak.svg");
    let page = SVGBackend::new(&file, SIZE).into_drawing_area();
    page.fill(&WHITE)?;
    let panels = panels(samples);
    let failovers = samples.windows(2).filter_map(|pair| {
        let is_later = pair[1].traffic.failovers > pair[0].traffic.failovers;
        is_later.then_some(pair[1].seconds)
    });
    let failovers: Vec<u64> = failovers.collect();
    for (area, panel) in page.split_evenly((panels.len(), 1)).iter().zip(&panels) {
        let (chart, names) = area.split_horizontally(SIZE.0 - NAMES);
        panel.draw(&chart, samples, &failovers)?;
        panel.draw_names(&names)?;
    }
    page.present()?;
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

impl Panel {
    fn draw<'a>(&self, area: &Area<'a>, samples: &[Sample], failovers: &[u64]) -> Drawn<'a> {
        let end = samples.last().map_or(1, |sample| sample.seconds.max(1));
        let values = || {
            self.lines
                .iter()
                .flat_map(|line| line.values.iter().copied())
        };
        let most = values().fold(1.0, f64::max);
        let least = values().fold(0.0, f64::min);
        let margin = (most - least) / 10.0;
        let bottom = if least < 0.0 { least - margin } else { 0.0 };
        let top = most + margin;
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(34)
            .y_label_area_size(50)
            .build_cartesian_2d(0..end, bottom..top)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(230, 230, 230))
            .x_desc("seconds")
            .y_label_formatter(&|value| match most - least {
                0.0..10.0 => format!("{value:.1}"),
                _ => format!("{value:.0}"),
            })
            .draw()?;
        for seconds in failovers {
            let ends = [(*seconds, bottom), (*seconds, top)];
            chart.draw_series(DashedLineSeries::new(ends, 4, 4, FAILOVER.into()))?;
        }
        for (line, colour) in self.lines.iter().zip(COLOURS) {
            let seconds = samples.iter().map(|sample| sample.seconds);
            let points = seconds.zip(line.values.iter().copied());
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        }
        Ok(())
    }

    /// Names the lines.
    fn draw_names<'a>(&self, area: &Area<'a>) -> Drawn<'a> {
        let lines = self.lines.iter().zip(COLOURS);
        let names = lines.map(|(line, colour)| (line.name, colour));
        for ((name, colour), row) in names.chain([("a failover", FAILOVER)]).zip(0..) {
            let y = 50 + 20 * row;
            let stroke = vec![(0, y), (16, y)];
            area.draw(&PathElement::new(stroke, colour.stroke_width(2)))?;
            area.draw(&Text::new(name, (24, y - 6), ("sans-serif", 13)))?;
        }
        Ok(())
    }
}
