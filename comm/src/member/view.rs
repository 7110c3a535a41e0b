//! Views: who belongs to the run, in which order.

use std::collections::BTreeSet;

use super::Term;
use crate::Rank;

/// The members of the run from some term on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// When it came to be; a higher one is newer.
    pub term: Term,
    /// The master, then the others, ascending. Never empty.
    pub members: Vec<Rank>,
}

impl View {
    /// The view of `master` and `others`, in any order; the master may be among them.
    pub fn of(term: Term, master: Rank, others: impl IntoIterator<Item = Rank>) -> View {
        let others: BTreeSet<Rank> = others.into_iter().filter(|rank| *rank != master).collect();
        View { term, members: std::iter::once(master).chain(others).collect() }
    }

    /// The first view of a run of `size` ranks, which must not be 0: all of them, with rank 0 as the master.
    pub fn first(size: u32) -> View {
        View::of(Term { round: 0, candidate: Rank(0) }, Rank(0), Rank::all(size))
    }

    /// The member of position 0.
    pub fn master(&self) -> Rank {
        self.members[0]
    }

    /// Index of `rank` among the members, if it is one.
    pub fn position(&self, rank: Rank) -> Option<usize> {
        let (master, others) = self.members.split_first()?;
        if *master == rank { Some(0) } else { others.binary_search(&rank).ok().map(|index| index + 1) }
    }

    /// Whether `rank` is a member.
    pub fn contains(&self, rank: Rank) -> bool {
        self.position(rank).is_some()
    }

    /// Whether there is a master, and the others ascend without it.
    pub(super) fn is_ordered(&self) -> bool {
        match self.members.split_first() {
            Some((master, others)) => {
                others.windows(2).all(|pair| pair[0] < pair[1]) && others.binary_search(master).is_err()
            }
            None => false,
        }
    }
}
