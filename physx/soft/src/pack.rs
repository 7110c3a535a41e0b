//! A pack: bodies of one topology, one in each lane, within one step: the working copies of their canonical states.
//!
//! Positions are kept relative to an origin near each body, on a grid of quarter metres, so that displacements of a substep
//! keep their digits far from the world's origin. The working copies live through the step's intervals; the canonical states are
//! written once, at the end. What becomes of a body does not depend on who shares its pack, nor on the number of lanes.

use std::sync::Arc;

use crate::collider::{Collider, Near};
use crate::implicit::SCRATCH;
use crate::layout::StateLayout;
use crate::reach::Reach;
use crate::rule::StepRule;
use crate::simd::{Aligned, Isa, Kernel, MAX_LANES, Real};
use crate::substep;
use crate::topology::Topology;
use crate::vec3::Vec3;

/// Bodies of one topology, each in a lane, within a step.
#[derive(Clone, Debug)]
pub struct Pack {
    pub(crate) topology: Arc<Topology>,
    isa: Isa,
    pub(crate) lanes: usize,
    members: usize,
    pub(crate) quiet: [u32; MAX_LANES],
    /// Origins of the bodies, by component and lane.
    pub(crate) origin: Aligned,
    /// Positions from the origins, by node, component and lane; velocities and predicted positions likewise.
    pub(crate) x: Aligned,
    pub(crate) v: Aligned,
    pub(crate) predicted: Aligned,
    /// How far elasticity has moved the nodes from their predicted positions in the substep.
    pub(crate) moved: Aligned,
    /// Positions at the substep's start, and what the solve writes down, for bodies that are solved implicitly.
    pub(crate) begin: Aligned,
    pub(crate) scratch: Aligned,
    /// What contacts with moving bodies do to the surface nodes in the running interval.
    pub(crate) corrections: Aligned,
    pub(crate) near: Near,
    /// By lane: positions of the surface nodes, then their displacements.
    pub(crate) surfaces: Vec<Vec<f32>>,
    pub(crate) reaches: [Reach; MAX_LANES],
    pub(crate) blown: u32,
}

impl Pack {
    /// An empty pack for up to `width` bodies: 1, or as many as `isa` has lanes. Buffers grow with [`Pack::reset`].
    ///
    /// # Panics
    /// If `width` is neither.
    pub fn new(topology: Arc<Topology>, width: usize, isa: Isa) -> Self {
        let mut pack = Self {
            topology: topology.clone(),
            isa,
            lanes: width,
            members: 0,
            quiet: [0; MAX_LANES],
            origin: Aligned::default(),
            x: Aligned::default(),
            v: Aligned::default(),
            predicted: Aligned::default(),
            begin: Aligned::default(),
            moved: Aligned::default(),
            scratch: Aligned::default(),
            corrections: Aligned::default(),
            near: Near::default(),
            surfaces: Vec::new(),
            reaches: [Reach::NOWHERE; MAX_LANES],
            blown: 0,
        };
        pack.reset(&topology, width);
        pack
    }

    /// Empties the pack and makes it one for up to `width` bodies of `topology`. Takes memory only where it never was so large.
    ///
    /// # Panics
    /// If `width` is neither 1 nor the lanes of the pack's instructions.
    pub fn reset(&mut self, topology: &Arc<Topology>, width: usize) {
        assert!(width == 1 || width == self.isa.lanes(), "{width} bodies in lanes of {}", self.isa.name());
        let (n, surface) = (topology.layout.nodes, topology.layout.surface);
        self.topology.clone_from(topology);
        self.lanes = width;
        self.members = 0;
        self.near.clear();
        self.origin.resize(3 * width);
        self.x.resize(3 * n * width);
        self.v.resize(3 * n * width);
        // One node more than there are, for constraints that do nothing.
        self.predicted.resize(3 * (n + 1) * width);
        self.predicted.as_mut_slice()[3 * n * width..].fill(0.0);
        self.moved.resize(3 * (n + 1) * width);
        self.corrections.resize(3 * surface * width);
        if topology.is_implicit() {
            self.begin.resize(3 * n * width);
            self.scratch.resize(3 * n * width * SCRATCH);
        }
    }

    /// What the bodies are instances of.
    pub fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// Bodies in it.
    pub fn members(&self) -> usize {
        self.members
    }

    /// Takes a body into the next free lane: its canonical state, and the colliders in its reach. Returns its lane.
    ///
    /// # Panics
    /// If the pack is full or `state` is not of its topology's layout.
    pub fn join(&mut self, state: &[u32], reach: &Reach, rule: &StepRule, colliders: &[Collider]) -> usize {
        let layout = self.topology.layout;
        assert_eq!(state.len(), layout.words(), "state of another layout");
        let (lane, lanes) = (self.members, self.lanes);
        assert!(lane < lanes, "the pack is full");
        self.members += 1;
        self.quiet[lane] = state[layout.quiet()];
        let (xs, vs) = (&state[layout.positions()], &state[layout.velocities()]);
        let origin: Vec3 = std::array::from_fn(|k| (f32::from_bits(xs[k]) * 4.0).floor() * 0.25);
        let (x, v) = (self.x.as_mut_slice(), self.v.as_mut_slice());
        // The first body goes into all lanes, so that those which stay free compute something harmless.
        let fill = if lane == 0 { 0..lanes } else { lane..lane + 1 };
        for l in fill {
            (0..3).for_each(|k| self.origin.as_mut_slice()[k * lanes + l] = origin[k]);
            for i in 0..layout.nodes {
                for k in 0..3 {
                    x[(3 * i + k) * lanes + l] = f32::from_bits(xs[3 * i + k]) - origin[k];
                    v[(3 * i + k) * lanes + l] = f32::from_bits(vs[3 * i + k]);
                }
            }
        }
        let nodes = (0..layout.surface).map(|i| std::array::from_fn(|k| f32::from_bits(xs[3 * i + k])));
        let (friction, margin) = (self.topology.material.friction, reach.distance(rule.step));
        self.near.gather(colliders, (lane, lanes), &reach.swept(rule.step), nodes, margin, friction);
        lane
    }

