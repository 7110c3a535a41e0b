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

/// Error against cost, a panel beside the other, both axes logarithmic.
///
/// # Errors
/// [`BenchError::Plot`] where it cannot be drawn or written.
pub fn accuracy(file: &Path, panels: &[Panel]) -> Result<(), BenchError> {
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

fn one<'a>(area: &DrawingArea<SVGBackend<'a>, Shift>, panel: &Panel) -> Result<(), Failure<'a>> {
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    let (costs, errors) = (range(points().map(|p| p.cost)), range(points().map(|p| p.error)));
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(costs.log_scale(), errors.log_scale())?;
    chart
        .configure_mesh()
        .x_desc("CPU milliseconds for a body and a simulated second")
        .y_desc("relative error")
        .x_label_formatter(&|cost| short(*cost))
        .y_label_formatter(&|error| short(*error))
        .light_line_style(WHITE)
        .draw()?;
    for (curve, colour) in panel.curves.iter().zip(COLOURS.iter().cycle()) {
        let places: Vec<(f64, f64)> = curve.points.iter().map(|p| (p.cost, p.error)).collect();
        let line = LineSeries::new(places.iter().copied(), colour.stroke_width(2));
        let legend = move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2));
        chart.draw_series(line)?.label(curve.name).legend(legend);
        chart.draw_series(places.iter().map(|place| Circle::new(*place, 3, colour.filled())))?;
        let label = |(place, point): (&(f64, f64), &super::curve::Point)| {
            Text::new(point.substeps.to_string(), *place, ("sans-serif", 11))
        };
        chart.draw_series(places.iter().zip(&curve.points).map(label))?;
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
