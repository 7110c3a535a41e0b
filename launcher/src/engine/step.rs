//! One step of the engine.

use std::time::{Duration, Instant};

use rankzero_comm::{Fabric, Rank};
use rankzero_soft::body::{REACH_WORDS, Reach};
use rankzero_soft::pair::Workspace;
use rankzero_soft::rigid::Wrench;
use rayon::prelude::*;

use super::board::{ENTRY_WORDS, HEADER_WORDS, Kind, WRENCH_WORDS};
use super::couple::RigidReach;
use super::own::{Part, Pusher, RigidPair, SoftPair, Surfaces, remote_surface};
use super::rigids::Contact;
use super::{Engine, EngineError, digest};

/// A few words that each rank tells all others at each step's start.
pub type Header = [u32; HEADER_WORDS];

/// Header words from here on are the engine's own: the hash of the rigid states.
const RIGID_HASH: usize = HEADER_WORDS - 8;

impl<F: Fabric> Engine<F> {
    /// Advances all bodies by one step; `header` is told to all ranks, the answer is everybody's, by rank.
    ///
    /// The last 8 words of the header are overwritten.
    ///
    /// # Errors
    /// [`EngineError`]: a peer failed or is silent, a body blew up, PhysX failed.
    pub fn step(&mut self, header: &Header) -> Result<Vec<Header>, EngineError> {
        let step = self.step;
        let rigid_error = |source| EngineError::Rigid { step, source };
        let headers = self.exchange_reaches(header)?;
        let start = Instant::now();
        self.rigids.begin(step).map_err(rigid_error)?;
        self.time.rigid += start.elapsed();
        let rigid_reaches = self.couple();
        self.intervals(&rigid_reaches)?;
        self.end_bodies()?;
        let start = Instant::now();
        let (coupling, reaches, sleep) = (&self.coupling, &self.reaches, self.scene.rule.sleep.steps);
        let disturbed =
            |rigid: u32| coupling.rigid_pairs.iter().any(|&(r, b)| r == rigid && reaches[b as usize].quiet < sleep);
        self.rigids.finish(disturbed).map_err(rigid_error)?;
        self.time.rigid += start.elapsed();
        self.step += 1;
        Ok(headers)
    }

    /// Tells everybody the reach of this rank's bodies and learns that of all others.
    fn exchange_reaches(&mut self, header: &Header) -> Result<Vec<Header>, EngineError> {
        let start = Instant::now();
        let (step, me) = (self.step, self.rank());
        self.link.begin_step(step, self.scene.rule.intervals());
        self.link.settle(Kind::Reach, step, step)?;
        let (board, rule) = (&self.board, &self.scene.rule);
        self.own.par_iter_mut().for_each(|own| {
            let words = own.reach(board, rule).to_words();
            board.reach.memory.store(board.reach_of(own.id, step), &words);
            let cost_us = u32::try_from(std::mem::take(&mut own.cost_ns) / 1000).unwrap_or(u32::MAX);
            board.reach.memory.store(board.reach_of(own.id, step) + REACH_WORDS, &[cost_us]);
        });
        let mut mine = *header;
        mine[RIGID_HASH..].copy_from_slice(&digest::of_rigids(self.rigids.states()));
        self.board.reach.memory.store(self.board.header_of(me, step), &mine);
        let mut ranges = vec![(self.board.header_of(me, step), HEADER_WORDS)];
        for own in &self.own {
            append(&mut ranges, (self.board.reach_of(own.id, step), ENTRY_WORDS));
        }
        let peers: Vec<Rank> = self.link.peers().collect();
        for &peer in &peers {
            self.link.put(peer, self.board.reach.id, &ranges, Kind::Reach, step)?;
        }
        self.time.halo += start.elapsed();
        self.wait(|engine| engine.link.expect(peers.iter().copied(), Kind::Reach, step, step))?;

        let start = Instant::now();
        let memory = &self.board.reach.memory;
        self.reaches.clear();
        self.costs_us.clear();
        for body in 0..self.scene.bodies.len() as u32 {
            let (mut words, mut cost) = ([0; REACH_WORDS], [0]);
            memory.load(self.board.reach_of(body, step), &mut words);
            memory.load(self.board.reach_of(body, step) + REACH_WORDS, &mut cost);
            self.reaches.push(Reach::from_words(&words));
            self.costs_us.push(cost[0]);
        }
        let mut headers = vec![[0; HEADER_WORDS]; self.link.size() as usize];
        for (rank, words) in headers.iter_mut().enumerate() {
            memory.load(self.board.header_of(Rank(rank as u32), step), words);
            if words[RIGID_HASH..] != mine[RIGID_HASH..] {
                return Err(EngineError::RigidsDiffer { me, peer: Rank(rank as u32), step });
            }
        }
        self.time.halo += start.elapsed();
        Ok(headers)
    }

