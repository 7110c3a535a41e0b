//! A loss that was made good, as the journal, the summary and people are told of it.

use serde::{Deserialize, Serialize};

/// A loss that was made good, for the summary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recovered {
    /// World ranks that are gone.
    pub lost: Vec<u32>,
    /// Why each of them counts as gone.
    pub how: Vec<String>,
    /// The term of the view that goes on, `round.candidate`.
    pub term: String,
    /// World rank of the master, which is rank 0 of the view.
    pub master: u32,
    /// Ranks that go on.
    pub members: usize,
    /// Steps that had been done where this rank was interrupted.
    pub at_step: u64,
    /// The step from which the run went on.
    pub from_step: u64,
    /// Milliseconds from the first sign to the decision who goes on; to the state restored; to the end of the next step.
    pub elected_ms: f64,
    /// See `elected_ms`.
    pub restored_ms: f64,
    /// See `elected_ms`.
    pub resumed_ms: f64,
    /// Milliseconds from the death to its first sign, where a test says when that was.
    pub detected_ms: Option<f64>,
}

impl Recovered {
    /// What people want to know of it.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.lost.iter().zip(&self.how).map(|(rank, how)| format!("rank {rank} is gone: {how}")).collect();
        let detected = self.detected_ms.map_or_else(String::new, |ms| format!("noticed after {ms:.1} ms; then "));
        lines.push(format!(
            "{detected}elected after {:.1} ms, restored after {:.1} ms, resumed after {:.1} ms: {} ranks go on under rank {}, \
             from step {} back to {}",
            self.elected_ms, self.restored_ms, self.resumed_ms, self.members, self.master, self.at_step, self.from_step,
        ));
        lines
    }
}
