//! Middle and spread of repeated measurements.

/// What several measurements of one thing come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The median.
    pub median: f64,
    /// Distance of the quartiles over the median; 0 where the median is 0.
    pub spread: f64,
}

impl Measured {
    /// Of at least one sample.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        assert!(!sorted.is_empty(), "nothing was measured");
        sorted.sort_by(f64::total_cmp);
        let [low, median, high] = [0.25, 0.5, 0.75].map(|share| quantile(&sorted, share));
        let spread = if median == 0.0 { 0.0 } else { (high - low) / median.abs() };
        Measured { median, spread }
    }
}

/// Between the two nearest samples, linearly (type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::Measured;

    #[test]
    fn median_and_quartiles_are_those_of_the_textbook() {
        assert_eq!(Measured::of([4.0, 1.0, 3.0, 2.0, 5.0]), Measured { median: 3.0, spread: 2.0 / 3.0 });
        assert_eq!(Measured::of([1.0, 2.0]), Measured { median: 1.5, spread: 0.5 / 1.5 });
        assert_eq!(Measured::of([7.0]), Measured { median: 7.0, spread: 0.0 });
        assert_eq!(Measured::of([0.0, 0.0]), Measured { median: 0.0, spread: 0.0 });
    }
}
