//! One step of the engine.

use std::time::{Duration, Instant};

use rankzero_comm::{Fabric, Rank};
use rankzero_soft::reach::{REACH_WORDS, Reach};
use rankzero_soft::rigid::Wrench;
use rayon::prelude::*;

use super::board::{ENTRY_WORDS, HEADER_WORDS, Kind, WRENCH_WORDS};
use super::contacts::{Contacts, RigidPair, SoftPair, take_remote};
use super::crew::muster;
use super::own::{Part, Pusher};
use super::rigids::Contact;
use super::{Engine, EngineError, digest};

/// A few words that each rank tells all others at each step's start.
pub type Header = [u32; HEADER_WORDS];

/// What a crew member needs to know, while the crew itself is being changed.
macro_rules! orders {
    ($engine:ident) => {
        $crate::engine::crew::Orders {
            scene: &$engine.scene,
            board: &$engine.board,
            own: &$engine.own,
            reaches: &$engine.reaches,
            colliders: &$engine.rigids.colliders,
        }
    };
}

pub(super) use orders;

/// Header words from here on are the engine's own: the hash of the rigid states.
const RIGID_HASH: usize = HEADER_WORDS - 8;

impl<F: Fabric> Engine<F> {
    /// Advances all bodies by one step; `header` is told to all ranks, the answer is everybody's, by rank.
    ///
    /// The last 8 words of the header are overwritten.
    ///
    /// # Errors
    /// [`EngineError`]: a peer failed or is silent, a body blew up, PhysX failed.
    pub fn step(&mut self, header: &Header) -> Result<&[Header], EngineError> {
        let step = self.step;
        let rigid_error = |source| EngineError::Rigid { step, source };
        self.link.check(step)?;
        self.exchange_reaches(header)?;
        let start = Instant::now();
        self.rigids.begin(step).map_err(rigid_error)?;
        self.time.rigid += start.elapsed();
        self.couple()?;
        self.intervals()?;
        self.end_bodies()?;
        let start = Instant::now();
        let (coupling, reaches, sleep) = (&self.coupling, &self.reaches, self.scene.rule.sleep.steps);
        let disturbed =
            |rigid: u32| coupling.rigid_pairs.iter().any(|&(r, b)| r == rigid && reaches[b as usize].quiet < sleep);
        self.rigids.finish(disturbed).map_err(rigid_error)?;
        self.time.rigid += start.elapsed();
        self.step += 1;
        Ok(&self.headers)
    }

    /// Tells everybody the reach of this rank's bodies and learns that of all others.
    fn exchange_reaches(&mut self, header: &Header) -> Result<(), EngineError> {
        let start = Instant::now();
        let (step, me) = (self.step, self.rank());
        self.link.begin_step(step, self.scene.rule.intervals());
        self.link.settle(Kind::Reach, step, step)?;
        let board = &self.board;
        for own in &self.own {
            let at = board.reach_of(own.id, step);
            board.reach.memory.store(at, &own.reach().to_words());
            board.reach.memory.store(at + REACH_WORDS, &[own.take_cost_us()]);
        }
        let mut mine = *header;
        mine[RIGID_HASH..].copy_from_slice(&digest::of_rigids(self.rigids.states()));
        self.board.reach.memory.store(self.board.header_of(me, step), &mine);
        self.ranges.clear();
        self.ranges.push((self.board.header_of(me, step), HEADER_WORDS));
        for own in &self.own {
            append(&mut self.ranges, (self.board.reach_of(own.id, step), ENTRY_WORDS));
        }
        for peer in self.link.peers() {
            self.link.put(peer, self.board.reach.id, &self.ranges, Kind::Reach, step)?;
        }
        self.time.halo += start.elapsed();
        self.wait(|engine| engine.link.expect(engine.link.peers(), Kind::Reach, step, step))?;

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
        self.headers.clear();
        self.headers.resize(self.link.size() as usize, [0; HEADER_WORDS]);
        for rank in self.link.peers().chain([me]) {
            let words = &mut self.headers[rank.index()];
            memory.load(self.board.header_of(rank, step), words);
            if words[RIGID_HASH..] != mine[RIGID_HASH..] {
                return Err(EngineError::RigidsDiffer { me, peer: rank, step });
            }
        }
        self.time.halo += start.elapsed();
        Ok(())
    }

