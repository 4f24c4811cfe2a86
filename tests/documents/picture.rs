// SPDX-License-Identifier: GPL-2.0-only
//! Each drawing has the checksum of the source that it was drawn from. The drawings
//! themselves are not compared, because they differ between releases of graphviz.
//! docs/reference/dashboard.svg must have the panels of the dashboard.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::calls::lines_below;
use crate::markdown::ROOT;
use crate::read;

/// The texts between two marks, for each occurrence.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    let parts = text.split(begin).skip(1);
    parts
        .filter_map(|part| Some(part.split_once(end)?.0))
        .collect()
}

/// The graphviz sources below docs/.
fn sources() -> Vec<PathBuf> {
    let mut sources = Vec::new();
    for folder in fs::read_dir(Path::new(ROOT).join("docs")).unwrap() {
        let folder = folder.unwrap().path();
        for file in fs::read_dir(folder).into_iter().flatten() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "dot") {
                sources.push(path);
            }
        }
    }
    assert!(sources.len() > 5, "{sources:?}");
    sources
}

#[test]
fn each_drawing_is_drawn_from_its_source_and_shown_by_a_page() {
    for source in sources() {
        let sum = Command::new("sha256sum").arg(&source).output().unwrap();
        let sum = String::from_utf8(sum.stdout).unwrap();
        let sum = sum.split(' ').next().unwrap();
        let drawing = source.with_extension("svg");
        let svg = fs::read_to_string(&drawing).unwrap();
        let drawn_from = format!("<!-- source: {sum} -->");
        assert!(svg.contains(&drawn_from), "{drawing:?}: run `make picture`");

        let page = fs::read_to_string(source.with_extension("md")).unwrap();
        let name = drawing.file_name().unwrap().to_str().unwrap();
        assert!(page.contains(&format!("]({name})")), "{drawing:?}");
    }
}

#[test]
fn the_functions_of_the_drawings_are_there() {
    let mut code = Vec::new();
    for folder in ["kmod", "bpf"] {
        lines_below(&Path::new(ROOT).join(folder), &mut code);
    }
    let mut count = 0;
    for source in sources() {
        let text = fs::read_to_string(&source).unwrap();
        for label in between(&text, "label=\"", "\"") {
            for words in label.split("\\n").filter(|words| words.contains("()")) {
                let name = words.split("()").next().unwrap();
                let call = format!("{name}(");
                // bpf() is a system call.
                let there = name == "bpf" || code.iter().any(|line| line.contains(&call));
                assert!(there, "{source:?}: {name}()");
                count += 1;
            }
        }
    }
    assert!(count > 4, "{count}");
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
        let root = Path::new(ROOT);
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
    // packaging/grafana/draw.py uses this style for them.
    let bold = texts.iter().filter(|text| text.contains("700 9px"));
    let drawn = bold.filter_map(|text| Some(text.split_once('>')?.1));
    assert_eq!(drawn.collect::<BTreeSet<_>>(), titles, "make dashboard");
}
