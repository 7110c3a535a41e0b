//! How fast the solver's errors fall: in time with substeps ([`bar`]), in space with cells ([`beam`]), for each solver.
//!
//! An order `p` says that the error is proportional to the `p`-th power of a substep's or a cell's length. It is the slope of a straight line
//! through the errors on logarithmic scales, by least squares.

pub mod bar;
pub mod beam;

use std::path::Path;

use crate::engine::on_threads;
use crate::error::BenchError;
use crate::solver::plot::{LogLog, Series, log_log};

/// The solvers, as jobs name them.
pub const SOLVERS: [&str; 2] = ["xpbd", "implicit"];

/// How a solver's error falls.
#[derive(Clone, Debug)]
pub struct Fall {
    /// The solver.
    pub solver: &'static str,
    /// Substeps of a step or cells along the beam, and the relative error with them.
    pub points: Vec<(u32, f64)>,
    /// The first of the points that the order is fitted to.
    pub from: u32,
    /// The last of them.
    pub to: u32,
}

impl Fall {
    /// The fitted order.
    pub fn order(&self) -> f64 {
        let fitted = self.points.iter().filter(|(n, _)| (self.from..=self.to).contains(n));
        order(&fitted.map(|(n, error)| (f64::from(*n), *error)).collect::<Vec<_>>())
    }

    fn series(&self) -> Series {
        Series {
            name: format!("{}, order {:.2}", self.solver, self.order()),
            points: self.points.iter().map(|(n, error)| (f64::from(*n), *error)).collect(),
            labels: self.points.iter().map(|(n, _)| n.to_string()).collect(),
        }
    }
}

/// Minus the slope of the line through the points on logarithmic scales.
fn order(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(n, error)| (n.ln(), error.ln())).collect();
    let mean = |pick: fn(&(f64, f64)) -> f64| logs.iter().map(pick).sum::<f64>() / logs.len() as f64;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let (across, along) = logs.iter().fold((0.0, 0.0), |(a, b), p| (a + (p.0 - x) * (p.1 - y), b + (p.0 - x).powi(2)));
    -across / along
}

/// Measures all, draws it into `plot` and gives the tables as Markdown.
///
/// # Errors
/// [`BenchError`] where the engine fails or the plot cannot be written.
pub fn measure(plot: &Path) -> Result<String, BenchError> {
    let (bars, truth) = on_threads(1, bar::measure)?;
    let beams = on_threads(1, beam::measure)?;
    let falls: Vec<Fall> = beams.iter().map(beam::Beam::fall).collect();
    let panels = [
        panel("Swinging bar, 1 s", "substeps of 1/60 s", &bars, 1),
        panel("Cantilever at rest", "cells along the beam", &falls, 2),
    ];
    log_log(plot, &panels)?;
    Ok(format!(
        "{}\nWhat extrapolating the truth to no time step takes off it: {truth:.1e}.\n\n{}",
        bar::table(&bars),
        beam::table(&beams)
    ))
}

/// The errors, with a line of a whole order to compare with, which starts where the first of them does.
fn panel(title: &'static str, right: &'static str, falls: &[Fall], guide: i32) -> LogLog {
    let mut series: Vec<Series> = falls.iter().map(Fall::series).collect();
    let ends = falls.first().and_then(|fall| fall.points.first().zip(fall.points.last()));
    if let Some(((n, error), (last, _))) = ends {
        let (n, last) = (f64::from(*n), f64::from(*last));
        let points = vec![(n, *error), (last, error * (n / last).powi(guide))];
        series.push(Series { name: format!("order {guide}"), points, labels: Vec::new() });
    }
    LogLog { title, right, up: "relative error", series }
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn the_order_of_a_power_law_is_its_exponent() {
        let points: Vec<(f64, f64)> = [1.0f64, 3.0, 10.0, 40.0].iter().map(|n| (*n, 0.3 * n.powf(-1.5))).collect();
        assert!((order(&points) - 1.5).abs() < 1e-12, "{}", order(&points));
    }
}
