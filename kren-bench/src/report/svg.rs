//! Curves on logarithmic scales, drawn as SVG.

use std::fmt::Write as _;

const PANEL: f64 = 340.0;
const PANEL_HEIGHT: f64 = 340.0;
/// Room at the left of a panel for its scale, and at the right for the names of its lines.
const SCALE: f64 = 64.0;
const NAMES: f64 = 94.0;
/// Above a panel for its title, below it for what its points are.
const TITLE: f64 = 54.0;
const POINTS: f64 = 36.0;
const CAPTION: f64 = 24.0;
const NAMES_APART: f64 = 13.0;
/// More names of points than this would lie on one another.
const MOST_POINTS: usize = 8;

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

/// One line: its height at each point that it has.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) class: &'static str,
    pub(super) points: Vec<(usize, f64)>,
}

pub(super) struct Panel {
    pub(super) title: String,
    /// What the points are, from left to right.
    pub(super) points: Vec<String>,
    pub(super) lines: Vec<Line>,
    /// How a height is written.
    pub(super) label: fn(f64) -> String,
    /// The scale starts at 1 or lower, so that a flat line is seen to be flat.
    pub(super) whole_scale: bool,
}

/// Draws panels, some in each row.
pub(super) fn draw(title: &str, caption: &str, rows: &[Vec<Panel>]) -> String {
    let wide = rows.iter().map(Vec::len).max().unwrap_or(0) as f64;
    let width = wide * (SCALE + PANEL + NAMES);
    let row_height = TITLE + PANEL_HEIGHT + POINTS;
    let height = rows.len() as f64 * row_height + CAPTION;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n",
        escaped(title)
    );
    for (row, panels) in rows.iter().enumerate() {
        for (column, panel) in panels.iter().enumerate() {
            let left = column as f64 * (SCALE + PANEL + NAMES) + SCALE;
            draw_panel(&mut svg, panel, left, row as f64 * row_height + TITLE);
        }
    }
    let _ = writeln!(
        svg,
        "<text class=\"small\" x=\"{SCALE}\" y=\"{}\">{}</text>\n</svg>",
        height - 8.0,
        escaped(caption)
    );
    svg
}

fn draw_panel(svg: &mut String, panel: &Panel, left: f64, top: f64) {
    let values = || {
        let points = panel.lines.iter().flat_map(|line| &line.points);
        points.map(|point| point.1)
    };
    let low = values().fold(f64::MAX, f64::min);
    let high = values().fold(0.0, f64::max);
    if high <= 0.0 {
        return;
    }
    let (mut first, last) = (low.log10().floor(), high.log10().ceil());
    if panel.whole_scale {
        first = first.min(0.0);
    }
    let last = last.max(first + 1.0);
    let bottom = top + PANEL_HEIGHT;
    let y = |value: f64| bottom - (value.log10() - first) / (last - first) * PANEL_HEIGHT;
    let apart = PANEL / (panel.points.len().max(2) - 1) as f64;
    let x = |at: usize| left + at as f64 * apart;
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"{left}\" y=\"{}\">{}</text>",
        top - 22.0,
        escaped(&panel.title)
    );
    for power in first as i32..=last as i32 {
        let value = 10f64.powi(power);
        let (at, right, text) = (y(value), left + PANEL, escaped(&(panel.label)(value)));
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{left}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>\
             <text class=\"small\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            left - 6.0,
            at + 4.0
        );
    }
    let every = panel.points.len().div_ceil(MOST_POINTS).max(1);
    for (at, point) in panel.points.iter().enumerate().step_by(every) {
        let _ = writeln!(
            svg,
            "<text class=\"small\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x(at),
            bottom + 18.0,
            escaped(point)
        );
    }
    let mut names = Vec::new();
    for line in panel.lines.iter().filter(|line| !line.points.is_empty()) {
        let points = line.points.iter();
        let points = points.map(|&(at, value)| format!("{:.1},{:.1}", x(at), y(value)));
        let _ = writeln!(
            svg,
            "<polyline class=\"line {}\" points=\"{}\"/>",
            line.class,
            points.collect::<Vec<_>>().join(" ")
        );
        let value = line.points.last().map_or(1.0, |point| point.1);
        names.push((y(value), line.class, &line.name));
    }
    // Names that would lie on one another move down.
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = f64::MIN;
    for (wanted, class, name) in names {
        let at = wanted.max(free);
        free = at + NAMES_APART;
        let _ = writeln!(
            svg,
            "<text class=\"name {class}\" x=\"{}\" y=\"{:.1}\">{}</text>",
            left + PANEL + 8.0,
            at + 4.0,
            escaped(name)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
