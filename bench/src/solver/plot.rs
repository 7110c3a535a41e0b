//! The plots of the suite, as SVG.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use serde::Serialize;

use super::curve::Curve;
use crate::error::BenchError;
use crate::report::short;

/// Colours of the engines, in their order.
const COLOURS: [RGBColor; 4] =
    [RGBColor(200, 40, 40), RGBColor(30, 90, 180), RGBColor(30, 140, 70), RGBColor(140, 90, 20)];
/// Of one panel, pixels.
const SIZE: (u32, u32) = (560, 460);

/// Curves that belong into one picture.
#[derive(Debug, Serialize)]
pub struct Panel {
    /// What they are about.
    pub title: &'static str,
    /// Of the engines.
    pub curves: Vec<Curve>,
}

/// A line of a step's cost over time.
#[derive(Debug)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// (seconds, milliseconds).
    pub points: Vec<(f64, f64)>,
}

/// Two quantities against each other, both axes logarithmic.
#[derive(Debug)]
pub struct LogLog {
    /// What it is about.
    pub title: &'static str,
    /// What is to the right.
    pub right: &'static str,
    /// What is upwards.
    pub up: &'static str,
    /// What is drawn.
    pub series: Vec<Series>,
}

/// A line of a [`LogLog`].
#[derive(Debug)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
    /// What stands beside each point; a line without labels is a thin one to compare with, without dots.
    pub labels: Vec<String>,
}

/// Error against cost, a panel beside the other.
///
/// # Errors
/// [`BenchError::Plot`] where it cannot be drawn or written.
pub fn accuracy(file: &Path, panels: &[Panel]) -> Result<(), BenchError> {
    let series = |curve: &Curve| Series {
        name: curve.name.to_owned(),
        points: curve.points.iter().map(|p| (p.cost, p.error)).collect(),
        labels: curve.points.iter().map(|p| p.substeps.to_string()).collect(),
    };
    let panel = |panel: &Panel| LogLog {
        title: panel.title,
        right: "CPU milliseconds for a body and a simulated second",
        up: "relative error",
        series: panel.curves.iter().map(series).collect(),
    };
    log_log(file, &panels.iter().map(panel).collect::<Vec<_>>())
}

/// A panel beside the other.
///
/// # Errors
/// As [`accuracy`].
pub fn log_log(file: &Path, panels: &[LogLog]) -> Result<(), BenchError> {
    let area = SVGBackend::new(file, (SIZE.0 * panels.len() as u32, SIZE.1)).into_drawing_area();
    let drawn = || -> Result<(), Failure> {
        area.fill(&WHITE)?;
        for (part, panel) in area.split_evenly((1, panels.len())).iter().zip(panels) {
            one(part, panel)?;
        }
        area.present()
    };
    drawn().map_err(failed(file))
}

type Failure<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

fn failed<E: ToString>(file: &Path) -> impl Fn(E) -> BenchError {
    move |error| BenchError::Plot { path: file.to_owned(), what: error.to_string() }
}

/// The least and the greatest, with room around them, on a logarithmic axis.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let positive = values.filter(|value| *value > 0.0 && value.is_finite());
    let (least, most) = positive.fold((f64::INFINITY, 0.0f64), |(a, b), value| (a.min(value), b.max(value)));
    if least <= most { 0.7 * least..1.5 * most } else { 0.1..1.0 }
}

fn one<'a>(area: &DrawingArea<SVGBackend<'a>, Shift>, panel: &LogLog) -> Result<(), Failure<'a>> {
    let points = || panel.series.iter().flat_map(|series| &series.points);
    let (right, up) = (range(points().map(|p| p.0)), range(points().map(|p| p.1)));
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(right.log_scale(), up.log_scale())?;
    chart
        .configure_mesh()
        .x_desc(panel.right)
        .y_desc(panel.up)
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .light_line_style(WHITE)
        .draw()?;
    for (series, colour) in panel.series.iter().zip(COLOURS.iter().cycle()) {
        let guide = series.labels.is_empty();
        let style = if guide { BLACK.mix(0.4).stroke_width(1) } else { colour.stroke_width(2) };
        let legend = move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style);
        chart.draw_series(LineSeries::new(series.points.iter().copied(), style))?.label(&series.name).legend(legend);
        let labelled = series.points.iter().zip(&series.labels);
        chart.draw_series(labelled.clone().map(|(place, _)| Circle::new(*place, 3, colour.filled())))?;
        chart.draw_series(labelled.map(|(place, label)| Text::new(label.clone(), *place, ("sans-serif", 11))))?;
    }
    let labels = &mut chart.configure_series_labels();
    labels.position(SeriesLabelPosition::LowerLeft).border_style(BLACK).background_style(WHITE.mix(0.7)).draw()
}

/// The cost of steps over time.
///
/// # Errors
/// As [`accuracy`].
pub fn over_time(file: &Path, title: &str, lines: &[Line]) -> Result<(), BenchError> {
    let area = SVGBackend::new(file, (SIZE.0 * 3 / 2, SIZE.1)).into_drawing_area();
    let most = |pick: fn(&(f64, f64)) -> f64| lines.iter().flat_map(|l| &l.points).map(pick).fold(1e-9, f64::max);
    let (last, top) = (most(|p| p.0), 1.1 * most(|p| p.1));
    let drawn = || -> Result<(), Failure> {
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..last, 0.0..top)?;
        chart.configure_mesh().x_desc("simulated seconds").y_desc("CPU milliseconds of a step").draw()?;
        for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            let legend = move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2));
            let series = LineSeries::new(line.points.iter().copied(), colour.stroke_width(2));
            chart.draw_series(series)?.label(&line.name).legend(legend);
        }
        chart.configure_series_labels().border_style(BLACK).background_style(WHITE.mix(0.8)).draw()?;
        area.present()
    };
    drawn().map_err(failed(file))
}
