//! The rows of the result, as a table and as JSON.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::BenchError;
use crate::stats::Measured;

/// A peer's value below this share of the value is as good as none, and there is no ratio to it.
const NEGLIGIBLE: f64 = 1e-3;

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Median of the repeats.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// What it is compared with.
    pub peer: Option<String>,
    /// Value over the peer's value.
    pub ratio: Option<f64>,
    /// Distance of the quartiles over the median: of the ratio where each repeat has one, else of the value.
    pub spread: f64,
}

/// All figures, in the order in which they were measured.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a figure that stands for itself.
    pub fn alone(&mut self, name: &str, unit: &str, samples: &[f64]) {
        let Measured { median, spread } = Measured::of(samples.iter().copied());
        self.rows.push(Row {
            name: name.to_owned(),
            value: median,
            unit: unit.to_owned(),
            peer: None,
            ratio: None,
            spread,
        });
    }

    /// Adds the median and the 99th percentile of a figure, as two rows.
    pub fn quantiles(&mut self, name: &str, unit: &str, samples: &[f64]) {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        // The least value that 99 of 100 do not exceed.
        let place = (sorted.len() * 99).div_ceil(100).max(1) - 1;
        self.alone(&format!("{name}, p50"), unit, samples);
        if let Some(&worst) = sorted.get(place) {
            self.alone(&format!("{name}, p99"), unit, &[worst]);
        }
    }

    /// Adds a figure beside a known one of the same unit.
    pub fn against(&mut self, name: &str, unit: &str, samples: &[f64], peer: &str, known: f64) {
        let Measured { median, spread } = Measured::of(samples.iter().copied());
        let ratio = (known != 0.0).then_some(median / known);
        self.rows.push(Row {
            name: name.to_owned(),
            value: median,
            unit: unit.to_owned(),
            peer: Some(peer.to_owned()),
            ratio,
            spread,
        });
    }

    /// Adds a figure whose peer was measured in turns with it; the ratio is the median of the pairs' ratios.
    pub fn paired(&mut self, name: &str, unit: &str, pairs: &[(f64, f64)], peer: &str) {
        let value = Measured::of(pairs.iter().map(|(mine, _)| *mine));
        let other = Measured::of(pairs.iter().map(|(_, other)| *other));
        let ratios = Measured::of(pairs.iter().map(|(mine, other)| mine / other));
        let peer = Some(format!("{peer}: {} {unit}", short(other.median)));
        let comparable = other.median > NEGLIGIBLE * value.median && ratios.spread.is_finite();
        let (ratio, spread) = if comparable { (Some(ratios.median), ratios.spread) } else { (None, value.spread) };
        self.rows.push(Row { name: name.to_owned(), value: value.median, unit: unit.to_owned(), peer, ratio, spread });
    }

    /// Adds a figure beside words about a peer that has none.
    pub fn beside_none(&mut self, name: &str, unit: &str, own: Measured, peer: &str) {
        let Measured { median: value, spread } = own;
        self.rows.push(Row {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
            peer: Some(peer.to_owned()),
            ratio: None,
            spread,
        });
    }

    /// The rows, in their order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows for people.
    pub fn table(&self) -> String {
        let mut text =
            format!("{:<44} {:>10} {:<11} {:>7} {:>7}  {}\n", "", "median", "", "ratio", "spread", "compared with");
        for row in &self.rows {
            let ratio = row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
            let (value, percent) = (short(row.value), 100.0 * row.spread);
            let line = format!(
                "{:<44} {value:>10} {:<11} {ratio:>7} {percent:>5.1} %  {}",
                row.name,
                row.unit,
                row.peer.as_deref().unwrap_or_default()
            );
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    /// Writes the rows as `bench/<name>` below the target directory; returns its path.
    ///
    /// # Errors
    /// [`BenchError::Io`] where the disk refuses.
    pub fn write(&self, target: &Path, name: &str) -> Result<PathBuf, BenchError> {
        let folder = target.join("bench");
        fs::create_dir_all(&folder).map_err(BenchError::io("create", &folder))?;
        let file = folder.join(name);
        let text = serde_json::to_string_pretty(&self.rows).unwrap_or_default() + "\n";
        fs::write(&file, text).map_err(BenchError::io("write", &file))?;
        Ok(file)
    }
}

/// A number of four digits or so.
pub fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        1e5.. => format!("{value:.3e}"),
        100.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.2}"),
        0.001.. => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
}
