//! Cost against error of one engine.

use serde::Serialize;

/// A number of substeps that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Substeps of a step.
    pub substeps: u32,
    /// CPU milliseconds for a body and a simulated second.
    pub cost: f64,
    /// Relative error.
    pub error: f64,
}

/// An engine's points, by rising substeps.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// The engine.
    pub name: &'static str,
    /// What was tried.
    pub points: Vec<Point>,
}

impl Curve {
    /// The error at a cost, between the two nearest points on logarithmic scales; that of the last point where nothing tried was as dear,
    /// that of the first where nothing was as cheap. `None` without points.
    pub fn error_at(&self, cost: f64) -> Option<f64> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        let Some(after) = self.points.iter().position(|point| point.cost >= cost) else { return Some(last.error) };
        if after == 0 {
            return Some(first.error);
        }
        let (a, b) = (self.points[after - 1], self.points[after]);
        let share = (cost / a.cost).ln() / (b.cost / a.cost).ln();
        Some((a.error.ln() + share * (b.error / a.error).ln()).exp())
    }

    /// Whether a cost lies among those of the points.
    pub fn covers(&self, cost: f64) -> bool {
        let ends = self.points.first().zip(self.points.last());
        ends.is_some_and(|(first, last)| first.cost <= cost && cost <= last.cost)
    }

    /// The cost from which on the error is at most `error`, between points as in [`Curve::error_at`]. `None` where no point is as right.
    pub fn cost_of(&self, error: f64) -> Option<f64> {
        let after = self.points.iter().position(|point| point.error <= error)?;
        let b = self.points[after];
        let Some(a) = after.checked_sub(1).map(|before| self.points[before]) else { return Some(b.cost) };
        let share = (error / a.error).ln() / (b.error / a.error).ln();
        Some((a.cost.ln() + share * (b.cost / a.cost).ln()).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::{Curve, Point};

    #[test]
    fn between_two_points_a_power_law_holds() {
        let point = |substeps, cost, error| Point { substeps, cost, error };
        let curve = Curve { name: "it", points: vec![point(1, 1.0, 0.1), point(2, 100.0, 0.001)] };
        let near =
            |a: Option<f64>, b: f64| assert!((a.unwrap_or(f64::NAN) / b - 1.0).abs() < 1e-12, "{a:?} is not {b}");
        near(curve.error_at(10.0), 0.01);
        near(curve.cost_of(0.01), 10.0);
        near(curve.error_at(0.5), 0.1);
        near(curve.error_at(1e3), 0.001);
        assert_eq!(curve.cost_of(1e-4), None);
        assert!(curve.covers(1.0) && curve.covers(100.0) && !curve.covers(101.0));
    }
}
