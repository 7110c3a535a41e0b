//! Checkpoints on a disk that all ranks share, as `launcher/src/run/checkpoints.rs` makes them.

use std::collections::BTreeSet;
use std::time::Duration;

use rankzero_comm::Rank;
use rankzero_epoch::Batch;

use super::node::{Point, RunNode};
use super::truth::{Manifest, State};
use super::words::What;

/// A checkpoint under way, on the master.
#[derive(Clone, Debug)]
struct UnderWay {
    step: u64,
    writers: BTreeSet<Rank>,
    parts: BTreeSet<Rank>,
    digest: bool,
    /// When the manifest is there.
    committing: Option<Duration>,
}

/// A part under way: when it is there, of which step, what it holds.
type Part = (Duration, u64, Vec<(Batch, State)>);

/// The checkpoints of a rank.
#[derive(Clone, Debug, Default)]
pub struct Checkpoints {
    under_way: Option<UnderWay>,
    writing: Vec<Part>,
    last: u64,
}

impl Checkpoints {
    /// When the disk has done something.
    pub fn due(&self) -> Duration {
        let manifest = self.under_way.as_ref().and_then(|under_way| under_way.committing);
        self.writing.iter().map(|(at, ..)| *at).chain(manifest).min().unwrap_or(Duration::MAX)
    }

    /// Whether one is due at the end of `step` steps.
    pub fn is_due(&self, step: u64, every: Option<u64>) -> bool {
        self.under_way.is_none() && every.is_some_and(|every| step / every > self.last / every)
    }

    /// Whoever is gone will not finish its part.
    pub fn forget(&mut self) {
        self.under_way = None;
    }
}

impl RunNode {
    fn goes_wrong(&mut self) -> bool {
        let faults = self.truth.borrow().rules.disk_faults;
        faults > 0 && self.random.one_in(faults)
    }

    pub(super) fn begin_checkpoint(&mut self) {
        let step = self.step;
        self.checkpoints.last = step;
        if self.is_master() {
            self.checkpoints.under_way = Some(UnderWay {
                step,
                writers: self.owners.iter().copied().collect(),
                parts: BTreeSet::new(),
                digest: false,
                committing: None,
            });
        }
        let own = self.own();
        let states: Vec<(Batch, State)> =
            own.into_iter().map(|batch| (batch, self.load(self.layout.state(batch)))).collect();
        if !states.is_empty() {
            let at = self.now + self.random.millis(1..400);
            self.checkpoints.writing.push((at, step, states));
        }
    }

    /// What the disk has done by now.
    pub(super) fn tend_disk(&mut self) {
        while let Some(index) = self.checkpoints.writing.iter().position(|(at, ..)| *at <= self.now) {
            let (_, step, states) = self.checkpoints.writing.swap_remove(index);
            let written = !self.goes_wrong();
            if written {
                self.truth.borrow_mut().parts.insert((step, self.me), states);
            } else {
                self.truth.borrow_mut().count("writes failed");
            }
            if self.pass(Point::Part) {
                return;
            }
            if self.is_master() {
                self.part_of(self.me, step, written);
            } else {
                let (master, term) = (self.master, self.view.term);
                self.post(master, term, What::Part(step, written));
            }
        }
        let committed = |at: &Duration| *at <= self.now;
        let done = self.checkpoints.under_way.take_if(|under_way| under_way.committing.as_ref().is_some_and(committed));
        if let Some(UnderWay { step, writers, .. }) = done {
            self.commit_checkpoint(step, &writers);
        }
    }

    fn commit_checkpoint(&mut self, step: u64, writers: &BTreeSet<Rank>) {
        let torn = self.goes_wrong();
        let mut truth = self.truth.borrow_mut();
        let mut states = vec![None; truth.batches() as usize];
        let parts = writers.iter().filter_map(|writer| truth.parts.get(&(step, *writer)));
        parts.flatten().for_each(|(batch, state)| states[*batch as usize] = Some(*state));
        // The store refuses where a batch is missing.
        let Some(states) = states.into_iter().collect::<Option<Vec<State>>>() else { return };
        truth.manifests.insert(step, Manifest { states, torn });
        truth.count(if torn { "checkpoints torn" } else { "checkpoints" });
        while truth.manifests.values().filter(|manifest| !manifest.torn).count() > 2 {
            truth.manifests.pop_first();
        }
    }

    /// On the master: makes the checkpoint count when all of it is there.
    pub(super) fn tend_checkpoint(&mut self) {
        let due = self.now + self.random.millis(1..100);
        let Some(under_way) = &mut self.checkpoints.under_way else { return };
        if under_way.committing.is_some() || !under_way.digest || !under_way.writers.is_subset(&under_way.parts) {
            return;
        }
        under_way.committing = Some(due);
        self.pass(Point::Manifest);
    }

    /// On the master: `writer` has written its part, or has not.
    pub(super) fn part_of(&mut self, writer: Rank, step: u64, written: bool) {
        let Some(under_way) = self.checkpoints.under_way.as_mut().filter(|under_way| under_way.step == step) else {
            return;
        };
        if written {
            under_way.parts.insert(writer);
        } else {
            self.checkpoints.under_way = None;
        }
    }

    /// On the master: the digest of the state after `step` steps is known.
    pub(super) fn digest_of_checkpoint(&mut self, step: u64) {
        if let Some(under_way) = self.checkpoints.under_way.as_mut().filter(|under_way| under_way.step == step) {
            under_way.digest = true;
        }
    }

    /// The newest checkpoint that can be restored.
    pub(super) fn newest_checkpoint(&self) -> Option<u64> {
        let truth = self.truth.borrow();
        truth.manifests.iter().rev().find(|(_, manifest)| !manifest.torn).map(|(step, _)| *step)
    }
}
