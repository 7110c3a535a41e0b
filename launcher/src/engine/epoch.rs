//! Copies of the state at epochs: this rank's bodies into its own copy segment, and from there into those of its buddies.
//!
//! The board has room for two copies, of odd and even epochs; the books about them are `rankzero_epoch`'s. A copy goes from the offset
//! where it lies to the same offset at the buddy, as ranges that changed since this half was written last. Nobody waits for it: the next
//! steps are computed meanwhile, and each header tells which epoch has been delivered ([`Engine::replicated`]).

use std::collections::BTreeMap;

use rankzero_comm::{Fabric, Rank};
use rankzero_epoch::{Bases, Epoch, Inventory, Plan, Shelf, buddies};
use rankzero_physx::rigid::RigidState;
use rayon::prelude::*;

use super::board::{Board, DIGEST_WORDS, Kind};
use super::own::Own;
use super::{Engine, EngineError, digest};

/// Words that are compared and sent together: a change of one word costs so many. 256 bytes, four cache lines.
const GRAIN: usize = 64;
// Whoever finds what has changed, finds the same.
const _: () = assert!(GRAIN == rankzero_gpu_solver::GRAIN);

/// How copies are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replication {
    /// Copies beside the owner's.
    pub replicas: usize,
    /// Whether only what changed is sent.
    pub delta: bool,
    /// By rank, the number of its node.
    pub nodes: Vec<u32>,
}

/// The copies of one rank.
#[derive(Debug, Default)]
pub struct Copies {
    rule: Option<Replication>,
    shelf: Shelf,
    bases: Bases,
    epoch: Option<Epoch>,
    /// The rigid states of odd and even epochs, and at the start.
    rigids: [Vec<RigidState>; 2],
    first_rigids: Vec<RigidState>,
    replicated: u32,
    /// How often the state was hashed in this view.
    hashed: u64,
    /// Words sent to buddies so far.
    pub sent_words: u64,
    /// Epochs so far.
    pub epochs: u64,
}

impl Copies {
    pub(super) fn new(rigids: &[RigidState]) -> Self {
        Self { first_rigids: rigids.to_vec(), ..Self::default() }
    }

    /// Whether what is in the half of an epoch is of no use for comparison with states of a batch.
    pub(super) fn is_fresh(&self, epoch: Epoch, batch: u32) -> bool {
        !self.bases.kept(epoch, batch)
    }

    fn latest(&self) -> Epoch {
        self.epoch.unwrap_or(Epoch::START)
    }
}

/// What a card has done to the copy of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Renewed {
    /// Nothing.
    Not,
    /// It has failed meanwhile.
    InPart,
    /// All: these ranges have changed.
    Ranges(Vec<(usize, usize)>),
}

/// Ranges of one body: what changed, and all of it.
struct Dirty {
    body: u32,
    ranges: Vec<(usize, usize)>,
}

impl<F: Fabric> Engine<F> {
    /// From now on copies are kept by this rule; before the first step.
    pub fn keep_copies(&mut self, rule: Replication) {
        self.copies.rule = Some(rule);
        self.lend_copies();
    }

    /// The newest epoch that this rank has begun.
    pub fn epoch(&self) -> Epoch {
        self.copies.latest()
    }

    /// Words sent as copies, and epochs, since the start.
    pub fn replication(&self) -> (u64, u64) {
        (self.copies.sent_words, self.copies.epochs)
    }

    /// What this rank holds copies of.
    pub fn inventory(&mut self) -> Inventory {
        self.look_for_copies();
        self.copies.shelf.inventory()
    }