    /// Works out who may touch whom and prepares this rank's part of it.
    fn couple(&mut self) -> Vec<RigidReach> {
        let start = Instant::now();
        let rigid_reaches = self.rigids.reaches(&self.scene.rule);
        let pinned = |body: u32| self.scene.topology(body).pinned;
        self.coupling.update(&self.reaches, &rigid_reaches, &self.rigids.colliders, pinned, &self.scene.rule);
        for own in &mut self.own {
            own.pushed_by.clear();
            own.part = if self.coupling.asleep[own.id as usize] { Part::Sleeps } else { Part::Free };
        }
        self.remote.clear();
        let contacts = &mut self.contacts;
        contacts.pair_count = 0;
        contacts.rigid_count = 0;
        for &(a, b) in &self.coupling.pairs {
            let slots = [self.slots[a as usize], self.slots[b as usize]];
            if slots == [u32::MAX; 2] {
                continue;
            }
            let pair = contacts.pair_count;
            contacts.pair_count += 1;
            if contacts.pairs.len() == pair {
                contacts.pairs.push(SoftPair::default());
            }
            (contacts.pairs[pair].a, contacts.pairs[pair].b) = (a, b);
            for (side, (&slot, body)) in slots.iter().zip([a, b]).enumerate() {
                if slot == u32::MAX {
                    self.remote.entry(body).or_default();
                } else {
                    let own = &mut self.own[slot as usize];
                    own.part = coupled(own.part);
                    own.pushed_by.push(Pusher::Soft(pair as u32, side as u8));
                }
            }
        }
        for &(rigid, body) in &self.coupling.rigid_pairs {
            let slot = self.slots[body as usize];
            if slot == u32::MAX {
                continue;
            }
            let index = contacts.rigid_count;
            contacts.rigid_count += 1;
            if contacts.rigids.len() == index {
                contacts.rigids.push(RigidPair::default());
            }
            (contacts.rigids[index].rigid, contacts.rigids[index].body) = (rigid, body);
            let own = &mut self.own[slot as usize];
            own.part = coupled(own.part);
            own.pushed_by.push(Pusher::Rigid(index as u32));
        }
        let (board, colliders, reaches) = (&self.board, &self.rigids.colliders, &self.reaches);
        let rule = &self.scene.rule;
        self.own
            .par_iter_mut()
            .filter(|own| own.part.shows())
            .for_each(|own| own.begin(board, &reaches[own.id as usize], rule, colliders));
        self.time.contact += start.elapsed();
        rigid_reaches
    }

    /// Runs the step's intervals; free bodies are computed while the surfaces of others travel.
    fn intervals(&mut self, rigid_reaches: &[RigidReach]) -> Result<(), EngineError> {
        let intervals = self.scene.rule.intervals();
        let sharing = self.coupling.sharing(self.rigids.len());
        let rigid_contacts = !self.coupling.rigid_pairs.is_empty();
        let free: Vec<usize> = (0..self.own.len()).filter(|&i| self.own[i].part == Part::Free).collect();
        let share = free.len().div_ceil(intervals as usize).max(1);
        let mut neighbours = self.neighbours(false);
        for interval in 0..intervals {
            let exchange = self.step * u64::from(intervals) + u64::from(interval);
            self.advance(interval);
            self.put_surfaces(&neighbours, exchange)?;
            let chunk = free.chunks(share).nth(interval as usize).unwrap_or(&[]);
            self.run_free(chunk)?;
            self.take_surfaces(&neighbours, exchange, interval == 0)?;
            self.push_contacts(interval == 0, rigid_reaches, &sharing);
            if interval == 0 {
                neighbours = self.neighbours(true);
                self.forget_far();
            }
            if rigid_contacts {
                self.put_wrenches(exchange)?;
            }
            self.settle(interval);
            if rigid_contacts {
                self.take_wrenches(exchange)?;
            } else {
                self.wrenches.clear();
            }
            self.rigids.advance(&self.wrenches, self.scene.rule.gravity, self.scene.rule.interval());
        }
        Ok(())
    }

    /// For each rank that shares a pair with this one, the bodies of this rank that it needs: all that may touch one of its own, or,
    /// once the pairs have been looked at, those that are `near`. Both sides of a pair come to the same answer.
    fn neighbours(&self, near: bool) -> Vec<(Rank, Vec<u32>)> {
        let mut needs = std::collections::BTreeMap::<Rank, std::collections::BTreeSet<u32>>::new();
        for pair in self.contacts.pairs[..self.contacts.pair_count].iter().filter(|pair| pair.near || !near) {
            for (mine, theirs) in [(pair.a, pair.b), (pair.b, pair.a)] {
                if self.slots[mine as usize] != u32::MAX && self.slots[theirs as usize] == u32::MAX {
                    needs.entry(self.ownership.of(theirs)).or_default().insert(mine);
                }
            }
        }
        needs.into_iter().map(|(rank, bodies)| (rank, bodies.into_iter().collect())).collect()
    }

