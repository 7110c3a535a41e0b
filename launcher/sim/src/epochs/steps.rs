//! Step after step, and the end, as `launcher/src/run/{drive,epochs,finish}.rs` have it.

use std::time::Duration;

use rankzero_comm::Rank;
use rankzero_epoch::Batch;

use super::Mutation;
use super::node::{Phase, Point, RunNode};
use super::truth::{State, advance};
use super::words::{Decision, HEADER_WORDS, Kind, What, decode, encode};

impl RunNode {
    /// Before a step.
    pub(super) fn begin_step(&mut self) -> bool {
        if self.step >= self.truth.borrow().steps() {
            if !self.pass(Point::End) {
                self.phase = Phase::Hashing { end: true };
            }
            return true;
        }
        if self.pass(Point::Step) {
            return true;
        }
        let moves = |(batch, to): &(Batch, Rank)| self.owners[*batch as usize] != *to && self.members().contains(to);
        self.pending = self.pending.filter(moves);
        self.phase = Phase::Moving(false);
        true
    }

    /// A batch moves, if one does.
    pub(super) fn migrate(&mut self, sent: bool) -> bool {
        let Some((batch, to)) = self.pending else { return self.decide_step() };
        let (from, step) = (self.owners[batch as usize], self.step);
        if let Some(peer) = self.link.unsettled(Kind::State, step) {
            return self.wait_for(peer);
        }
        if !sent {
            if from == self.me {
                self.link.put(to, vec![(self.layout.state(batch), super::truth::WORDS)], Kind::State, step);
            }
            self.phase = Phase::Moving(true);
            return true;
        }
        if to == self.me && !self.link.has(from, Kind::State, step) {
            return self.wait_for(from);
        }
        self.pending = None;
        self.owners[batch as usize] = to;
        self.bases.forget(batch);
        if self.is_master() {
            self.truth.borrow_mut().count("moves");
        }
        self.decide_step()
    }

    fn decide_step(&mut self) -> bool {
        self.read_mail();
        let decision = self.is_master().then(|| self.decide());
        if self.killed {
            return true;
        }
        let header = encode(self.replicated(), decision);
        if self.disturbed() {
            self.phase = Phase::Await;
            return true;
        }
        self.phase = Phase::Ready(header);
        true
    }

    /// The master's decision about the step to come.
    fn decide(&mut self) -> Decision {
        self.commit();
        let (step, rules) = (self.step, self.truth.borrow().rules.clone());
        let free = match rules.mutation {
            Some(Mutation::CommitAndBegin) => self.ledger.under_way().is_none(),
            _ => self.ledger.may_begin(step),
        };
        let checkpoint = self.checkpoints.is_due(step + 1, rules.checkpoint_steps);
        let epoch = free && (checkpoint || (step + 1).is_multiple_of(rules.epoch_steps));
        let moves = rules.moves > 0 && self.random.one_in(rules.moves);
        let members = self.members();
        let moved = moves.then(|| {
            let batch = self.random.below(self.owners.len() as u64) as Batch;
            (batch, members[self.random.below(members.len() as u64) as usize])
        });
        Decision { epoch, checkpoint: epoch && checkpoint, committed: self.ledger.committed().index, moved }
    }

    /// On the master: commits the epoch under way once all copies and hashes are in place.
    fn commit(&mut self) {
        let Some(digest) = self.ledger.under_way().and_then(|_| self.digest()) else { return };
        let early = self.truth.borrow().rules.mutation == Some(Mutation::CommitEarly);
        let replicated = if early { u32::MAX } else { self.heard_replicated };
        let Some(epoch) = self.ledger.heard(replicated, self.step) else { return };
        if self.pass(Point::Commit) {
            return;
        }
        self.knows(epoch);
        let members = self.members();
        let mut truth = self.truth.borrow_mut();
        truth.check_digest(self.me, "committed", epoch.step, &digest);
        if truth.rules.replicas > 0 {
            // Batches may have moved since; who holds them is who was to hold them then.
            truth.committed(self.view.term, epoch, &self.epoch_owners, &members);
        }
        drop(truth);
        self.digest_of_checkpoint(epoch.step);
    }

    /// The header is ready.
    pub(super) fn exchange(&mut self, header: [u64; HEADER_WORDS]) -> bool {
        let step = self.step;
        if let Some(peer) = self.link.unsettled(Kind::Reach, step) {
            return self.wait_for(peer);
        }
        let at = self.layout.header(step, self.me);
        self.set(at, &header);
        let mut ranges = vec![(at, HEADER_WORDS)];
        for batch in self.own() {
            let (at, state) = (self.layout.reach(step, batch), self.load(self.layout.state(batch)));
            self.set(at, &state);
            ranges.push((at, state.len()));
        }
        for peer in self.link.others.clone() {
            self.link.put(peer, ranges.clone(), Kind::Reach, step);
        }
        self.phase = Phase::Exchange;
        true
    }