    /// Begins an epoch at the state as it is: hashes it and sends copies on their way. All members call it at the same step, and not
    /// before the commit of the epoch before was announced to all (invariant X-1 of `rankzero_epoch`).
    ///
    /// # Errors
    /// As for a step.
    pub fn begin_epoch(&mut self) -> Result<Epoch, EngineError> {
        let epoch = self.copies.latest().next(self.step);
        self.copies.epoch = Some(epoch);
        self.copies.epochs += 1;
        self.copies.rigids[epoch.half()] = self.rigids.states().to_vec();
        self.link.begin_epoch(epoch.index);
        if self.copies.rule.is_some() {
            self.link.settle(Kind::Epoch, u64::from(epoch.index), self.step)?;
            let by_card = self.renew_on_card(epoch)?;
            let (board, copies, batch_of) = (&self.board, &self.copies, &self.batch_of);
            let copied = self.own.par_iter().zip(by_card).map(|(own, by_card)| match by_card {
                Renewed::Ranges(ranges) => Dirty { body: own.id, ranges },
                Renewed::InPart => copy(board, own.id, epoch, true),
                Renewed::Not => copy(board, own.id, epoch, copies.is_fresh(epoch, batch_of[own.id as usize])),
            });
            let dirty: Vec<Dirty> = copied.collect();
            self.send_copies(epoch, &dirty)?;
        } else {
            self.copies.replicated = epoch.index;
        }
        self.put_digests()?;
        Ok(epoch)
    }

    /// Sends copies of all own bodies in full, after a recovery: buddies may lack any of them.
    pub(super) fn mend_copies(&mut self, epoch: Epoch) -> Result<(), EngineError> {
        let all = |own: &Own| Dirty { body: own.id, ranges: Vec::new() };
        let dirty: Vec<Dirty> = self.own.iter().map(all).collect();
        self.send_copies(epoch, &dirty)
    }

    fn send_copies(&mut self, epoch: Epoch, dirty: &[Dirty]) -> Result<(), EngineError> {
        let Some(rule) = self.copies.rule.clone() else { return Ok(()) };
        let (me, members, index) = (self.rank(), self.members(), u64::from(epoch.index));
        let keepers = |owner: Rank| buddies(owner, &members, |rank| rule.nodes[rank.index()], rule.replicas);
        let mine = keepers(me);
        for &buddy in mine.iter().filter(|_| !dirty.is_empty()) {
            self.ranges.clear();
            for Dirty { body, ranges } in dirty {
                let batch = self.batch_of[*body as usize];
                if rule.delta && self.copies.bases.shared(epoch, batch, buddy) {
                    ranges.iter().for_each(|&range| super::step::append(&mut self.ranges, range));
                } else {
                    super::step::append(&mut self.ranges, self.board.copy_of(*body, index));
                }
            }
            self.copies.sent_words += self.ranges.iter().map(|(_, len)| *len as u64).sum::<u64>();
            self.link.put(buddy, self.board.copy.id, &self.ranges, Kind::Epoch, index)?;
        }
        let batches = self.ownership.batches();
        let mut awaited: BTreeMap<Rank, Vec<u32>> = BTreeMap::new();
        let others: Vec<Rank> = members.iter().copied().filter(|&o| o != me && keepers(o).contains(&me)).collect();
        for (batch, owner) in batches.iter().enumerate() {
            if others.contains(owner) {
                awaited.entry(*owner).or_default().push(batch as u32);
            }
        }
        let own = (0..batches.len() as u32).filter(|&batch| batches[batch as usize] == me);
        own.clone().for_each(|batch| self.copies.bases.sent(epoch, batch, &mine));
        self.copies.shelf.open(epoch, own, awaited);
        Ok(())
    }

    fn look_for_copies(&mut self) {
        let link = &self.link;
        self.copies.shelf.look(|owner, index| link.has(owner, Kind::Epoch, u64::from(index)));
    }

    /// The index of the newest epoch of which all copies of this rank's bodies are in place at its buddies.
    ///
    /// # Errors
    /// [`EngineError::Comm`] where the fabric fails.
    pub fn replicated(&mut self) -> Result<u32, EngineError> {
        let index = self.copies.latest().index;
        if self.copies.replicated != index {
            self.link.look()?;
            self.look_for_copies();
            if self.link.is_settled(Kind::Epoch, u64::from(index)) {
                self.copies.replicated = index;
            }
        }
        Ok(self.copies.replicated)
    }

