//! What the computing threads of a run tell each other beside the steps: at a recovery, and at the end.

use std::path::PathBuf;

use rankzero_checkpoint::PartInfo;
use rankzero_comm::member::Term;
use rankzero_epoch::{Inventory, Plan};
use serde::{Deserialize, Serialize};

use super::Ending;
use super::figures::Figures;

/// A word, for the view of its term alone.
#[derive(Debug, Serialize, Deserialize)]
pub struct Word {
    term: (u32, u32),
    /// What it says.
    pub what: What,
}

/// What is said.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// To the master: what this rank holds copies of. Said again until the plan comes.
    Inventory(Inventory),
    /// From the master: what is restored.
    Plan(Recovery),
    /// To the master, at the end.
    Figures(Box<Figures>),
    /// To the master: the part of the checkpoint at this step is written, or why not.
    Part(u64, Result<PartInfo, String>),
    /// From the master: all files are written, everybody may leave.
    Done,
    /// From the master of a view that came too late: the run is over, and this is how it ended.
    Over(Ending),
}

/// The master's plan, and what it knows of the state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recovery {
    /// What is restored, and who owns what.
    pub plan: Plan,
    /// The checkpoint that is restored, where no epoch in memory is whole.
    pub checkpoint: Option<PathBuf>,
    /// The states of the rigid bodies, where somebody in the view cannot have them.
    pub rigids: Option<Vec<u32>>,
}

impl Word {
    /// As bytes.
    pub fn encode(term: Term, what: What) -> Vec<u8> {
        serde_json::to_vec(&Word { term: (term.round, term.candidate.0), what }).unwrap_or_default()
    }

    /// What is said, if it is a word for the view of `term`.
    pub fn decode(bytes: &[u8], term: Term) -> Option<What> {
        let word: Word = serde_json::from_slice(bytes).ok()?;
        (word.term == (term.round, term.candidate.0)).then_some(word.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankzero_comm::Rank;

    #[test]
    fn a_word_counts_in_its_own_view_alone() {
        let term = |round| Term { round, candidate: Rank(1) };
        let bytes = Word::encode(term(3), What::Done);
        assert!(matches!(Word::decode(&bytes, term(3)), Some(What::Done)));
        assert!(Word::decode(&bytes, term(4)).is_none());
        assert!(Word::decode(b"{", term(3)).is_none());
    }
}