    /// Waits for everybody's header, then computes.
    pub(super) fn gather(&mut self) -> bool {
        let step = self.step;
        if let Some(peer) = self.link.missing(Kind::Reach, step) {
            return self.wait_for(peer);
        }
        self.works();
        self.truth.borrow_mut().passed(self.me, self.view.term, step);
        let words = |rank: Rank| {
            let at = self.layout.header(step, rank);
            decode(&self.link.memory[at..at + HEADER_WORDS])
        };
        let least = self.members().into_iter().map(|member| words(member).0).min().unwrap_or(0);
        (self.heard_replicated, self.heard) = (least, words(self.master).1);
        let states: Vec<State> =
            (0..self.owners.len() as Batch).map(|batch| self.load(self.layout.reach(step, batch))).collect();
        let next = self.own().into_iter().map(|batch| (batch, advance(batch, &states, step))).collect();
        let longest = self.truth.borrow().rules.step_us;
        let until = self.now + self.random.micros(longest / 4..longest + 1);
        self.phase = Phase::Computing { until, next };
        true
    }

    /// The step is done.
    pub(super) fn end_step(&mut self, until: Duration, next: &[(Batch, State)]) -> bool {
        if self.now < until {
            return false;
        }
        self.works();
        self.step += 1;
        for (batch, state) in next {
            self.truth.borrow_mut().check_state(self.me, "computed", self.step, *batch, state);
            self.set(self.layout.state(*batch), state);
        }
        self.pending = self.heard.moved;
        if std::mem::take(&mut self.resuming) && self.pass(Point::Resumed) {
            return true;
        }
        let index = self.heard.committed;
        self.committed(index);
        if self.latest().index == index && index > 0 {
            self.knows(self.latest());
        }
        self.tend_checkpoint();
        if self.killed {
            return true;
        }
        self.phase = match self.heard.epoch.then(|| self.declare()).flatten() {
            Some(epoch) => Phase::Opening(epoch),
            None => Phase::Begin,
        };
        true
    }

    /// An epoch begins.
    pub(super) fn open_epoch(&mut self, epoch: rankzero_epoch::Epoch) -> bool {
        if let Some(peer) = self.link.unsettled(Kind::Epoch, u64::from(epoch.index)) {
            return self.wait_for(peer);
        }
        self.copy_and_send(epoch);
        self.epoch_owners.clone_from(&self.owners);
        self.phase = Phase::Hashing { end: false };
        true
    }

    /// Hashes go to the master, at an epoch or at the end.
    pub(super) fn hash(&mut self, end: bool) -> bool {
        if let Some(peer) = self.link.unsettled(Kind::Digest, self.hashed + 1) {
            return self.wait_for(peer);
        }
        self.put_digests();
        if end {
            if self.is_master() {
                self.phase = Phase::Concluding { hashed: false };
            } else {
                let (master, term) = (self.master, self.view.term);
                self.post(master, term, What::Figures);
                self.phase = Phase::HandedIn;
            }
            return true;
        }
        if self.pass(Point::Copied) {
            return true;
        }
        if matches!(self.blow, Some((Point::Halfway, _))) {
            // Some pieces leave, then it ends.
            let pieces = 1 + self.random.below(6);
            for _ in 0..pieces {
                self.link.flush_one(&mut self.random, &mut self.out);
            }
            if self.pass(Point::Halfway) {
                return true;
            }
        }
        if self.heard.checkpoint {
            self.begin_checkpoint();
        }
        if self.is_master() {
            self.ledger.begin(self.latest());
        }
        self.phase = Phase::Begin;
        true
    }

    /// The master waits for all hashes, then for everybody, and ends the run.
    pub(super) fn conclude(&mut self, hashed: bool) -> bool {
        if !hashed {
            if let Some(peer) = self.link.missing(Kind::Digest, self.hashed) {
                return self.wait_for(peer);
            }
            self.works();
            let leaves = self.digest().unwrap_or_default();
            self.truth.borrow_mut().check_digest(self.me, "ended with", self.step, &leaves);
            self.phase = Phase::Concluding { hashed: true };
            return true;
        }
        self.handed_in.insert(self.me);
        self.read_mail();
        if !self.members().iter().all(|member| self.handed_in.contains(member)) {
            return self.leave_if_disturbed();
        }
        if self.pass(Point::Summary) {
            return true;
        }
        for peer in self.link.others.clone() {
            self.post(peer, self.view.term, What::Done);
        }
        self.phase = Phase::Done;
        true
    }

    /// Waits for the end of the run. What has come counts before the end of who sent it.
    pub(super) fn await_end(&mut self) -> bool {
        while let Some((from, word)) = self.inbox.pop_front() {
            if word.term == self.view.term && matches!(word.what, What::Done) && from == self.master {
                self.phase = Phase::Done;
                return true;
            }
        }
        self.leave_if_disturbed()
    }

    /// Between steps: mail that has come.
    fn read_mail(&mut self) {
        while let Some((from, word)) = self.inbox.pop_front() {
            match word.what {
                _ if word.term != self.view.term => {}
                What::Part(step, written) => self.part_of(from, step, written),
                What::Figures => drop(self.handed_in.insert(from)),
                _ => {}
            }
        }
    }

    /// Something was done.
    pub(super) fn works(&mut self) {
        self.waits = None;
        self.work += 1;
    }

    /// What cannot be done in this view is left. Whether it was.
    pub(super) fn leave_if_disturbed(&mut self) -> bool {
        let disturbed = self.disturbed();
        if disturbed {
            self.phase = Phase::Await;
        }
        disturbed
    }

    /// Waits for `peer`, unless the view has changed.
    pub(super) fn wait_for(&mut self, peer: Rank) -> bool {
        if self.leave_if_disturbed() {
            return true;
        }
        if self.waits.is_none_or(|(on, _)| on != peer) {
            self.waits = Some((peer, self.now));
        }
        false
    }
}
