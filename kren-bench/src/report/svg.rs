//! The picture for the documents: round trips and streams over the size of the messages, Rust to Rust.

use std::fmt::Write as _;

use serde_json::Value;

use super::size_name;
use crate::figures::{Choice, Figures};
use crate::link::Test;
use crate::options::Options;

const WIDTH: f64 = 1010.0;
const HEIGHT: f64 = 470.0;
const TOP: f64 = 74.0;
const BOTTOM: f64 = 56.0;
const PANEL: f64 = 340.0;
const LEFT: [f64; 2] = [64.0, 562.0];
/// For the names at the right end of the lines.
const NAMES_APART: f64 = 13.0;

/// What is drawn; the limits are dashed.
const SHOWN: [(&str, &str); 13] = [
    ("raw", "limit"),
    ("copy", "limit"),
    ("kren", "kren"),
    ("kren-inplace", "kren2"),
    ("tachyon", "a"),
    ("ringfire", "b"),
    ("cloudtoid", "c"),
    ("iceoryx2", "d"),
    ("aeron", "e"),
    ("zeromq", "f"),
    ("pipe", "g"),
    ("unix", "h"),
    ("kren-batch", "kren3"),
];

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#333}.title{font-size:15px;font-weight:600}\
.small{font-size:11px;fill:#777}.name{font-size:11px;fill:currentColor}\
.grid{stroke:#ddd}.line{fill:none;stroke:currentColor;stroke-width:1.6}\
.limit{color:#888;stroke-dasharray:5 4}.kren{color:#d6331f}.kren.line{stroke-width:3}\
.kren2{color:#d6331f;stroke-dasharray:2 3}.kren3{color:#d6331f;stroke-dasharray:8 3}\
.a{color:#1f77b4}.b{color:#2a9d5c}.c{color:#8e5bbd}.d{color:#b8860b}.e{color:#17a2b8}\
.f{color:#8c564b}.g{color:#c2699f}.h{color:#6b7a8f}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.small{fill:#999}.name{fill:currentColor}\
.grid{stroke:#444}}";

/// One line: a point for each size that was measured.
struct Line {
    name: &'static str,
    class: &'static str,
    points: Vec<(usize, f64)>,
}

pub(super) fn draw(options: &Options, machine: &Value, figures: &Figures) -> String {
    let trips = lines(options, figures, Test::Trips, |_, ns| ns);
    let streams = lines(options, figures, Test::Stream, |size, ns| {
        size as f64 / ns * 1e9
    });
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
         <title>Round trips and streams between two processes</title>\n<style>{STYLE}</style>\n"
    );
    panel(
        &mut svg,
        LEFT[0],
        "Round trip, less is better",
        &options.sizes,
        &trips,
        super::time,
    );
    panel(
        &mut svg,
        LEFT[1],
        "One way, more is better",
        &options.sizes,
        &streams,
        rate,
    );
    let processor = machine["processor"].as_str().unwrap_or_default();
    let _ = writeln!(
        svg,
        "<text class=\"small\" x=\"{}\" y=\"{}\">Two processes, Rust to Rust; medians of {} rounds; {}; size of the \
         messages below</text>\n</svg>",
        LEFT[0],
        HEIGHT - 10.0,
        options.rounds,
        escaped(processor),
    );
    svg
}

fn lines(
    options: &Options,
    figures: &Figures,
    test: Test,
    value: impl Fn(usize, f64) -> f64,
) -> Vec<Line> {
    let of = |name: &'static str, class| {
        let point = |&size: &usize| {
            let choice = Choice {
                pair: "Rust to Rust",
                transport: name,
                size,
                test,
                placement: None,
            };
            let ns = match (name, test) {
                ("copy", Test::Stream) => figures.alone("copy", size, 0),
                _ => figures.median(choice, |figure| figure.ns),
            };
            Some((size, value(size, ns?)))
        };
        Line {
            name,
            class,
            points: options.sizes.iter().filter_map(point).collect(),
        }
    };
    let lines = SHOWN.iter().map(|&(name, class)| of(name, class));
    lines.filter(|line| !line.points.is_empty()).collect()
}

fn panel(
    svg: &mut String,
    left: f64,
    title: &str,
    sizes: &[usize],
    lines: &[Line],
    label: impl Fn(f64) -> String,
) {
    let values = || {
        lines
            .iter()
            .flat_map(|line| line.points.iter().map(|point| point.1))
    };
    let (low, high) = (
        values().fold(f64::MAX, f64::min),
        values().fold(0.0, f64::max),
    );
    if high <= 0.0 {
        return;
    }
    let (first, last) = (low.log10().floor(), high.log10().ceil());
    let bottom = HEIGHT - BOTTOM;
    let y = |value: f64| bottom - (value.log10() - first) / (last - first) * (bottom - TOP);
    let x = |size: usize| {
        let at = sizes.iter().position(|other| *other == size).unwrap_or(0);
        left + at as f64 / (sizes.len().max(2) - 1) as f64 * PANEL
    };
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"{left}\" y=\"40\">{title}</text>"
    );
    for power in first as i32..=last as i32 {
        let value = 10f64.powi(power);
        let (at, right, text) = (y(value), left + PANEL, escaped(&label(value)));
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{left}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>\
             <text class=\"small\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            left - 6.0,
            at + 4.0
        );
    }
    for &size in sizes {
        let _ = writeln!(
            svg,
            "<text class=\"small\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x(size),
            bottom + 18.0,
            size_name(size)
        );
    }
    let mut names = Vec::new();
    for line in lines {
        let points: Vec<String> = line
            .points
            .iter()
            .map(|&(size, value)| format!("{:.1},{:.1}", x(size), y(value)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline class=\"line {}\" points=\"{}\"/>",
            line.class,
            points.join(" ")
        );
        let &(_, value) = line.points.last().expect("empty lines were left out");
        names.push((y(value), line.class, line.name));
    }
    // Names that would lie on one another move down.
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = f64::MIN;
    for (wanted, class, name) in names {
        let at = wanted.max(free);
        free = at + NAMES_APART;
        let _ = writeln!(
            svg,
            "<text class=\"name {class}\" x=\"{}\" y=\"{:.1}\">{name}</text>",
            left + PANEL + 8.0,
            at + 4.0
        );
    }
}

fn rate(bytes: f64) -> String {
    match bytes {
        ..1e6 => format!("{:.0} KB/s", bytes / 1e3),
        ..1e9 => format!("{:.0} MB/s", bytes / 1e6),
        _ => format!("{:.0} GB/s", bytes / 1e9),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
