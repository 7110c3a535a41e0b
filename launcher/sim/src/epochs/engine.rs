//! Copies, epochs and restoration of one rank, as `launcher/src/engine/epoch.rs` has them.

use std::collections::BTreeMap;

use rankzero_comm::Rank;
use rankzero_epoch::{Batch, Epoch, Inventory, Plan, Shelf};

use super::Mutation;
use super::node::{Point, RunNode};
use super::truth::{State, Truth, WORDS, leaf};
use super::words::{HEADER_WORDS, Kind};

/// Words that travel together in a copy.
const GRAIN: usize = 2;

/// What lies where in the memory of every rank.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    batches: usize,
    capacity: usize,
}

impl Layout {
    /// That of a run.
    pub fn new(truth: &Truth) -> Layout {
        Layout { batches: truth.batches() as usize, capacity: truth.rules.capacity as usize }
    }

    /// Words in all.
    pub fn words(self) -> usize {
        self.digest(0, 1) + self.batches
    }

    /// The state of a batch.
    pub fn state(self, batch: Batch) -> usize {
        batch as usize * WORDS
    }

    /// Its copy in a half.
    pub fn copy(self, half: usize, batch: Batch) -> usize {
        (self.batches * (1 + half) + batch as usize) * WORDS
    }

    /// Its state at the start of a step.
    pub fn reach(self, step: u64, batch: Batch) -> usize {
        (self.batches * (3 + (step & 1) as usize) + batch as usize) * WORDS
    }

    /// The header of a rank.
    pub fn header(self, step: u64, rank: Rank) -> usize {
        self.batches * 5 * WORDS + (self.capacity * (step & 1) as usize + rank.index()) * HEADER_WORDS
    }

    /// The hash of a batch.
    pub fn digest(self, batch: Batch, sequence: u64) -> usize {
        self.header(1, Rank(self.capacity as u32)) + self.batches * (sequence & 1) as usize + batch as usize
    }

    /// Which half and batch a word belongs to, if it is one of a copy.
    fn copy_at(self, at: usize) -> Option<(usize, Batch)> {
        let block = at / WORDS;
        let copies = self.batches..3 * self.batches;
        copies.contains(&block).then(|| (block / self.batches - 1, (block % self.batches) as Batch))
    }
}

impl RunNode {
    pub(super) fn load(&self, at: usize) -> State {
        std::array::from_fn(|nth| self.link.memory[at + nth])
    }

    pub(super) fn set(&mut self, at: usize, words: &[u64]) {
        self.link.memory[at..at + words.len()].copy_from_slice(words);
    }

    pub(super) fn own(&self) -> Vec<Batch> {
        (0..self.owners.len() as Batch).filter(|batch| self.owners[*batch as usize] == self.me).collect()
    }

    /// The members of the view, ascending.
    pub(super) fn members(&self) -> Vec<Rank> {
        let mut members: Vec<Rank> = self.link.others.iter().copied().chain([self.me]).collect();
        members.sort_unstable();
        members
    }

    pub(super) fn is_master(&self) -> bool {
        self.me == self.master
    }

    /// Words that another rank writes here.
    pub(super) fn store(&mut self, from: Rank, writes: Vec<(usize, Vec<u64>)>) {
        for (at, words) in writes {
            if !self.link.lets_in(from) {
                let me = self.me;
                self.truth.borrow_mut().fail(|| format!("{from}, which is not in its view, writes to {me}"));
            }
            self.set(at, &words);
            if let Some((half, batch)) = self.layout.copy_at(at) {
                self.check_copy(half, batch, "written over");
            }
        }
    }

    /// a copy in the books is whole, also while others write.
    fn check_copy(&self, half: usize, batch: Batch, how: &str) {
        let inventory = self.shelf.inventory();
        let of = inventory.copies.iter().find(|(epoch, held)| epoch.half() == half && held.contains(&batch));
        let Some((epoch, _)) = of else { return };
        let mut truth = self.truth.borrow_mut();
        if self.load(self.layout.copy(half, batch)) != truth.state(epoch.step, batch) {
            let me = self.me;
            truth
                .fail(|| format!("X-2: the copy of batch {batch} at {me}, whole in the books at {epoch:?}, was {how}"));
        }
    }