    /// The epoch with this index is committed, says the master: older copies are given up.
    pub fn committed(&mut self, index: u32) {
        self.look_for_copies();
        self.copies.shelf.committed(index);
    }

    /// A batch has changed its owner: its buddies hold other words than the new owner thinks.
    pub(super) fn forget_base(&mut self, batch: u32) {
        self.copies.bases.forget(batch);
    }

    /// Goes back to the state of the plan: the copies of its epoch, or the start. Copies are made whole again in the background.
    ///
    /// # Errors
    /// [`EngineError`]: PhysX, or the next disturbance.
    pub fn restore(&mut self, plan: &Plan) -> Result<(), EngineError> {
        let epoch = plan.epoch;
        let owners = plan.owners.iter().map(|&owner| Rank(owner)).collect();
        self.ownership = super::Ownership::new(&self.scene, owners);
        self.step = epoch.step;
        self.forget_card_states();
        self.copies.epoch = Some(epoch);
        self.copies.bases.clear();
        self.copies.hashed = 0;
        self.copies.replicated = if epoch == Epoch::START { 0 } else { epoch.index - 1 };
        let me = self.rank();
        let ids: Vec<u32> = self.ownership.bodies_of(me).collect();
        let (board, scene) = (&self.board, &self.scene);
        ids.par_iter().for_each(|&id| {
            if epoch == Epoch::START {
                board.states.store(id, &scene.initial_state(id));
            } else {
                let (at, len) = board.copy_of(id, u64::from(epoch.index));
                let mut words = vec![0; len];
                board.copy.memory.load(at, &mut words);
                board.states.store(id, &words);
            }
        });
        let rigids = match epoch {
            Epoch::START => self.copies.first_rigids.clone(),
            _ => self.copies.rigids[epoch.half()].clone(),
        };
        self.restore_rigids(&rigids)?;
        self.own.clear();
        self.adopt();
        self.copies.shelf.keep_only(epoch);
        self.link.begin_epoch(epoch.index);
        if epoch == Epoch::START {
            return Ok(());
        }
        self.mend_copies(epoch)?;
        // The master may be new, and compares the digest with that of its predecessor.
        self.put_digests()
    }

    /// Gives the batches to these ranks, before states are loaded and [`Engine::resume_at`].
    pub fn resume_owners(&mut self, owners: &[u32]) {
        let owners = owners.iter().map(|&owner| Rank(owner)).collect();
        self.ownership = super::Ownership::new(&self.scene, owners);
    }

    /// The bodies whose states this rank needs.
    pub fn ids_to_load(&self) -> impl Iterator<Item = u32> {
        self.ownership.bodies_of(self.rank())
    }

    /// Takes the state of a body, for [`Engine::resume_at`]; whether it has the right length.
    pub fn store_state(&self, body: u32, words: &[u32]) -> bool {
        let fits = self.board.states.range_of(body).1 == words.len();
        if fits {
            self.board.states.store(body, words);
        }
        fits
    }

    /// Goes on from the states that were loaded, and from these of the rigid bodies, as after `step` steps.
    ///
    /// # Errors
    /// [`EngineError::Rigid`] where PhysX refuses the states.
    pub fn resume_at(&mut self, step: u64, rigids: &[RigidState]) -> Result<(), EngineError> {
        self.step = step;
        self.forget_card_states();
        self.copies.epoch = None;
        self.copies.bases.clear();
        (self.copies.hashed, self.copies.replicated) = (0, 0);
        self.restore_rigids(rigids)?;
        self.own.clear();
        self.adopt();
        self.copies.shelf = Shelf::default();
        self.link.begin_epoch(0);
        Ok(())
    }

    /// The states of the rigid bodies at an epoch that this rank has begun, or at the start, as words.
    pub fn rigids_at(&self, epoch: Epoch) -> Vec<u32> {
        let states = if epoch == Epoch::START { &self.copies.first_rigids } else { &self.copies.rigids[epoch.half()] };
        states.iter().flat_map(RigidState::to_words).collect()
    }

