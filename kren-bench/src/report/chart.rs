//! Curves on logarithmic scales, as SVG.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::Result;

const PANEL: (u32, u32) = (500, 430);
/// Room at the left of a panel for its scale, below it for what its points are, at the right for the names of its lines.
const SCALE: u32 = 64;
const POINTS: u32 = 36;
const NAMES: u32 = 100;
const CAPTION: u32 = 24;
const NAMES_APART: i32 = 13;
/// More names of points than this would lie on one another.
const MOST_POINTS: usize = 8;
const FONT: &str = "sans-serif";

/// How a line is drawn.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) colour: RGBColor,
    /// Pixels drawn, and left out after them; drawn through if none.
    pub(super) dashes: Option<[u32; 2]>,
    pub(super) width: u32,
}

/// One line: its height at each point that it has.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) look: Look,
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
pub(super) fn draw(caption: &str, rows: &[Vec<Panel>]) -> Result<String> {
    let wide = rows.iter().map(Vec::len).max().unwrap_or(0);
    let size = (
        PANEL.0 * wide.max(1) as u32,
        PANEL.1 * rows.len() as u32 + CAPTION,
    );
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (panels, foot) = root.split_vertically(size.1 - CAPTION);
        let areas = panels.split_evenly((rows.len().max(1), wide.max(1)));
        for (row, areas) in rows.iter().zip(areas.chunks(wide.max(1))) {
            for (panel, area) in row.iter().zip(areas) {
                draw_panel(&root, area, panel)?;
            }
        }
        let small = (FONT, 11).into_font().color(&BLACK.mix(0.5));
        foot.draw(&Text::new(caption, (SCALE as i32, 4), small))?;
        root.present()?;
    }
    Ok(svg)
}

/// A part of the picture, in which points are pixels.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw_panel(root: &Area<'_>, area: &Area<'_>, panel: &Panel) -> Result<()> {
    let values = || {
        let points = panel.lines.iter().flat_map(|line| &line.points);
        points.map(|point| point.1)
    };
    let mut low = values().fold(f64::MAX, f64::min);
    let high = values().fold(0.0, f64::max);
    if high <= 0.0 {
        return Ok(());
    }
    if panel.whole_scale {
        low = low.min(1.0);
    }
    // Whole powers of ten, one at least.
    let (first, last) = (low.log10().floor(), high.log10().ceil());
    let heights = 10f64.powf(first)..10f64.powf(last.max(first + 1.0));
    let most = panel.points.len().max(2) - 1;
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, (FONT, 15))
        .margin_top(8)
        .margin_right(NAMES)
        .set_label_area_size(LabelAreaPosition::Left, SCALE)
        .set_label_area_size(LabelAreaPosition::Bottom, POINTS)
        .build_cartesian_2d(0..most, heights.log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(1)
        .light_line_style(TRANSPARENT)
        .x_labels(MOST_POINTS)
        .x_label_formatter(&|at| panel.points.get(*at).cloned().unwrap_or_default())
        .y_label_formatter(&|value| (panel.label)(*value))
        .label_style((FONT, 11))
        .draw()?;
    let mut names = Vec::new();
    for line in &panel.lines {
        let Some(&end) = line.points.last() else {
            continue;
        };
        let style = line.look.colour.stroke_width(line.look.width);
        let points = line.points.iter().copied();
        match line.look.dashes {
            None => chart.draw_series(LineSeries::new(points, style))?,
            Some([drawn, left_out]) => {
                chart.draw_series(DashedLineSeries::new(points, drawn, left_out, style))?
            }
        };
        names.push((chart.backend_coord(&end).1, line));
    }
    // Names that would lie on one another move down.
    names.sort_by_key(|(wanted, _)| *wanted);
    let right = chart.plotting_area().get_pixel_range().0.end;
    let mut free = i32::MIN;
    for (wanted, line) in names {
        let at = wanted.max(free);
        free = at + NAMES_APART;
        let style = (FONT, 11).into_font().color(&line.look.colour);
        root.draw(&Text::new(line.name.as_str(), (right + 8, at - 6), style))?;
    }
    Ok(())
}
