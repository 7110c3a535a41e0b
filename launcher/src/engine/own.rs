//! The bodies that this rank computes, and the contacts that they are part of.

use std::collections::BTreeMap;
use std::time::Instant;

use rankzero_comm::Segment;
use rankzero_soft::body::{Reach, StepRule};
use rankzero_soft::collider::Collider;
use rankzero_soft::contact::Law;
use rankzero_soft::dispatch::{Isa, advance, settle};
use rankzero_soft::pair::{Pair, Surface, Workspace, add_pushes};
use rankzero_soft::rigid::SoftRigid;
use rankzero_soft::shell::Shell;
use rankzero_soft::simd;
use rankzero_soft::vec3::ZERO;
use rankzero_soft::{Body, Topology};

use super::board::Board;
use super::couple::RigidReach;
use super::rigids::Rigids;
use crate::scene::Scene;

/// A body of this rank.
#[derive(Debug)]
pub struct Own {
    /// Its id.
    pub id: u32,
    /// Its working copy.
    pub body: Body,
    /// Its surface as others are to see it.
    pub surface: Vec<f32>,
    /// What contact works out about the surface.
    pub shell: Shell,
    /// What it is part of in this step.
    pub part: Part,
    /// Contacts that push it: pairs by partner, then rigid bodies by id.
    pub pushed_by: Vec<Pusher>,
    /// Time spent on it since it was last asked for, ns.
    pub cost_ns: u64,
    state: Vec<u32>,
}

/// What a body does in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Nothing; its state stays.
    Sleeps,
    /// Nothing, but somebody who is awake may touch it.
    SleepsBeside,
    /// It moves without touching anything that moves freely: the whole step at once.
    Free,
    /// It moves interval by interval.
    Coupled,
}

impl Part {
    /// Whether others may look at its surface.
    pub fn shows(self) -> bool {
        matches!(self, Part::SleepsBeside | Part::Coupled)
    }
}

/// A contact that pushes a body.
#[derive(Clone, Copy, Debug)]
pub enum Pusher {
    /// Index into the pairs, and the body's side there.
    Soft(u32, u8),
    /// Index into the contacts with rigid bodies.
    Rigid(u32),
}

impl Own {
    /// A body; its state is in the board.
    pub fn new(scene: &Scene, id: u32) -> Self {
        let topology = scene.topology(id).clone();
        Self {
            id,
            surface: vec![0.0; topology.layout.halo_words()],
            shell: Shell::default(),
            state: vec![0; topology.layout.words()],
            body: Body::new(topology),
            part: Part::Sleeps,
            pushed_by: Vec::new(),
            cost_ns: 0,
        }
    }

    /// Its reach at the start of the next step, from its state in the board.
    pub fn reach(&mut self, board: &Board, rule: &StepRule) -> Reach {
        self.read(board);
        let layout = self.body.topology.layout;
        let quiet = self.state[layout.quiet()];
        surface_of(&self.state, layout.surface, layout.velocities().start, &mut self.surface);
        Reach::of(&self.surface, layout.surface, quiet, rule)
    }

    /// Takes the state up for a step.
    pub fn begin(&mut self, board: &Board, reach: &Reach, rule: &StepRule, colliders: &[Collider]) {
        self.read(board);
        self.body.begin(&self.state, reach, rule.step, colliders);
    }

    /// Runs an interval of a coupled body up to its contacts and shows the surface; a sleeping one only shows it.
    pub fn advance(&mut self, interval: u32, rule: &StepRule, colliders: &[Collider]) {
        let start = Instant::now();
        if self.part == Part::Coupled {
            advance(&mut self.body, interval, rule, colliders, Isa::Best);
            self.body.surface(rule, &mut self.surface);
        } else {
            self.body.still_surface(&mut self.surface);
        }
        self.shell.update(interval == 0, &self.surface, &self.body.topology, simd::Isa::best());
        self.cost_ns += start.elapsed().as_nanos() as u64;
    }

    /// Ends an interval of a coupled body with what contacts do to it.
    pub fn settle(&mut self, interval: u32, contacts: &Contacts, rule: &StepRule, colliders: &[Collider]) {
        let start = Instant::now();
        self.body.corrections.fill(ZERO);
        for pusher in &self.pushed_by {
            let pushes = match *pusher {
                Pusher::Soft(pair, side) => &contacts.pairs[pair as usize].pair.pushes[side as usize],
                Pusher::Rigid(contact) => &contacts.rigids[contact as usize].contact.pushes,
            };
            add_pushes(pushes, &mut self.body.corrections);
        }
        settle(&mut self.body, interval, rule, colliders, Isa::Best);
        self.cost_ns += start.elapsed().as_nanos() as u64;
    }

    /// Runs the whole step of a free body.
    pub fn whole_step(&mut self, board: &Board, reach: &Reach, rule: &StepRule, colliders: &[Collider]) -> bool {
        let start = Instant::now();
        self.begin(board, reach, rule, colliders);
        for interval in 0..rule.intervals() {
            advance(&mut self.body, interval, rule, colliders, Isa::Best);
            settle(&mut self.body, interval, rule, colliders, Isa::Best);
        }
        let finite = self.end(board, rule);
        self.cost_ns += start.elapsed().as_nanos() as u64;
        finite
    }

    /// Ends a step; returns whether all numbers are finite.
    pub fn end(&mut self, board: &Board, rule: &StepRule) -> bool {
        self.body.end(rule, &mut self.state);
        board.state.memory.store(board.state_of(self.id).0, &self.state);
        self.body.is_finite()
    }

    /// The canonical state as words.
    pub fn state(&mut self, board: &Board) -> &[u32] {
        self.read(board);
        &self.state
    }

