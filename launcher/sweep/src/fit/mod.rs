//! Laws of scaling, fitted to measurements.
//!
//! With N nodes and X(N) the work done per second:
//! - **Amdahl** (1967), for a job that stays the same: `X = λ N / (1 + σ (N − 1))`; σ is the share of the work that is done one after the other.
//! - **Gustafson** (1988), for a job that grows with the nodes: `X = λ (N − σ (N − 1))`; σ is the share of a node's time in such work.
//! - **The universal scalability law** (Gunther, "Guerrilla Capacity Planning", 2007): `X = λ N / (1 + σ (N − 1) + κ N (N − 1))`; κ is what
//!   each pair of nodes costs. Where κ > 0 there is a best number of nodes, `sqrt((1 − σ) / κ)`, beyond which more of them are slower.
//!
//! All are linear in unknowns that follow from λ, σ and κ, once turned over: `N / X = 1/λ + (σ/λ) (N − 1) + (κ/λ) N (N − 1)`, and `X / N = λ − λ σ (N − 1) / N`.
//! The sum of the squares of *relative* errors is made least, since runs differ by a share of their time whatever their size. λ is fitted like
//! the others, so that the smallest size is a measurement among others and not taken for exact. Intervals are Student's, with the rule for
//! the variance of a ratio (delta method); they take errors of runs as independent.
//!
//! A law is refused where there are fewer sizes than its unknowns and one: it would go through them whatever they are.

mod least_squares;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::stats::{Estimate, student};
use least_squares::{Solution, solve};

/// A law of scaling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// A serial share of the job.
    Amdahl,
    /// A serial share of a node's time.
    Gustafson,
    /// Contention and what pairs of nodes cost.
    Usl,
}

impl Law {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Law::Amdahl => "Amdahl",
            Law::Gustafson => "Gustafson",
            Law::Usl => "universal scalability law",
        }
    }

    /// λ, σ and, of the universal law, κ.
    pub fn unknowns(self) -> usize {
        match self {
            Law::Amdahl | Law::Gustafson => 2,
            Law::Usl => 3,
        }
    }

    /// Work per second on `nodes` nodes, over that on one: what the law says for these parameters.
    pub fn speed_up(self, nodes: f64, sigma: f64, kappa: f64) -> f64 {
        match self {
            Law::Gustafson => nodes - sigma * (nodes - 1.0),
            Law::Amdahl | Law::Usl => nodes / (1.0 + sigma * (nodes - 1.0) + kappa * nodes * (nodes - 1.0)),
        }
    }
}

/// One run: nodes, and work per second in any unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Nodes.
    pub nodes: u32,
    /// Work per second.
    pub rate: f64,
}

/// A law with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// The law.
    pub law: Law,
    /// λ: work per second on one node.
    pub scale: f64,
    /// The share of serial work.
    pub sigma: Estimate,
    /// What pairs of nodes cost, if the law knows of that.
    pub kappa: Option<Estimate>,
    /// For each size, the mean of measured over fitted, less one.
    pub residuals: Vec<(u32, f64)>,
    /// Root mean square of the relative residuals of all runs.
    pub rms: f64,
}

impl Fit {
    /// Work per second.
    pub fn rate(&self, nodes: f64) -> f64 {
        self.scale * self.law.speed_up(nodes, self.sigma.value, self.kappa.map_or(0.0, |kappa| kappa.value))
    }

    /// The number of nodes beyond which more are slower, where the law has one.
    pub fn peak(&self) -> Option<f64> {
        let kappa = self.kappa.filter(|kappa| kappa.value > 0.0)?.value;
        Some(((1.0 - self.sigma.value).max(0.0) / kappa).sqrt())
    }
}