    /// Runs interval `interval` (counted from the step's start) up to the point where contacts with moving bodies are resolved: all its
    /// substeps but the second half of the last. Then the surfaces show where it led.
    pub fn advance(&mut self, interval: u32, rule: &StepRule, colliders: &[Collider]) {
        self.resize_surfaces();
        self.run(Task::Advance { interval }, rule, colliders);
    }

    /// Ends an interval: takes the corrections of contacts, stays out of colliders, sets velocities.
    pub fn settle(&mut self, interval: u32, rule: &StepRule, colliders: &[Collider]) {
        self.run(Task::Settle { interval }, rule, colliders);
    }

    /// Runs the whole step of bodies that touch nothing that moves freely.
    pub fn whole_step(&mut self, rule: &StepRule, colliders: &[Collider]) {
        self.run(Task::Whole, rule, colliders);
    }

    /// Ends the step: damping, the quiet counts, what [`Pack::reach`] and [`Pack::is_finite`] tell.
    pub fn end(&mut self, rule: &StepRule) {
        self.run(Task::End, rule, &[]);
    }

    /// The surface of a body: positions, then displacements over an interval, world frame, m.
    pub fn surface(&self, lane: usize) -> &[f32] {
        &self.surfaces[lane]
    }

    /// Sets what contacts do to the surface nodes of a body in the running interval to nothing.
    pub fn clear_corrections(&mut self) {
        self.corrections.as_mut_slice().fill(0.0);
    }

    /// Adds a list of displacements of surface nodes to what contacts do to a body.
    pub fn correct(&mut self, lane: usize, pushes: &[(u32, Vec3)]) {
        let lanes = self.lanes;
        let corrections = self.corrections.as_mut_slice();
        for (node, push) in pushes {
            let at = 3 * *node as usize * lanes + lane;
            (0..3).for_each(|k| corrections[at + k * lanes] += push[k]);
        }
    }

    /// Writes the canonical state of a body.
    ///
    /// # Panics
    /// If `state` is not of the topology's layout.
    pub fn state(&self, lane: usize, state: &mut [u32]) {
        let layout: StateLayout = self.topology.layout;
        assert_eq!(state.len(), layout.words(), "state of another layout");
        let (x, v, lanes) = (self.x.as_slice(), self.v.as_slice(), self.lanes);
        let origin: Vec3 = std::array::from_fn(|k| self.origin.as_slice()[k * lanes + lane]);
        let (xs, rest) = state.split_at_mut(3 * layout.nodes);
        for i in 0..layout.nodes {
            for k in 0..3 {
                let at = (3 * i + k) * lanes + lane;
                xs[3 * i + k] = (origin[k] + x[at]).to_bits();
                rest[3 * i + k] = v[at].to_bits();
            }
        }
        rest[3 * layout.nodes] = self.quiet[lane];
    }

    /// The reach of a body after [`Pack::end`].
    pub fn reach(&self, lane: usize) -> Reach {
        self.reaches[lane]
    }

    /// Whether every number of a body was finite at [`Pack::end`]; one that is not has blown up.
    pub fn is_finite(&self, lane: usize) -> bool {
        self.blown >> lane & 1 == 0
    }

    fn run(&mut self, task: Task, rule: &StepRule, colliders: &[Collider]) {
        self.isa.run(Work { pack: self, task, rule, colliders });
    }

    fn resize_surfaces(&mut self) {
        if self.surfaces.len() < self.members {
            self.surfaces.resize_with(self.members, Vec::new);
        }
        let words = self.topology.layout.halo_words();
        self.surfaces[..self.members].iter_mut().for_each(|s| s.resize(words, 0.0));
    }
}

/// Writes the surface of a body that sleeps in state `state`: no displacement, whatever its velocities were when it fell asleep.
pub fn still_surface(state: &[u32], layout: StateLayout, out: &mut [f32]) {
    let (positions, displacements) = out.split_at_mut(3 * layout.surface);
    for (p, word) in positions.iter_mut().zip(state) {
        *p = f32::from_bits(*word);
    }
    displacements.fill(0.0);
}

/// What a pack does within a step.
#[derive(Clone, Copy)]
enum Task {
    Advance { interval: u32 },
    Settle { interval: u32 },
    Whole,
    End,
}

/// A task and what it needs.
struct Work<'a> {
    pack: &'a mut Pack,
    task: Task,
    rule: &'a StepRule,
    colliders: &'a [Collider],
}

impl Work<'_> {
    /// `R` has the width of the pack, `W` that of the instructions.
    #[inline(always)]
    fn in_lanes<R: Real, W: Real>(self) {
        let Work { pack, task, rule, colliders } = self;
        match task {
            Task::Advance { interval } => {
                substep::advance::<R, W>(pack, interval, rule, colliders);
                substep::show::<R>(pack, rule);
            }
            Task::Settle { interval } => substep::settle::<R>(pack, interval, rule, colliders),
            Task::Whole => substep::whole::<R, W>(pack, rule, colliders),
            Task::End => substep::end::<R>(pack, rule),
        }
    }
}

impl Kernel for Work<'_> {
    type Output = ();
    #[inline(always)]
    fn run<R: Real>(self) {
        if self.pack.lanes == R::LANES { self.in_lanes::<R, R>() } else { self.in_lanes::<f32, R>() }
    }
}