    fn read(&mut self, board: &Board) {
        board.state.memory.load(board.state_of(self.id).0, &mut self.state);
    }
}

/// Positions and velocities of the surface out of a canonical state.
fn surface_of(state: &[u32], surface: usize, velocities: usize, out: &mut [f32]) {
    let (xs, vs) = out.split_at_mut(3 * surface);
    for (out, word) in xs.iter_mut().zip(state).chain(vs.iter_mut().zip(&state[velocities..])) {
        *out = f32::from_bits(*word);
    }
}

/// A pair of bodies, at least one of them this rank's.
#[derive(Debug, Default)]
pub struct SoftPair {
    /// The lower id.
    pub a: u32,
    /// The higher id.
    pub b: u32,
    /// Whether the two may touch in this step.
    pub near: bool,
    /// What they do to each other.
    pub pair: Pair,
    /// Time spent on it in this step, ns.
    pub cost_ns: u64,
}

/// A rigid body and a body of this rank.
#[derive(Debug, Default)]
pub struct RigidPair {
    /// The rigid body.
    pub rigid: u32,
    /// The soft body.
    pub body: u32,
    /// Whether the two may touch in this step.
    pub near: bool,
    /// What they do to each other.
    pub contact: SoftRigid,
}

/// All contacts of this rank's bodies in a step. Entries past the counts are kept for their memory.
#[derive(Debug, Default)]
pub struct Contacts {
    /// Soft pairs, sorted.
    pub pairs: Vec<SoftPair>,
    /// Pairs with rigid bodies, sorted by (rigid, soft).
    pub rigids: Vec<RigidPair>,
    /// Pairs in use.
    pub pair_count: usize,
    /// Rigid pairs in use.
    pub rigid_count: usize,
}

/// A surface that a peer has put.
#[derive(Debug, Default)]
pub struct Remote {
    /// What was put.
    pub surface: Vec<f32>,
    /// What contact works out about it.
    pub shell: Shell,
}

/// The surfaces that contacts look at: this rank's own, and what peers have put.
#[derive(Clone, Copy, Debug)]
pub struct Surfaces<'a> {
    /// This rank's bodies.
    pub own: &'a [Own],
    /// Position in `own` by body id, `u32::MAX` elsewhere.
    pub slots: &'a [u32],
    /// Surfaces of peers' bodies.
    pub remote: &'a BTreeMap<u32, Remote>,
    /// The scene.
    pub scene: &'a Scene,
}

impl<'a> Surfaces<'a> {
    /// The surface of a body.
    ///
    /// # Panics
    /// If the body is neither this rank's nor expected from a peer.
    pub fn of(&self, body: u32) -> Surface<'a> {
        let (words, shell) = match self.slots[body as usize] {
            u32::MAX => (&self.remote[&body].surface, &self.remote[&body].shell),
            slot => (&self.own[slot as usize].surface, &self.own[slot as usize].shell),
        };
        Surface { words, topology: self.scene.topology(body), shell }
    }
}

impl SoftPair {
    /// Finds what may touch in the step; `work` is memory to work in.
    pub fn find(&mut self, surfaces: &Surfaces<'_>, reaches: &[Reach], work: &mut Workspace) {
        let start = Instant::now();
        let (a, b) = (surfaces.of(self.a), surfaces.of(self.b));
        let (reach_a, reach_b) = (&reaches[self.a as usize], &reaches[self.b as usize]);
        let (step, law) = (surfaces.scene.rule.step, &surfaces.scene.law);
        self.near = self.pair.find((&a, reach_a), (&b, reach_b), step, law, work, simd::Isa::best());
        self.cost_ns = start.elapsed().as_nanos() as u64;
    }

    /// Computes the interval's pushes.
    pub fn push(&mut self, surfaces: &Surfaces<'_>, law: &Law, work: &mut Workspace) {
        if self.near {
            let start = Instant::now();
            self.pair.push(&surfaces.of(self.a), &surfaces.of(self.b), law, work, simd::Isa::best());
            self.cost_ns += start.elapsed().as_nanos() as u64;
        } else {
            self.pair.pushes.iter_mut().for_each(Vec::clear);
        }
    }
}

impl RigidPair {
    /// Finds what may touch in the step; `reach` is the rigid body's.
    pub fn find(&mut self, surfaces: &Surfaces<'_>, rigids: &Rigids, reaches: &[Reach], reach: &RigidReach) {
        let (form, motion) = rigids.dynamic(self.rigid);
        let step = surfaces.scene.rule.step;
        let margin = reaches[self.body as usize].approach(reach.velocity, reach.spread, step);
        self.near = self.contact.find(&surfaces.of(self.body), form, motion, margin);
    }

    /// Computes the interval's pushes and wrench.
    pub fn push(&mut self, surfaces: &Surfaces<'_>, rigids: &Rigids, sharing: u32) {
        if self.near {
            let (form, motion) = rigids.dynamic(self.rigid);
            let rule = &surfaces.scene.rule;
            let ahead = form.advanced(motion, &Default::default(), rule.gravity, rule.interval());
            self.contact.push(&surfaces.of(self.body), form, &ahead, sharing, &surfaces.scene.law);
        } else {
            self.contact.pushes.clear();
            self.contact.wrench = Default::default();
        }
    }
}

/// Copies a peer's surface out of the board; `first` in a step's first interval.
pub fn remote_surface(memory: &Segment, (at, len): (usize, usize), first: bool, topology: &Topology, out: &mut Remote) {
    out.surface.resize(len, 0.0);
    memory.load_f32(at, &mut out.surface);
    out.shell.update(first, &out.surface, topology, simd::Isa::best());
}