    /// The copy of a batch in a half.
    pub fn copy(&self, half: usize, batch: Batch) -> State {
        self.load(self.layout.copy(half, batch))
    }

    pub(super) fn load_start(&mut self) {
        for batch in 0..self.owners.len() as Batch {
            let state = self.truth.borrow().state(0, batch);
            self.set(self.layout.state(batch), &state);
        }
    }

    pub(super) fn latest(&self) -> Epoch {
        self.epoch.unwrap_or(Epoch::START)
    }

    /// What an epoch does once older copies of its half have left.
    pub(super) fn copy_and_send(&mut self, epoch: Epoch) {
        if self.truth.borrow().rules.replicas == 0 {
            self.replicated = epoch.index;
            return;
        }
        let mut dirty = Vec::new();
        for batch in self.own() {
            let at = self.layout.copy(epoch.half(), batch);
            let (before, state) = (self.load(at), self.load(self.layout.state(batch)));
            self.set(at, &state);
            let kept = self.bases.kept(epoch, batch);
            let changed = |nth: &usize| !kept || before[*nth..nth + GRAIN] != state[*nth..nth + GRAIN];
            dirty.push((batch, (0..WORDS).step_by(GRAIN).filter(changed).map(|nth| (at + nth, GRAIN)).collect()));
        }
        self.send_copies(epoch, &dirty);
    }

    /// Sends copies of all own batches in full, after a recovery.
    fn mend_copies(&mut self, epoch: Epoch) {
        let dirty: Vec<_> = self.own().into_iter().map(|batch| (batch, Vec::new())).collect();
        self.send_copies(epoch, &dirty);
    }

    fn send_copies(&mut self, epoch: Epoch, dirty: &[(Batch, Vec<(usize, usize)>)]) {
        let (replicas, delta) = (self.truth.borrow().rules.replicas, self.truth.borrow().rules.delta);
        if replicas == 0 {
            return;
        }
        let (me, members, index) = (self.me, self.members(), u64::from(epoch.index));
        let keepers = |owner: Rank| self.truth.borrow().buddies(owner, &members);
        let mine = keepers(me);
        let others: Vec<Rank> = members.iter().copied().filter(|&o| o != me && keepers(o).contains(&me)).collect();
        for &buddy in mine.iter().filter(|_| !dirty.is_empty()) {
            let mut out = Vec::new();
            for (batch, ranges) in dirty {
                if delta && self.bases.shared(epoch, *batch, buddy) {
                    out.extend(ranges);
                } else {
                    let at = self.layout.copy(epoch.half(), *batch);
                    out.extend((0..WORDS).step_by(GRAIN).map(|nth| (at + nth, GRAIN)));
                }
            }
            self.link.put(buddy, out, Kind::Epoch, index);
        }
        let mut awaited: BTreeMap<Rank, Vec<Batch>> = BTreeMap::new();
        for (batch, owner) in self.owners.iter().enumerate() {
            if others.contains(owner) {
                awaited.entry(*owner).or_default().push(batch as Batch);
            }
        }
        let own = self.own();
        own.iter().for_each(|batch| self.bases.sent(epoch, *batch, &mine));
        self.shelf.open(epoch, own, awaited);
    }

    fn look_for_copies(&mut self) {
        let link = &self.link;
        self.shelf.look(|owner, index| link.has(owner, Kind::Epoch, u64::from(index)));
    }

    /// The index of the newest epoch of which all copies are in place at the buddies.
    pub(super) fn replicated(&mut self) -> u32 {
        let index = self.latest().index;
        if self.replicated != index {
            self.look_for_copies();
            if self.link.unsettled(Kind::Epoch, u64::from(index)).is_none() {
                self.replicated = index;
            }
        }
        self.replicated
    }