    /// Works out who may touch whom and prepares this rank's part of it.
    fn couple(&mut self) -> Result<(), EngineError> {
        let start = Instant::now();
        self.rigids.reaches(&self.scene.rule, &mut self.rigid_reaches);
        let pinned = |body: u32| self.scene.topology(body).pinned;
        self.coupling.update(&self.reaches, &self.rigid_reaches, &self.rigids.colliders, pinned, &self.scene.rule);
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
            let place = &mut contacts.pairs[pair];
            (place.a, place.b, place.near, place.on_host, place.cost_ns) = (a, b, false, true, 0);
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
        self.coupling.sharing(self.rigids.len(), &mut self.sharing);
        self.muster()?;
        self.time.contact += start.elapsed();
        Ok(())
    }

    /// Puts the bodies that move into packs; those that sleep beside others show their surfaces.
    fn muster(&mut self) -> Result<(), EngineError> {
        let lanes = self.isa.lanes();
        self.claim_for_card();
        muster(&self.own, |part| part == Part::Free, lanes, &mut self.order, &mut self.free);
        muster(&self.own, Part::is_coupled, lanes, &mut self.order, &mut self.teams);
        for own in self.own.iter_mut().filter(|own| own.part == Part::SleepsBeside) {
            own.show_still(&self.scene, &self.board, self.isa, &mut self.words);
        }
        self.floaters.prepare();
        self.contacts.work.prepare();
        self.assign_teams(0);
        self.start_card()
    }

    /// Has members of the crew take up the teams from `first` on.
    pub(super) fn assign_teams(&mut self, first: usize) {
        for (member, team) in self.teams.iter().enumerate().skip(first) {
            for (lane, &slot) in team.slots().iter().enumerate() {
                self.own[slot as usize].part = Part::Coupled { member: member as u32, lane: lane as u32 };
            }
        }
        self.crew.assign(&self.scene, &self.teams, self.isa);
        let (orders, teams, pulse) = (orders!(self), &self.teams[first..], self.link.pulse());
        let members = &mut self.crew.members_mut()[first..];
        members.par_iter_mut().zip(teams).for_each(|(member, team)| {
            member.begin(team, &orders);
            pulse.beat();
        });
    }

    /// Runs the step's intervals; free bodies are computed while the surfaces of others travel.
    fn intervals(&mut self) -> Result<(), EngineError> {
        let intervals = self.scene.rule.intervals();
        let rigid_contacts = !self.coupling.rigid_pairs.is_empty();
        let share = self.free.len().div_ceil(intervals as usize).max(1);
        let mut neighbours = self.neighbours(false);
        for interval in 0..intervals {
            let exchange = self.exchange(interval);
            self.advance(0, interval);
            self.show_card(interval)?;
            self.put_surfaces(&neighbours, exchange)?;
            let first = share * interval as usize;
            self.run_free(first.min(self.free.len())..(first + share).min(self.free.len()))?;
            self.take_surfaces(&neighbours, exchange, interval == 0)?;
            self.card_contacts(interval)?;
            self.push_contacts(interval == 0);
            self.push_card(interval)?;
            if interval == 0 {
                neighbours = self.neighbours(true);
                self.forget_far();
            }
            if rigid_contacts {
                self.put_wrenches(exchange)?;
            }
            self.settle(0, interval);
            if rigid_contacts {
                self.take_wrenches(exchange)?;
            } else {
                self.wrenches.clear();
            }
            self.rigids.advance(&self.wrenches, self.scene.rule.gravity, self.scene.rule.interval());
        }
        Ok(())
    }