    /// Forgets the surfaces of peers' bodies that no near pair needs.
    fn forget_far(&mut self) {
        let pairs = self.contacts.pairs[..self.contacts.pair_count].iter().filter(|pair| pair.near);
        let needed: std::collections::BTreeSet<u32> = pairs.flat_map(|pair| [pair.a, pair.b]).collect();
        self.remote.retain(|body, _| needed.contains(body));
    }

    fn put_surfaces(&mut self, neighbours: &[(Rank, Vec<u32>)], exchange: u64) -> Result<(), EngineError> {
        if neighbours.is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        self.link.settle(Kind::Halo, exchange, self.step)?;
        let shown: std::collections::BTreeSet<u32> = neighbours.iter().flat_map(|(_, b)| b.iter().copied()).collect();
        for body in shown {
            let own = &self.own[self.slots[body as usize] as usize];
            self.board.halo.memory.store_f32(self.board.halo_of(body, exchange).0, &own.surface);
        }
        for (peer, bodies) in neighbours {
            let mut ranges = Vec::with_capacity(bodies.len());
            for &body in bodies {
                append(&mut ranges, self.board.halo_of(body, exchange));
            }
            self.link.put(*peer, self.board.halo.id, &ranges, Kind::Halo, exchange)?;
        }
        self.time.halo += start.elapsed();
        Ok(())
    }

    fn take_surfaces(
        &mut self,
        neighbours: &[(Rank, Vec<u32>)],
        exchange: u64,
        first: bool,
    ) -> Result<(), EngineError> {
        if neighbours.is_empty() {
            return Ok(());
        }
        let step = self.step;
        self.wait(|e| e.link.expect(neighbours.iter().map(|(rank, _)| *rank), Kind::Halo, exchange, step))?;
        let start = Instant::now();
        for (&body, surface) in &mut self.remote {
            let (at, topology) = (self.board.halo_of(body, exchange), self.scene.topology(body));
            remote_surface(&self.board.halo.memory, at, first, topology, surface);
        }
        self.time.halo += start.elapsed();
        Ok(())
    }

    fn push_contacts(&mut self, first: bool, rigid_reaches: &[RigidReach], sharing: &[u32]) {
        let start = Instant::now();
        let surfaces = Surfaces { own: &self.own, slots: &self.slots, remote: &self.remote, scene: &self.scene };
        let (reaches, rigids, law) = (&self.reaches, &self.rigids, &self.scene.law);
        let (pairs, contacts) = (self.contacts.pair_count, self.contacts.rigid_count);
        self.contacts.pairs[..pairs].par_iter_mut().for_each_init(Workspace::default, |work, pair| {
            if first {
                pair.find(&surfaces, reaches, work);
            }
            pair.push(&surfaces, law, work);
        });
        self.contacts.rigids[..contacts].par_iter_mut().for_each(|pair| {
            if first {
                let at = rigid_reaches.partition_point(|r| r.rigid < pair.rigid);
                pair.find(&surfaces, rigids, reaches, &rigid_reaches[at]);
            }
            pair.push(&surfaces, rigids, sharing[pair.rigid as usize]);
        });
        self.time.contact += start.elapsed();
    }

    fn advance(&mut self, interval: u32) {
        let start = Instant::now();
        let (rule, colliders) = (&self.scene.rule, &self.rigids.colliders);
        self.own.par_iter_mut().filter(|own| own.part.shows()).for_each(|own| own.advance(interval, rule, colliders));
        self.time.solve += start.elapsed();
    }

    fn settle(&mut self, interval: u32) {
        let start = Instant::now();
        let (contacts, rule, colliders) = (&self.contacts, &self.scene.rule, &self.rigids.colliders);
        self.own
            .par_iter_mut()
            .filter(|own| own.part == Part::Coupled)
            .for_each(|own| own.settle(interval, contacts, rule, colliders));
        self.time.solve += start.elapsed();
    }

    fn run_free(&mut self, chunk: &[usize]) -> Result<(), EngineError> {
        let (Some(&first), Some(&last)) = (chunk.first(), chunk.last()) else { return Ok(()) };
        let start = Instant::now();
        let (board, rule, colliders) = (&self.board, &self.scene.rule, &self.rigids.colliders);
        let reaches = &self.reaches;
        let blown = self.own[first..=last]
            .par_iter_mut()
            .filter(|own| own.part == Part::Free)
            .filter_map(|own| (!own.whole_step(board, &reaches[own.id as usize], rule, colliders)).then_some(own.id))
            .min();
        self.time.solve += start.elapsed();
        self.blown(blown)
    }

