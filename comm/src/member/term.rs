//! Terms: the ballots by which views are numbered.

use std::fmt;

use crate::Rank;

/// The number of a view, or of an attempt to get one. Ordered by round, then by candidate; no two ranks share one (M-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// Above that of every term which the candidate had heard of.
    pub round: u32,
    /// The only rank that stands with this term.
    pub candidate: Rank,
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "term {}.{}", self.round, self.candidate.0)
    }
}