    /// Older copies are given up.
    pub(super) fn committed(&mut self, index: u32) {
        self.look_for_copies();
        let before = self.shelf.clone();
        self.shelf.committed(index);
        if before != self.shelf {
            self.old_shelf = before;
        }
    }

    /// What this rank holds copies of.
    pub(super) fn inventory(&mut self) -> Inventory {
        self.look_for_copies();
        let mut inventory = self.shelf.inventory();
        if self.truth.borrow().rules.mutation == Some(Mutation::OldHalfClaimed) {
            let known: Vec<Epoch> = inventory.copies.iter().map(|(epoch, _)| *epoch).collect();
            let old = self.old_shelf.inventory().copies;
            inventory.copies.extend(old.into_iter().filter(|(epoch, _)| !known.contains(epoch)));
        }
        for (epoch, held) in &inventory.copies {
            let mut truth = self.truth.borrow_mut();
            for &batch in held {
                let copy = self.load(self.layout.copy(epoch.half(), batch));
                truth.check_state(self.me, "claimed", epoch.step, batch, &copy);
            }
        }
        inventory
    }

    /// Goes back to the state of the plan.
    pub(super) fn restore(&mut self, plan: &Plan) {
        let epoch = plan.epoch;
        self.owners = plan.owners.iter().map(|&owner| Rank(owner)).collect();
        self.step = epoch.step;
        self.epoch = Some(epoch);
        self.bases.clear();
        self.hashed = 0;
        self.replicated = if epoch == Epoch::START { 0 } else { epoch.index - 1 };
        for batch in self.own() {
            let state = match epoch {
                Epoch::START => self.truth.borrow().state(0, batch),
                _ => self.load(self.layout.copy(epoch.half(), batch)),
            };
            self.truth.borrow_mut().check_state(self.me, "restored", epoch.step, batch, &state);
            self.set(self.layout.state(batch), &state);
        }
        self.shelf.keep_only(epoch);
        self.old_shelf = Shelf::default();
        if epoch != Epoch::START {
            self.mend_copies(epoch);
            self.put_digests();
        }
    }

    /// Goes on from a checkpoint.
    pub(super) fn resume_at(&mut self, step: u64, owners: &[u32]) {
        self.owners = owners.iter().map(|&owner| Rank(owner)).collect();
        self.step = step;
        self.epoch = None;
        self.bases.clear();
        (self.hashed, self.replicated) = (0, 0);
        for batch in self.own() {
            let state = self.truth.borrow().manifests.get(&step).map(|manifest| manifest.states[batch as usize]);
            let Some(state) = state else { continue };
            self.truth.borrow_mut().check_state(self.me, "loaded", step, batch, &state);
            self.set(self.layout.state(batch), &state);
        }
        self.shelf = Shelf::default();
        self.old_shelf = Shelf::default();
    }

    /// Sends the hashes of own batches to the master, once the older ones have left.
    pub(super) fn put_digests(&mut self) {
        self.hashed += 1;
        let sequence = self.hashed;
        let mut ranges = Vec::new();
        for batch in self.own() {
            let (at, hash) = (self.layout.digest(batch, sequence), leaf(&self.load(self.layout.state(batch))));
            self.set(at, &[hash]);
            ranges.push((at, 1));
        }
        if !self.is_master() {
            self.link.put(self.master, ranges, Kind::Digest, sequence);
        }
    }

    /// All hashes, on the master, once they are here.
    pub(super) fn digest(&self) -> Option<Vec<u64>> {
        let here = self.is_master() && self.link.missing(Kind::Digest, self.hashed).is_none();
        let leaves =
            || (0..self.owners.len() as Batch).map(|batch| self.link.memory[self.layout.digest(batch, self.hashed)]);
        here.then(|| leaves().collect())
    }

    /// Begins an epoch: it is known before older copies have left.
    pub(super) fn declare(&mut self) -> Option<Epoch> {
        if self.pass(Point::Epoch) {
            return None;
        }
        let epoch = self.latest().next(self.step);
        self.epoch = Some(epoch);
        Some(epoch)
    }
}