/// Why a law is not fitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The law would go through all sizes, whatever they are.
    #[error("{} has {} unknowns and needs {need} sizes; there {}", .law.name(), .law.unknowns(), are(*.have))]
    TooFewSizes {
        /// The law.
        law: Law,
        /// Sizes that may be used.
        have: usize,
        /// Sizes that it needs.
        need: usize,
    },
    /// The sizes say nothing of the unknowns.
    #[error("{}: the measurements do not determine its unknowns", .law.name())]
    Undetermined {
        /// The law.
        law: Law,
    },
}

fn are(count: usize) -> String {
    match count {
        1 => "is 1".to_owned(),
        _ => format!("are {count}"),
    }
}

/// Fits a law to runs.
///
/// # Errors
/// [`Refusal`] where there are too few sizes, or they say nothing of the unknowns.
pub fn fit(law: Law, samples: &[Sample]) -> Result<Fit, Refusal> {
    let sizes: BTreeSet<u32> = samples.iter().map(|sample| sample.nodes).collect();
    let need = law.unknowns() + 1;
    if sizes.len() < need {
        return Err(Refusal::TooFewSizes { law, have: sizes.len(), need });
    }
    let found = match law {
        Law::Amdahl => parameters(samples, |n, x| (n / x, [1.0, n - 1.0])),
        Law::Gustafson => parameters(samples, |n, x| (x / n, [1.0, -(n - 1.0) / n])),
        Law::Usl => parameters(samples, |n, x| (n / x, [1.0, n - 1.0, n * (n - 1.0)])),
    };
    let (first, others) = found.filter(|(first, _)| *first > 0.0).ok_or(Refusal::Undetermined { law })?;
    let scale = if law == Law::Gustafson { first } else { 1.0 / first };
    let [sigma, kappa] = [0, 1].map(|i| others.get(i).copied());
    let sigma = sigma.ok_or(Refusal::Undetermined { law })?;
    let fit = Fit { law, scale, sigma, kappa, residuals: Vec::new(), rms: 0.0 };
    let residual = |sample: &Sample| sample.rate / fit.rate(f64::from(sample.nodes)) - 1.0;
    let of_size = |&nodes: &u32| {
        let of: Vec<f64> = samples.iter().filter(|sample| sample.nodes == nodes).map(residual).collect();
        (nodes, of.iter().sum::<f64>() / of.len() as f64)
    };
    let rms = (samples.iter().map(|s| residual(s) * residual(s)).sum::<f64>() / samples.len() as f64).sqrt();
    let residuals = sizes.iter().map(of_size).collect();
    Ok(Fit { residuals, rms, ..fit })
}

/// The first coefficient of the linear form, and the others over it with their intervals. `turned` gives the form's left side and its
/// columns for nodes and work per second.
fn parameters<const K: usize>(
    samples: &[Sample],
    turned: impl Fn(f64, f64) -> (f64, [f64; K]),
) -> Option<(f64, Vec<Estimate>)> {
    // Both sides over the left one: errors become relative, and the target 1.
    let row = |sample: &Sample| {
        let (left, columns) = turned(f64::from(sample.nodes), sample.rate);
        columns.map(|column| column / left)
    };
    let rows: Vec<[f64; K]> = samples.iter().map(row).collect();
    let solution = solve(&rows, &vec![1.0; rows.len()])?;
    let others = (1..K).map(|k| ratio(&solution, k, rows.len())).collect();
    Some((solution.unknowns[0], others))
}

/// The unknown `k` over the first.
fn ratio<const K: usize>(solution: &Solution<K>, k: usize, runs: usize) -> Estimate {
    let (first, cov) = (solution.unknowns[0], &solution.covariance);
    let value = solution.unknowns[k] / first;
    let interval = runs.checked_sub(K).and_then(|freedom| Some((freedom, student(freedom)?))).map(|(freedom, t)| {
        let variance = (cov[k][k] - 2.0 * value * cov[0][k] + value * value * cov[0][0]) / (first * first);
        let half = t * (variance.max(0.0) * solution.rest / freedom as f64).sqrt();
        [value - half, value + half]
    });
    Estimate { value, interval, runs }
}

#[cfg(test)]
mod tests;
