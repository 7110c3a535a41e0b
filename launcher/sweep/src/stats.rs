//! Estimates and their intervals.
//!
//! Times of repeated runs are positive and skewed to the right: what disturbs a run makes it slower. So estimates are made of logarithms:
//! the estimate is the geometric mean, and its interval is that of Student's t on the logarithms, taken back. It says where the
//! middle of many more such runs would lie, if disturbances multiply and are independent from run to run. Ratios are made within a repeat,
//! so that what is slow for all of a repeat is in none of them (paired comparison; Hoefler and Belli, "Scientific Benchmarking of
//! Parallel Computing Systems", 2015, ask for just these things to be said).

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// How sure the intervals are.
pub const CONFIDENCE: f64 = 0.95;

/// A value with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Bounds of the 95 % confidence interval; none where one run cannot tell how much the next will differ.
    pub interval: Option<[f64; 2]>,
    /// Runs, or pairs of runs, behind it.
    pub runs: usize,
}

impl Estimate {
    /// The geometric mean of positive samples, with Student's interval of their logarithms; none where there are no samples, or some are
    /// not positive and finite.
    pub fn of(samples: &[f64]) -> Option<Estimate> {
        let logs: Vec<f64> = samples.iter().map(|sample| sample.ln()).collect();
        if logs.is_empty() || logs.iter().any(|log| !log.is_finite()) {
            return None;
        }
        let n = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / n;
        let interval = student(logs.len() - 1).map(|t| {
            let variance = logs.iter().map(|log| (log - mean) * (log - mean)).sum::<f64>() / (n - 1.0);
            let half = t * (variance / n).sqrt();
            [(mean - half).exp(), (mean + half).exp()]
        });
        Some(Estimate { value: mean.exp(), interval, runs: logs.len() })
    }

    /// The same with everything multiplied by a positive factor.
    pub fn times(self, factor: f64) -> Estimate {
        let interval = self.interval.map(|bounds| bounds.map(|bound| bound * factor));
        Estimate { value: self.value * factor, interval, ..self }
    }

    /// The estimate of one over it.
    pub fn inverse(self) -> Estimate {
        let interval = self.interval.map(|[low, high]| [1.0 / high, 1.0 / low]);
        Estimate { value: 1.0 / self.value, interval, ..self }
    }
}

/// The two-sided quantile of Student's t at [`CONFIDENCE`]; none without freedom.
pub fn student(freedom: usize) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, freedom as f64).ok()?;
    Some(t.inverse_cdf(0.5 + 0.5 * CONFIDENCE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_those_of_the_table() {
        // Student's t, 0.975, as in any table.
        for (freedom, t) in [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042), (1000, 1.962)] {
            let found = student(freedom).expect("a quantile");
            assert!((found - t).abs() < 6e-4, "{freedom}: {found}, {t}");
        }
        assert_eq!(student(0), None);
    }

    #[test]
    fn the_interval_is_that_of_the_logarithms() {
        // Logarithms 0, 1 and 2: mean 1, deviation 1, so 1 ± 4.3027 / sqrt(3).
        let e = std::f64::consts::E;
        let estimate = Estimate::of(&[1.0, e, e * e]).expect("an estimate");
        let half = 4.302_652_7 / 3f64.sqrt();
        let [low, high] = estimate.interval.expect("an interval");
        assert!((estimate.value - e).abs() < 1e-12);
        assert!((low.ln() - (1.0 - half)).abs() < 1e-5 && (high.ln() - (1.0 + half)).abs() < 1e-5);
        assert_eq!(estimate.runs, 3);
    }

    #[test]
    fn one_run_has_no_interval_and_nonsense_no_estimate() {
        assert_eq!(Estimate::of(&[3.0]), Some(Estimate { value: 3.0f64.ln().exp(), interval: None, runs: 1 }));
        for bad in [&[][..], &[1.0, 0.0], &[-1.0], &[f64::NAN], &[f64::INFINITY]] {
            assert_eq!(Estimate::of(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn inverse_and_factor_keep_bounds_around_the_value(samples in prop::collection::vec(0.01f64..100.0, 2..8), factor in 0.1f64..10.0) {
            let estimate = Estimate::of(&samples).expect("an estimate");
            for made in [estimate, estimate.inverse(), estimate.times(factor)] {
                let [low, high] = made.interval.expect("an interval");
                prop_assert!(low <= made.value * (1.0 + 1e-9) && made.value <= high * (1.0 + 1e-9));
            }
            prop_assert!((estimate.inverse().inverse().value / estimate.value - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn intervals_hold_the_truth_about_as_often_as_they_say() {
        // Three runs each, logarithms normal around 0 (twelve uniform numbers less six, from bits of BLAKE3).
        let mut bits = blake3::Hasher::new().update(b"coverage").finalize_xof();
        let mut uniform = || {
            let mut word = [0; 8];
            bits.fill(&mut word);
            (u64::from_le_bytes(word) >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut normal = || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        let trials = 4000;
        let held = (0..trials)
            .filter(|_| {
                let samples = [0, 1, 2].map(|_| (0.1 * normal()).exp());
                let [low, high] = Estimate::of(&samples).and_then(|e| e.interval).expect("an interval");
                low <= 1.0 && 1.0 <= high
            })
            .count();
        let share = held as f64 / f64::from(trials);
        assert!((share - CONFIDENCE).abs() < 0.015, "{share}");
    }
}