    fn end_bodies(&mut self) -> Result<(), EngineError> {
        let start = Instant::now();
        let (board, rule) = (&self.board, &self.scene.rule);
        let blown = self
            .own
            .par_iter_mut()
            .filter(|own| own.part == Part::Coupled)
            .filter_map(|own| (!own.end(board, rule)).then_some(own.id))
            .min();
        // A contact belongs to its bodies of this rank, in halves where both are.
        for pair in &self.contacts.pairs[..self.contacts.pair_count] {
            let slots = [self.slots[pair.a as usize], self.slots[pair.b as usize]];
            let mine = slots.iter().filter(|&&s| s != u32::MAX).count() as u64;
            for &slot in slots.iter().filter(|&&s| s != u32::MAX) {
                self.own[slot as usize].cost_ns += pair.cost_ns / mine;
            }
        }
        self.time.solve += start.elapsed();
        self.blown(blown)
    }

    fn blown(&self, body: Option<u32>) -> Result<(), EngineError> {
        match body {
            Some(body) => {
                let group = self.scene.bodies[body as usize].group;
                Err(EngineError::BlewUp { body, group, step: self.step })
            }
            None => Ok(()),
        }
    }

    fn put_wrenches(&mut self, exchange: u64) -> Result<(), EngineError> {
        let start = Instant::now();
        let (me, step) = (self.rank(), self.step);
        self.wrenches.clear();
        let contacts = &self.contacts.rigids[..self.contacts.rigid_count];
        let acting = contacts.iter().filter(|c| c.contact.wrench != Wrench::default());
        self.wrenches.extend(acting.map(|c| Contact { rigid: c.rigid, body: c.body, wrench: c.contact.wrench }));
        let (found, most) = (self.wrenches.len(), self.board.wrench_room());
        if found > most {
            return Err(EngineError::TooManyWrenches { me, step, found, most });
        }
        if self.link.size() > 1 {
            self.link.settle(Kind::Wrench, exchange, step)?;
            let mut words = vec![found as u32];
            for c in &self.wrenches {
                words.extend([c.rigid, c.body]);
                words.extend(c.wrench.linear.iter().chain(&c.wrench.angular).map(|f| f.to_bits()));
            }
            let at = self.board.wrenches_of(me, exchange);
            self.board.wrench.memory.store(at, &words);
            let peers: Vec<Rank> = self.link.peers().collect();
            for peer in peers {
                self.link.put(peer, self.board.wrench.id, &[(at, words.len())], Kind::Wrench, exchange)?;
            }
        }
        self.time.halo += start.elapsed();
        Ok(())
    }

    fn take_wrenches(&mut self, exchange: u64) -> Result<(), EngineError> {
        let step = self.step;
        let peers: Vec<Rank> = self.link.peers().collect();
        self.wait(|e| e.link.expect(peers.iter().copied(), Kind::Wrench, exchange, step))?;
        let start = Instant::now();
        for peer in peers {
            let at = self.board.wrenches_of(peer, exchange);
            let mut count = [0];
            self.board.wrench.memory.load(at, &mut count);
            for i in 0..(count[0] as usize).min(self.board.wrench_room()) {
                let mut w = [0; WRENCH_WORDS];
                self.board.wrench.memory.load(at + 1 + i * WRENCH_WORDS, &mut w);
                let f = |k: usize| f32::from_bits(w[k]);
                let wrench = Wrench { linear: [f(2), f(3), f(4)], angular: [f(5), f(6), f(7)] };
                self.wrenches.push(Contact { rigid: w[0], body: w[1], wrench });
            }
        }
        self.wrenches.sort_unstable_by_key(|c| (c.rigid, c.body));
        self.time.halo += start.elapsed();
        Ok(())
    }

    fn wait<R>(&mut self, f: impl FnOnce(&mut Self) -> Result<R, EngineError>) -> Result<R, EngineError> {
        let before = self.link.waited;
        let result = f(self);
        self.time.wait += self.link.waited.saturating_sub(before).max(Duration::ZERO);
        result
    }
}

/// A body that somebody awake may touch.
fn coupled(part: Part) -> Part {
    match part {
        Part::Sleeps | Part::SleepsBeside => Part::SleepsBeside,
        Part::Free | Part::Coupled => Part::Coupled,
    }
}

/// Appends a range, joined with the one before where they touch.
fn append(ranges: &mut Vec<(usize, usize)>, (at, len): (usize, usize)) {
    match ranges.last_mut() {
        Some((start, run)) if *start + *run == at => *run += len,
        _ => ranges.push((at, len)),
    }
}
