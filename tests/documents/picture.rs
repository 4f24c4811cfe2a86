// SPDX-License-Identifier: GPL-2.0-only
//! docs/concepts/architecture.svg is drawn from docs/concepts/architecture.dot, and must have the same
//! arrows and words. Coordinates are not compared, because they differ between releases
//! of graphviz. docs/reference/dashboard.svg must have the panels of the dashboard.

use std::collections::BTreeSet;

use crate::read;

/// The texts between two marks, for each occurrence.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    let parts = text.split(begin).skip(1);
    parts
        .filter_map(|part| Some(part.split_once(end)?.0))
        .collect()
}

fn plain(text: &str) -> String {
    let text = text.replace("&#45;", "-").replace("&gt;", ">");
    text.replace("&#39;", "'").replace("&amp;", "&")
}

/// `a -> b -> c` has two arrows.
fn arrows(dot: &str) -> BTreeSet<String> {
    let mut arrows = BTreeSet::new();
    for line in dot.lines().filter(|line| line.contains("->")) {
        let nodes: Vec<&str> = line.split('[').next().unwrap().split("->").collect();
        for pair in nodes.windows(2) {
            arrows.insert(format!("{}->{}", pair[0].trim(), pair[1].trim()));
        }
    }
    arrows
}

#[test]
fn the_picture_of_the_architecture_is_drawn_from_its_source() {
    let dot = read("docs/concepts/architecture.dot");
    let svg = read("docs/concepts/architecture.svg");
    let titles = between(&svg, "<title>", "</title>");
    let drawn: BTreeSet<String> = titles.into_iter().map(plain).collect();
    let drawn_arrows: BTreeSet<String> = drawn
        .into_iter()
        .filter(|title| title.contains("->"))
        .collect();
    assert_eq!(drawn_arrows, arrows(&dot), "make picture");
    let labels = between(&dot, "label=\"", "\"");
    let words: BTreeSet<String> = labels
        .iter()
        .flat_map(|label| label.split("\\n"))
        .map(str::to_owned)
        .collect();
    let texts = between(&svg, "<text ", "</text>");
    let drawn: BTreeSet<String> = texts
        .iter()
        .filter_map(|text| Some(plain(text.split_once('>')?.1)))
        .collect();
    assert_eq!(drawn, words, "make picture");
}

#[test]
fn the_folders_of_the_picture_are_there() {
    for label in between(&read("docs/concepts/architecture.dot"), "label=\"", "\"") {
        let Some((folder, _)) = label.split_once('/').filter(|(f, _)| f.is_ascii()) else {
            continue;
        };
        if folder.is_empty() {
            continue;
        }
        let root = std::path::Path::new(crate::markdown::ROOT);
        let there = [root.join(folder), root.join("src").join(folder)];
        assert!(there.iter().any(|path| path.is_dir()), "{label}");
    }
}

#[test]
fn the_picture_of_the_dashboard_has_its_panels_and_no_others() {
    let dashboard = read("packaging/grafana/ipvs-bpf.json");
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let titles: BTreeSet<&str> = panels
        .iter()
        .map(|p| p["title"].as_str().unwrap())
        .collect();
    let svg = read("docs/reference/dashboard.svg");
    let texts = between(&svg, "<text ", "</text>");
    // packaging/grafana/draw uses this style for them.
    let bold = texts.iter().filter(|text| text.contains("700 9px"));
    let drawn = bold.filter_map(|text| Some(text.split_once('>')?.1));
    assert_eq!(drawn.collect::<BTreeSet<_>>(), titles, "make dashboard");
}
