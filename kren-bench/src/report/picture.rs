//! The pictures for the documents: round trips and streams of each pair of languages, or what growing costs.

use plotters::style::RGBColor;

use super::chart::{self, Line, Look, Panel};
use super::{Record, growth, size_name};
use crate::Result;
use crate::figures::{Choice, Figures, Grown, Growth};
use crate::link::Test;

const fn thin(red: u8, green: u8, blue: u8) -> Look {
    Look {
        colour: RGBColor(red, green, blue),
        dashes: None,
        width: 1,
    }
}

const fn dashed(look: Look, dashes: [u32; 2]) -> Look {
    Look {
        dashes: Some(dashes),
        ..look
    }
}

const LIMIT: Look = dashed(thin(136, 136, 136), [5, 4]);
const KREN: Look = Look {
    width: 3,
    ..thin(214, 51, 31)
};
const DOTTED: Look = dashed(thin(214, 51, 31), [2, 3]);
const DASHED: Look = dashed(thin(214, 51, 31), [8, 3]);
const BLUE: Look = thin(31, 119, 180);
const GREEN: Look = thin(42, 157, 92);
const VIOLET: Look = thin(142, 91, 189);
const GOLD: Look = thin(184, 134, 11);
const CYAN: Look = thin(23, 162, 184);
const BROWN: Look = thin(140, 86, 75);
const PINK: Look = thin(194, 105, 159);
const GREY: Look = thin(107, 122, 143);

/// What is drawn of two processes of a language; the limits and ways of ours are dashed.
const SHOWN: [(&str, Look); 22] = [
    ("raw", LIMIT),
    ("copy", LIMIT),
    ("kren", KREN),
    ("kren-inplace", DOTTED),
    ("kren-batch", DASHED),
    ("kren-many", DASHED),
    ("kren-untouched", DASHED),
    ("tachyon", BLUE),
    ("slots", BLUE),
    ("jsring", BLUE),
    ("ringfire", GREEN),
    ("crossbar", PINK),
    ("bcast", BROWN),
    ("mp-pipe", GREEN),
    ("worker", GREEN),
    ("cloudtoid", VIOLET),
    ("iceoryx2", GOLD),
    ("aeron", CYAN),
    ("mp-queue", CYAN),
    ("child", CYAN),
    ("zeromq", BROWN),
    ("unix", GREY),
];
const PIPE: (&str, Look) = ("pipe", PINK);

pub(super) fn draw(record: &Record) -> Result<String> {
    let figures = &record.figures;
    let processor = record.machine["processor"].as_str().unwrap_or_default();
    let rows = if figures.grown.is_empty() {
        let pairs = figures.pairs.iter().map(|(pair, _)| pair.as_str());
        pairs.map(|pair| languages(figures, pair)).collect()
    } else {
        let pairs = figures.pairs.iter().map(|(pair, _)| pair.as_str());
        pairs
            .flat_map(|pair| grown(figures, pair))
            .collect::<Vec<_>>()
    };
    let caption = format!(
        "Two processes; medians over the rounds in which the processors lay as they did mostly; {processor}"
    );
    chart::draw(&caption, &rows)
}

/// A panel for round trips and one for streams, over the size of the messages.
fn languages(figures: &Figures, pair: &str) -> Vec<Panel> {
    let sizes = figures.sizes(pair);
    // One line must not jump where the processors moved between two sizes.
    let usual = Some(figures.usual_placement(pair));
    let panel = |title: &str, test, label, value: fn(usize, f64) -> f64| {
        let line = |&(name, look): &(&str, Look)| {
            let points = sizes.iter().enumerate().filter_map(|(at, &size)| {
                let choice = Choice {
                    pair,
                    transport: name,
                    size,
                    test,
                    placement: usual,
                };
                let ns = match (name, test) {
                    ("copy", Test::Stream) => figures.copy(pair, size),
                    _ => figures
                        .median(choice, |figure| figure.ns)
                        .or_else(|| figures.median(choice.placed(None), |figure| figure.ns)),
                };
                Some((at, value(size, ns?)))
            });
            Line {
                name: name.to_owned(),
                look,
                points: points.collect(),
            }
        };
        let mut lines: Vec<Line> = SHOWN.iter().chain([&PIPE]).map(line).collect();
        lines.retain(|line| !line.points.is_empty());
        Panel {
            title: format!("{pair}: {title}"),
            points: sizes.iter().map(|&size| size_name(size)).collect(),
            lines,
            label,
            whole_scale: false,
        }
    };
    vec![
        panel("round trip, less is better", Test::Trips, power, |_, ns| ns),
        panel("one way, more is better", Test::Stream, rate, |size, ns| {
            size as f64 / ns * 1e9
        }),
    ]
}

/// Rows of panels over what there was more of.
fn grown(figures: &Figures, pair: &str) -> Vec<Vec<Panel>> {
    let channels = growth::steps(figures, pair, Growth::Beside);
    let capacities = growth::steps(figures, pair, Growth::Capacity);
    let line = |name: &str, look, what, steps: &[usize], value: fn(&Grown) -> f64| {
        let points = steps.iter().enumerate().filter_map(|(at, &step)| {
            Some((at, growth::median_of(figures, pair, what, step, value)?))
        });
        Line {
            name: name.to_owned(),
            look,
            points: points.collect(),
        }
    };
    let trips = "round trip of 64 B";
    let panel = |title: String, points, lines| Panel {
        title,
        points,
        lines,
        label: power,
        whole_scale: true,
    };
    let by_channels = panel(
        format!("{pair}: {trips}, by channels"),
        channels.iter().map(usize::to_string).collect(),
        vec![
            line("raw", LIMIT, Growth::Beside, &channels, |grown| grown.raw),
            line("one used", KREN, Growth::Beside, &channels, |grown| {
                grown.trip
            }),
            line("in turn", BLUE, Growth::Around, &channels, |grown| {
                grown.trip
            }),
        ],
    );
    let by_capacity = panel(
        format!("{pair}: 64 B, by capacity"),
        capacities.iter().map(|&size| size_name(size)).collect(),
        vec![
            line("raw", LIMIT, Growth::Capacity, &capacities, |grown| {
                grown.raw
            }),
            line("round trip", KREN, Growth::Capacity, &capacities, |grown| {
                grown.trip
            }),
            line("one way", BLUE, Growth::Capacity, &capacities, |grown| {
                grown.message
            }),
        ],
    );
    vec![vec![by_channels, by_capacity], languages(figures, pair)]
}

/// A power of ten of nanoseconds.
fn power(ns: f64) -> String {
    match ns {
        ..1e3 => format!("{ns} ns"),
        ..1e6 => format!("{} us", ns / 1e3),
        _ => format!("{} ms", ns / 1e6),
    }
}

fn rate(bytes: f64) -> String {
    match bytes {
        ..1e6 => format!("{:.0} KB/s", bytes / 1e3),
        ..1e9 => format!("{:.0} MB/s", bytes / 1e6),
        _ => format!("{:.0} GB/s", bytes / 1e9),
    }
}
