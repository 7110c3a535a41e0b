//! What one rank holds: copies of its own batches and of those that it keeps for others, in two halves.

use std::collections::{BTreeMap, BTreeSet};

use rankzero_comm::Rank;
use serde::{Deserialize, Serialize};

use crate::{Batch, Epoch};

/// The copies of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Copies {
    epoch: Epoch,
    whole: BTreeSet<Batch>,
    /// What owners still write, by owner.
    awaited: BTreeMap<Rank, Vec<Batch>>,
}

/// The books of one rank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    halves: [Option<Copies>; 2],
}

/// What a rank tells the master that it holds whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Epochs, the newest first, and the batches that this rank has a whole copy of.
    pub copies: Vec<(Epoch, Vec<Batch>)>,
}

impl Shelf {
    /// Begins an epoch: what its half held is given up; the copies of `own` are whole already, those of `awaited` come from their
    /// owners.
    ///
    /// # Panics
    /// Where the older copies of the half have not been put out of the books: they might have been overwritten.
    pub fn open(&mut self, epoch: Epoch, own: impl IntoIterator<Item = Batch>, awaited: BTreeMap<Rank, Vec<Batch>>) {
        let half = &mut self.halves[epoch.half()];
        assert!(half.as_ref().is_none_or(|held| held.epoch == epoch), "{half:?} is still in the books at {epoch:?}");
        let mut whole = half.take().map(|held| held.whole).unwrap_or_default();
        whole.extend(own);
        *half = Some(Copies { epoch, whole, awaited });
    }

    /// Notes what has arrived: `arrived` tells whether all words of an owner for the epoch with this index are in place.
    pub fn look(&mut self, arrived: impl Fn(Rank, u32) -> bool) {
        for copies in self.halves.iter_mut().flatten() {
            let index = copies.epoch.index;
            let here: Vec<Rank> = copies.awaited.keys().copied().filter(|&owner| arrived(owner, index)).collect();
            for owner in here {
                copies.whole.extend(copies.awaited.remove(&owner).unwrap_or_default());
            }
        }
    }

    /// The epoch with this index is committed: older copies are put out of the books.
    pub fn committed(&mut self, index: u32) {
        for half in &mut self.halves {
            if half.as_ref().is_some_and(|copies| copies.epoch.index < index) {
                *half = None;
            }
        }
    }

    /// After a recovery: the copies of `epoch` alone are kept, and nothing is awaited.
    pub fn keep_only(&mut self, epoch: Epoch) {
        for half in &mut self.halves {
            if half.as_ref().is_some_and(|copies| copies.epoch != epoch) {
                *half = None;
            }
        }
        self.halves.iter_mut().flatten().for_each(|copies| copies.awaited.clear());
    }

    /// Whether it holds a whole copy of a batch at an epoch.
    pub fn holds(&self, epoch: Epoch, batch: Batch) -> bool {
        let copies = self.halves[epoch.half()].as_ref().filter(|copies| copies.epoch == epoch);
        copies.is_some_and(|copies| copies.whole.contains(&batch))
    }

    /// What is held whole.
    pub fn inventory(&self) -> Inventory {
        let held = self.halves.iter().flatten().filter(|copies| !copies.whole.is_empty());
        let mut copies: Vec<(Epoch, Vec<Batch>)> =
            held.map(|copies| (copies.epoch, copies.whole.iter().copied().collect())).collect();
        copies.sort_by_key(|(epoch, _)| std::cmp::Reverse(*epoch));
        Inventory { copies }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Epoch = Epoch { index: 1, step: 16 };
    const SECOND: Epoch = Epoch { index: 2, step: 48 };
    const THIRD: Epoch = Epoch { index: 3, step: 64 };

    fn awaited(owner: u32, batches: &[Batch]) -> BTreeMap<Rank, Vec<Batch>> {
        BTreeMap::from([(Rank(owner), batches.to_vec())])
    }

    #[test]
    fn a_copy_is_in_the_books_once_it_is_whole() {
        let mut shelf = Shelf::default();
        shelf.open(FIRST, [0, 1], awaited(2, &[5]));
        assert!(shelf.holds(FIRST, 0) && !shelf.holds(FIRST, 5));
        shelf.look(|owner, index| (owner, index) == (Rank(1), 1));
        assert!(!shelf.holds(FIRST, 5));
        shelf.look(|owner, index| (owner, index) == (Rank(2), 1));
        assert_eq!(shelf.inventory().copies, [(FIRST, vec![0, 1, 5])]);
    }

    #[test]
    fn the_older_copy_stays_until_the_newer_is_committed() {
        let mut shelf = Shelf::default();
        shelf.open(FIRST, [0], BTreeMap::new());
        shelf.open(SECOND, [0], awaited(2, &[5]));
        assert_eq!(shelf.inventory().copies, [(SECOND, vec![0]), (FIRST, vec![0])]);
        shelf.committed(1);
        assert!(shelf.holds(FIRST, 0));
        shelf.committed(2);
        assert_eq!(shelf.inventory().copies, [(SECOND, vec![0])]);
        shelf.open(THIRD, [0], BTreeMap::new());
    }

    #[test]
    #[should_panic(expected = "still in the books")]
    fn a_copy_in_the_books_is_not_written_over() {
        let mut shelf = Shelf::default();
        shelf.open(FIRST, [0], BTreeMap::new());
        shelf.open(THIRD, [0], BTreeMap::new());
    }

    #[test]
    fn a_recovery_keeps_one_epoch_to_which_copies_may_be_added() {
        let mut shelf = Shelf::default();
        shelf.open(FIRST, [0], BTreeMap::new());
        shelf.open(SECOND, [0], awaited(2, &[5]));
        shelf.keep_only(FIRST);
        shelf.open(FIRST, [0], awaited(3, &[7]));
        shelf.look(|_, _| true);
        assert_eq!(shelf.inventory().copies, [(FIRST, vec![0, 7])]);
    }
}
