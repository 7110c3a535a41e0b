//! What the buddies hold already: the state of two epochs ago, in the half that is about to be written again. Where a buddy is known to
//! hold just that, the difference is enough.

use std::collections::BTreeMap;

use rankzero_comm::Rank;

use crate::{Batch, Epoch};

/// By half and batch, who holds the same words as this rank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bases {
    halves: [BTreeMap<Batch, Vec<Rank>>; 2],
}

impl Bases {
    /// Whether `buddy` holds in the half of `epoch` what this rank holds there.
    pub fn shared(&self, epoch: Epoch, batch: Batch, buddy: Rank) -> bool {
        self.halves[epoch.half()].get(&batch).is_some_and(|buddies| buddies.contains(&buddy))
    }

    /// Whether this rank's own copy in the half of `epoch` is what it wrote there last.
    pub fn kept(&self, epoch: Epoch, batch: Batch) -> bool {
        self.halves[epoch.half()].contains_key(&batch)
    }

    /// The batch was sent to all of `buddies`, which hold the same from now on.
    pub fn sent(&mut self, epoch: Epoch, batch: Batch, buddies: &[Rank]) {
        self.halves[epoch.half()].insert(batch, buddies.to_vec());
    }

    /// The batch changes its owner.
    pub fn forget(&mut self, batch: Batch) {
        self.halves.iter_mut().for_each(|half| drop(half.remove(&batch)));
    }

    /// Nothing is known any more: after a recovery.
    pub fn clear(&mut self) {
        self.halves.iter_mut().for_each(BTreeMap::clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_known_apart_and_a_move_forgets_both() {
        let mut bases = Bases::default();
        let (odd, even) = (Epoch { index: 1, step: 16 }, Epoch { index: 2, step: 32 });
        bases.sent(odd, 3, &[Rank(1), Rank(2)]);
        assert!(bases.shared(odd, 3, Rank(2)) && bases.shared(odd.next(0).next(0), 3, Rank(1)));
        assert!(!bases.shared(even, 3, Rank(1)) && !bases.kept(even, 3) && bases.kept(odd, 3));
        assert!(!bases.shared(odd, 3, Rank(4)));
        bases.sent(even, 3, &[]);
        bases.forget(3);
        assert_eq!(bases, Bases::default());
    }
}
