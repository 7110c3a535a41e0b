//! The master's side of an epoch: one at a time, committed once everybody's copies are in place.

use crate::Epoch;

/// What is under way and what is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    committed: Epoch,
    under_way: Option<Epoch>,
    /// The step in whose header the last commit was announced.
    announced: Option<u64>,
}

impl Ledger {
    /// At the start, or after a recovery that went back to `epoch`, whose copies are being made whole again: nothing else begins before
    /// that.
    pub fn resume(epoch: Epoch) -> Self {
        Self { committed: epoch, under_way: (epoch != Epoch::START).then_some(epoch), announced: Some(0) }
    }

    /// The newest committed epoch.
    pub fn committed(&self) -> Epoch {
        self.committed
    }

    /// The epoch under way, if any.
    pub fn under_way(&self) -> Option<Epoch> {
        self.under_way
    }

    /// Whether the header of `step` may declare an epoch: none is under way, and the last commit was told in an earlier header.
    pub fn may_begin(&self, step: u64) -> bool {
        self.under_way.is_none() && self.announced.is_some_and(|announced| announced < step)
    }

    /// An epoch has been declared.
    ///
    /// # Panics
    /// If one is under way.
    pub fn begin(&mut self, epoch: Epoch) {
        assert!(self.under_way.is_none(), "{:?} is under way at {epoch:?}", self.under_way);
        self.under_way = Some(epoch);
    }

    /// Takes note that `replicated` is the least index that all members say to have replicated. The epoch that this commits, if any: the
    /// header of `step` announces it.
    pub fn heard(&mut self, replicated: u32, step: u64) -> Option<Epoch> {
        let epoch = self.under_way.filter(|epoch| replicated >= epoch.index)?;
        self.under_way = None;
        self.committed = epoch;
        self.announced = Some(step);
        Some(epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_epoch_at_a_time_and_the_commit_is_told_first() {
        let mut ledger = Ledger::resume(Epoch::START);
        assert!(ledger.may_begin(15));
        let first = Epoch::START.next(16);
        ledger.begin(first);
        assert!(!ledger.may_begin(31));
        assert_eq!(ledger.heard(0, 17), None);
        assert_eq!(ledger.heard(1, 18), Some(first));
        assert_eq!(ledger.committed(), first);
        assert!(!ledger.may_begin(18), "in the very header that tells the commit");
        assert!(ledger.may_begin(19));
        assert_eq!(ledger.heard(1, 19), None);
    }

    #[test]
    fn after_a_recovery_copies_are_made_whole_before_the_next_epoch() {
        let back = Epoch { index: 4, step: 64 };
        let mut ledger = Ledger::resume(back);
        assert!(!ledger.may_begin(79));
        assert_eq!(ledger.heard(3, 65), None);
        assert_eq!(ledger.heard(4, 66), Some(back));
        assert!(ledger.may_begin(67));
    }
}
