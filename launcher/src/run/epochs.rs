//! Epochs of a run: when one is due, what is told of it, and the commit.

use std::time::{Duration, Instant};

use rankzero_comm::{Bootstrap, Fabric};
use rankzero_epoch::Ledger;
use serde_json::json;

use super::drive::Drive;
use super::error::RunError;
use super::faults::Point;

/// What the master keeps of epochs.
pub(super) struct Epochs {
    /// What is under way and what is committed.
    pub ledger: Ledger,
    /// When the last one began.
    last: Instant,
    /// Bodies that slept when it began.
    asleep: usize,
}

impl Epochs {
    /// From a ledger: that of the start, or of a recovery.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, last: Instant::now(), asleep: 0 }
    }
}

impl<F: Fabric + Bootstrap> Drive<'_, F> {
    /// Whether the step after `step` steps ends with an epoch.
    pub(super) fn epoch_is_due(&self, step: u64) -> bool {
        let next = step + 1;
        if !self.says_all(next) || !self.epochs.ledger.may_begin(step) {
            return false;
        }
        if self.checkpoints.is_due(next) {
            return true;
        }
        let interval = Duration::from_millis(self.start.job.network.sync_interval_ms);
        let epoch_steps = self.start.job.fault_tolerance.epoch_steps.fixed();
        let pace = self.start.scene.pace();
        epoch_steps.map_or(self.epochs.last.elapsed() >= interval, |n| next % n < pace)
    }

    /// Whether the state after `step` steps says all: where there are rigid bodies, only where their scene is rebuilt.
    pub(super) fn says_all(&self, step: u64) -> bool {
        step.is_multiple_of(self.start.scene.pace())
    }

    /// Begins the epoch that the master has declared for the step just done.
    pub(super) fn epoch(&mut self) -> Result<(), RunError> {
        let start = Instant::now();
        let me = self.engine.rank();
        self.faults.pass(Point::Epoch, me);
        let epoch = self.engine.begin_epoch()?;
        self.faults.pass(Point::Copied, me);
        if self.heard.decision.checkpoint {
            self.begin_checkpoint();
        }
        if self.engine.is_master() {
            self.epochs.ledger.begin(epoch);
        }
        self.epochs.asleep = self.engine.asleep();
        self.epochs.last = Instant::now();
        self.output += start.elapsed();
        Ok(())
    }

    /// On the master: commits the epoch under way once all copies and hashes are in place, and tells the journal.
    pub(super) fn commit(&mut self) -> Result<(), RunError> {
        let Some(digest) = self.epochs.ledger.under_way().and_then(|_| self.engine.epoch_digest()) else {
            return Ok(());
        };
        let step = self.engine.steps_done();
        let Some(epoch) = self.epochs.ledger.heard(self.heard.replicated, step) else { return Ok(()) };
        self.faults.pass(Point::Commit, self.engine.rank());
        // Who was away for long may no longer be the master, nor the run's directory be its own.
        self.undisturbed()?;
        self.fence.look()?;
        self.compare_with_the_journal(epoch.step, &digest)?;
        self.digest_of_checkpoint(epoch.step, &digest);
        let asleep = self.epochs.asleep;
        if let Some(journal) = &mut self.journal {
            journal.write("epoch", epoch.step, json!({ "digest": digest, "asleep": asleep, "index": epoch.index }))?;
        }
        Ok(())
    }
}
