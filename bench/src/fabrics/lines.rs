//! What the examples of `rankzero-comm` print with `--json`: a figure a line.

use serde::Deserialize;

use crate::error::BenchError;
use crate::report::Report;
use crate::stats::Measured;

/// One figure.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Line {
    /// What was measured.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// As often as it was measured.
    pub samples: Vec<f64>,
    /// What it is compared with; where there is no `of_peer`, whose samples these are.
    pub peer: Option<String>,
    /// The peer's, measured in turns.
    #[serde(default)]
    pub of_peer: Vec<f64>,
}

/// The figures in what a program printed.
///
/// # Errors
/// [`BenchError::Unexpected`] where a line is none, or one has no samples.
pub fn parse(command: &str, text: &str) -> Result<Vec<Line>, BenchError> {
    let unexpected = |what: String| BenchError::Unexpected { command: command.to_owned(), what };
    let mut lines = Vec::new();
    for text in text.lines().filter(|text| text.starts_with('{')) {
        let line: Line = serde_json::from_str(text).map_err(|error| unexpected(format!("{error}: {text}")))?;
        if line.samples.is_empty() || !(line.of_peer.is_empty() || line.of_peer.len() == line.samples.len()) {
            return Err(unexpected(format!("samples are missing: {text}")));
        }
        lines.push(line);
    }
    if lines.is_empty() {
        return Err(unexpected("no figures".to_owned()));
    }
    Ok(lines)
}

/// Adds figures that one run of a program has measured in turns.
pub fn add(report: &mut Report, lines: &[Line]) {
    for Line { name, unit, samples, peer, of_peer } in lines {
        match peer {
            Some(peer) if !of_peer.is_empty() => {
                let pairs: Vec<(f64, f64)> = samples.iter().copied().zip(of_peer.iter().copied()).collect();
                report.paired(name, unit, &pairs, peer);
            }
            _ => report.alone(name, unit, samples),
        }
    }
}

/// Figures of programs that take turns, a median a run.
#[derive(Debug, Default)]
pub struct Turns {
    series: Vec<Series>,
}

#[derive(Debug)]
struct Series {
    name: String,
    unit: String,
    peer: String,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Turns {
    /// Takes what one run printed: the peer's lines are those that name it.
    pub fn take(&mut self, lines: &[Line]) {
        for line in lines {
            let known = self.series.iter().position(|series| series.name == line.name);
            let at = known.unwrap_or_else(|| {
                let (name, unit) = (line.name.clone(), line.unit.clone());
                self.series.push(Series { name, unit, peer: String::new(), ours: Vec::new(), theirs: Vec::new() });
                self.series.len() - 1
            });
            let (series, median) = (&mut self.series[at], Measured::of(line.samples.iter().copied()).median);
            match &line.peer {
                Some(peer) => {
                    series.peer.clone_from(peer);
                    series.theirs.push(median);
                }
                None => series.ours.push(median),
            }
        }
    }

    /// Adds all figures; beside the peer's where each run has both.
    pub fn add(&self, report: &mut Report) {
        for Series { name, unit, peer, ours, theirs } in self.series.iter().filter(|series| !series.ours.is_empty()) {
            if ours.len() == theirs.len() {
                let pairs: Vec<(f64, f64)> = ours.iter().copied().zip(theirs.iter().copied()).collect();
                report.paired(name, unit, &pairs, peer);
            } else {
                report.alone(name, unit, ours);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Turns, add, parse};
    use crate::report::Report;

    const ALONE: &str = r#"{"name":"shm, 8 B","unit":"ns","samples":[3e2,1e2,2e2]}"#;
    const PAIRED: &str = r#"{"name":"shm, 1 MiB","unit":"GB/s","samples":[2,4],"peer":"memcpy","of_peer":[4,8]}"#;
    const OF_PEER: &str = r#"{"name":"shm, 8 B","unit":"ns","samples":[100],"peer":"sockets"}"#;

    fn rows(report: &Report) -> Vec<(f64, Option<f64>)> {
        report.rows().iter().map(|row| (row.value, row.ratio)).collect()
    }

    #[test]
    fn figures_of_one_run_become_rows() {
        let lines = parse("x", &format!("words for people\n{ALONE}\n{PAIRED}\n")).expect("figures");
        let mut report = Report::default();
        add(&mut report, &lines);
        assert_eq!(rows(&report), [(200.0, None), (3.0, Some(0.5))]);
    }

    #[test]
    fn runs_by_turns_are_paired_by_name() {
        let mut turns = Turns::default();
        for text in [ALONE, OF_PEER, PAIRED] {
            turns.take(&parse("x", text).expect("a figure")[..1]);
        }
        let mut report = Report::default();
        turns.add(&mut report);
        // The third has a peer's name and nothing of ours.
        assert_eq!(rows(&report), [(200.0, Some(2.0))]);
    }

    #[test]
    fn what_is_no_figure_is_refused() {
        for text in ["", "nothing", "{}", r#"{"name":"a","unit":"b","samples":[]}"#] {
            assert!(parse("x", text).is_err(), "{text}");
        }
        assert!(parse("x", &PAIRED.replace("[4,8]", "[4]")).is_err());
    }
}