    /// The number of the exchange in an interval of this step; past the last one, of the next step's first.
    pub(super) fn exchange(&self, interval: u32) -> u64 {
        self.step * u64::from(self.scene.rule.intervals()) + u64::from(interval)
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

    /// Forgets the surfaces from elsewhere that no near pair needs.
    fn forget_far(&mut self) {
        if self.remote.is_empty() {
            return;
        }
        let pairs = self.contacts.pairs[..self.contacts.pair_count].iter().filter(|pair| pair.near);
        let beside = self.card.iter().flat_map(|card| card.coupled().beside_rigids());
        let needed: std::collections::BTreeSet<u32> = pairs.flat_map(|pair| [pair.a, pair.b]).chain(beside).collect();
        self.remote.retain(|body, _| needed.contains(body));
    }

    fn put_surfaces(&mut self, neighbours: &[(Rank, Vec<u32>)], exchange: u64) -> Result<(), EngineError> {
        if neighbours.is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        self.link.settle(Kind::Halo, exchange, self.step)?;
        let bodies: std::collections::BTreeSet<u32> = neighbours.iter().flat_map(|(_, b)| b.iter().copied()).collect();
        let surfaces = self.surfaces();
        // The card has put those of its own there.
        for body in bodies.into_iter().filter(|&body| !surfaces.is_on_card(body)) {
            self.board.halo.memory.store_f32(self.board.halo_of(body, exchange).0, surfaces.of(body).words);
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
        let slots = &self.slots;
        for (&body, surface) in self.remote.iter_mut().filter(|(body, _)| slots[**body as usize] == u32::MAX) {
            let (at, topology) = (self.board.halo_of(body, exchange), self.scene.topology(body));
            take_remote(&self.board.halo.memory, at, first, topology, self.isa, surface);
        }
        self.time.halo += start.elapsed();
        Ok(())
    }

    fn push_contacts(&mut self, first: bool) {
        let start = Instant::now();
        let mut contacts = std::mem::take(&mut self.contacts);
        let surfaces = self.surfaces();
        let (reaches, rigids, law) = (&self.reaches, &self.rigids, &self.scene.law);
        let (rigid_reaches, sharing) = (&self.rigid_reaches, &self.sharing);
        let Contacts { pairs: soft, rigids: rigid, work, pair_count, rigid_count } = &mut contacts;
        let pulse = self.link.pulse();
        soft[..*pair_count].par_iter_mut().filter(|pair| pair.on_host).for_each(|pair| {
            pulse.beat();
            let work = &mut *work.own();
            if first {
                pair.find(&surfaces, reaches, work);
            }
            pair.push(&surfaces, law, work);
        });
        rigid[..*rigid_count].par_iter_mut().for_each(|pair| {
            if first {
                let at = rigid_reaches.partition_point(|r| r.rigid < pair.rigid);
                pair.find(&surfaces, rigids, reaches, &rigid_reaches[at]);
            }
            pair.push(&surfaces, rigids, sharing[pair.rigid as usize]);
        });
        self.contacts = contacts;
        self.time.contact += start.elapsed();
    }

    /// Advances the crew from member `first` on.
    pub(super) fn advance(&mut self, first: usize, interval: u32) {
        let start = Instant::now();
        let (orders, pulse) = (orders!(self), self.link.pulse());
        self.crew.members_mut()[first..].par_iter_mut().for_each(|member| {
            member.advance(interval, &orders);
            pulse.beat();
        });
        self.time.solve += start.elapsed();
    }

    /// Settles the crew from member `first` on.
    pub(super) fn settle(&mut self, first: usize, interval: u32) {
        let start = Instant::now();
        let (orders, contacts, pulse) = (orders!(self), &self.contacts, self.link.pulse());
        self.crew.members_mut()[first..].par_iter_mut().for_each(|member| {
            member.settle(interval, contacts, &orders);
            pulse.beat();
        });
        self.time.solve += start.elapsed();
    }

    /// Runs the whole step of some teams of free bodies.
    pub(super) fn run_free(&mut self, teams: std::ops::Range<usize>) -> Result<(), EngineError> {
        if teams.is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        let (orders, floaters, isa) = (orders!(self), &self.floaters, self.isa);
        let pulse = self.link.pulse();
        let ends = self.free[teams].par_iter().filter_map(|team| {
            pulse.beat();
            floaters.whole_step(team, isa, &orders)
        });
        let blown = ends.min();
        self.time.solve += start.elapsed();
        self.blown(blown)
    }

    fn end_bodies(&mut self) -> Result<(), EngineError> {
        self.finish_card()?;
        let start = Instant::now();
        let orders = orders!(self);
        let blown = self.crew.members_mut().par_iter_mut().filter_map(|member| member.end(&orders)).min();
        // A contact belongs to its bodies of this rank, in halves where both are.
        for pair in &self.contacts.pairs[..self.contacts.pair_count] {
            let slots = [self.slots[pair.a as usize], self.slots[pair.b as usize]];
            let mine = slots.iter().filter(|&&s| s != u32::MAX).count() as u64;
            for &slot in slots.iter().filter(|&&s| s != u32::MAX) {
                self.own[slot as usize].spend(pair.cost_ns / mine);
            }
        }
        self.time.solve += start.elapsed();
        self.blown(blown)
    }

    pub(super) fn blown(&self, body: Option<u32>) -> Result<(), EngineError> {
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
        if !self.link.is_alone() {
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
        Part::Free | Part::OnCard | Part::Coupled { .. } | Part::CoupledOnCard => Part::COUPLED,
    }
}

/// Appends a range, joined with the one before where they touch.
pub(super) fn append(ranges: &mut Vec<(usize, usize)>, (at, len): (usize, usize)) {
    match ranges.last_mut() {
        Some((start, run)) if *start + *run == at => *run += len,
        _ => ranges.push((at, len)),
    }
}