    /// Takes them from somebody who has begun the epoch; before [`Engine::restore`].
    pub fn take_rigids(&mut self, epoch: Epoch, words: &[u32]) {
        let states = words.as_chunks::<{ RigidState::WORDS }>().0.iter().map(RigidState::from_words).collect();
        if epoch != Epoch::START {
            self.copies.rigids[epoch.half()] = states;
        }
    }

    fn restore_rigids(&mut self, states: &[RigidState]) -> Result<(), EngineError> {
        if self.rigids.is_empty() {
            return Ok(());
        }
        let step = self.step;
        self.rigids.restore(states).map_err(|source| EngineError::Rigid { step, source })
    }

    /// Sends the hashes of own bodies to the master.
    fn put_digests(&mut self) -> Result<(), EngineError> {
        self.copies.hashed += 1;
        let (step, sequence) = (self.step, self.copies.hashed);
        self.link.begin_digest(sequence);
        self.link.settle(Kind::Digest, sequence, step)?;
        let board = &self.board;
        self.own.par_iter().for_each(|own| {
            let mut state = Vec::new();
            board.states.load(own.id, &mut state);
            board.digest.memory.store(board.digest_of(own.id, sequence), &digest::of_state(&state));
        });
        if self.rank() != self.master {
            self.ranges.clear();
            for own in &self.own {
                super::step::append(&mut self.ranges, (board.digest_of(own.id, sequence), DIGEST_WORDS));
            }
            self.link.put(self.master, self.board.digest.id, &self.ranges, Kind::Digest, sequence)?;
        }
        Ok(())
    }

    /// The digest of the epoch under way, on the master, once all hashes are here.
    pub fn epoch_digest(&self) -> Option<String> {
        let sequence = self.copies.hashed;
        let here = |peer: Rank| self.link.has(peer, Kind::Digest, sequence);
        let rigids = &self.copies.rigids[self.copies.latest().half()];
        (self.rank() == self.master && self.link.peers().all(here)).then(|| self.combined(sequence, rigids))
    }

    /// The digest of the whole state, on the master; `None` elsewhere. All members call it at the same step.
    ///
    /// # Errors
    /// As for a step.
    pub fn digest(&mut self) -> Result<Option<String>, EngineError> {
        self.put_digests()?;
        if self.rank() != self.master {
            return Ok(None);
        }
        let sequence = self.copies.hashed;
        self.link.expect(self.link.peers(), Kind::Digest, sequence, self.step)?;
        Ok(Some(self.combined(sequence, self.rigids.states())))
    }

    fn combined(&self, sequence: u64, rigids: &[RigidState]) -> String {
        let mut leaves = vec![0; DIGEST_WORDS * self.scene.bodies.len()];
        self.board.digest.memory.load(self.board.digest_of(0, sequence), &mut leaves);
        digest::combine(&leaves, rigids)
    }
}

/// Copies the state of a body into the half of `epoch`; `fresh`: what is there is of no use for comparison.
fn copy(board: &Board, body: u32, epoch: Epoch, fresh: bool) -> Dirty {
    let (at, len) = board.copy_of(body, u64::from(epoch.index));
    let (mut state, mut ranges) = (Vec::new(), Vec::new());
    board.states.load(body, &mut state);
    if fresh {
        board.copy.memory.store(at, &state);
        return Dirty { body, ranges: vec![(at, len)] };
    }
    let mut before = vec![0; len];
    board.copy.memory.load(at, &mut before);
    if before != state {
        let grains = state.chunks(GRAIN).zip(before.chunks(GRAIN)).enumerate();
        for (nth, (now, _)) in grains.filter(|(_, (now, before))| now != before) {
            board.copy.memory.store(at + nth * GRAIN, now);
            super::step::append(&mut ranges, (at + nth * GRAIN, now.len()));
        }
    }
    Dirty { body, ranges }
}
