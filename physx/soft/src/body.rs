//! One body within one step: its working copy of the canonical state.
//!
//! Positions are kept relative to an origin near the body, on a grid of quarter metres, so that displacements of a substep
//! keep their digits far from the world's origin. The working copy lives through the step's intervals; the canonical state is
//! written once, at the end.

use std::sync::Arc;

use crate::bounds::Aabb;
use crate::collider::{Collider, Near};
use crate::damping::damp;
use crate::topology::Topology;
use crate::vec3::{Vec3, ZERO, add, add_scaled, at, dot, length, scale, sub};

/// When a body may sleep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SleepRule {
    /// A body counts as quiet after a step if the root mean square of its nodes' speeds by mass is below this, m/s, and no node is
    /// faster than [`FASTEST`] times this: nodes that carry a load in a contact tremble by themselves.
    pub speed: f32,
    /// It may sleep after so many quiet steps; `u32::MAX` never.
    pub steps: u32,
}

/// See [`SleepRule::speed`].
pub const FASTEST: f32 = 5.0;

/// What a step asks of a body.
#[derive(Clone, Copy, Debug)]
pub struct StepRule {
    /// Length of a step, s.
    pub step: f32,
    /// Substeps of a step.
    pub substeps: u32,
    /// Substeps between two exchanges.
    pub per_interval: u32,
    /// Gravity, m/s².
    pub gravity: Vec3,
    /// Distance at which things count as near, m.
    pub margin: f32,
    /// What was inside a collider before is taken out no faster than this, m/s.
    pub recovery_speed_max: f32,
    /// When bodies sleep.
    pub sleep: SleepRule,
}

impl StepRule {
    /// Length of a substep, s.
    pub fn substep(&self) -> f32 {
        self.step / self.substeps as f32
    }
    /// Length of an interval, s.
    pub fn interval(&self) -> f32 {
        self.step * self.per_interval as f32 / self.substeps as f32
    }
    /// Intervals of a step.
    pub fn intervals(&self) -> u32 {
        self.substeps / self.per_interval
    }
}

/// A body's bounds and motion at a step's start, as every rank knows them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reach {
    /// The box of the surface at the step's start.
    pub bounds: Aabb,
    /// The middle of the surface's velocities, m/s: half-way between the least and the greatest of each component.
    pub velocity: Vec3,
    /// How far a node may move from where the middle velocity would take it, plus the margin, m.
    pub spread: f32,
    /// Steps that the body has been quiet for.
    pub quiet: u32,
}

/// Words of an encoded [`Reach`].
pub const REACH_WORDS: usize = 11;

impl Reach {
    /// The reach of a surface: `words` are positions then velocities of the surface nodes.
    pub fn of(words: &[f32], surface: usize, quiet: u32, rule: &StepRule) -> Self {
        let (mut bounds, mut speeds) = (Aabb::EMPTY, Aabb::EMPTY);
        for i in 0..surface {
            bounds = bounds.with(at(words, i));
            speeds = speeds.with(at(words, surface + i));
        }
        let velocity = scale(add(speeds.min, speeds.max), 0.5);
        let half = length(scale(sub(speeds.max, speeds.min), 0.5));
        // Over a step, gravity and the body's own elasticity may add as much again as gravity does.
        let fall = 2.0 * length(rule.gravity) * rule.step;
        Reach { bounds, velocity, spread: (half + fall) * rule.step + rule.margin, quiet }
    }

    /// The box of the body's motion over a step of `step` seconds.
    pub fn swept(&self, step: f32) -> Aabb {
        let moved = Aabb {
            min: add_scaled(self.bounds.min, self.velocity, step),
            max: add_scaled(self.bounds.max, self.velocity, step),
        };
        self.bounds.with(moved.min).with(moved.max).grown(self.spread)
    }

    /// How far a node may move in a step of `step` seconds, plus the margin, m.
    pub fn distance(&self, step: f32) -> f32 {
        length(self.velocity) * step + self.spread
    }

    /// How far this body and something that moves with `velocity` ± `spread` may approach each other in a step, m.
    pub fn approach(&self, velocity: Vec3, spread: f32, step: f32) -> f32 {
        length(sub(self.velocity, velocity)) * step + self.spread + spread
    }

    /// As words, for the wire.
    pub fn to_words(&self) -> [u32; REACH_WORDS] {
        let (a, b, v) = (self.bounds.min, self.bounds.max, self.velocity);
        let f = [a[0], a[1], a[2], b[0], b[1], b[2], v[0], v[1], v[2], self.spread].map(f32::to_bits);
        std::array::from_fn(|i| if i < f.len() { f[i] } else { self.quiet })
    }

    /// From words.
    pub fn from_words(w: &[u32; REACH_WORDS]) -> Self {
        let f = |i: usize| f32::from_bits(w[i]);
        let v = |i: usize| [f(i), f(i + 1), f(i + 2)];
        Reach { bounds: Aabb { min: v(0), max: v(3) }, velocity: v(6), spread: f(9), quiet: w[10] }
    }
}

/// The working copy of one body's state.
#[derive(Clone, Debug)]
pub struct Body {
    /// What it is an instance of.
    pub topology: Arc<Topology>,
    /// Quiet steps so far.
    pub quiet: u32,
    pub(crate) origin: Vec3,
    pub(crate) x: Vec<Vec3>,
    pub(crate) v: Vec<Vec3>,
    pub(crate) predicted: Vec<Vec3>,
    /// What contacts with moving bodies do to the surface nodes in the running interval, m.
    pub corrections: Vec<Vec3>,
    pub(crate) near: Near,
    world: Vec<Vec3>,
}

impl Body {
    /// A body with buffers of the right sizes; [`Body::begin`] fills them.
    pub fn new(topology: Arc<Topology>) -> Self {
        let (n, surface) = (topology.layout.nodes, topology.layout.surface);
        Self {
            quiet: 0,
            origin: ZERO,
            x: vec![ZERO; n],
            v: vec![ZERO; n],
            predicted: vec![ZERO; n],
            corrections: vec![ZERO; surface],
            near: Near::default(),
            world: vec![ZERO; surface],
            topology,
        }
    }

    /// Takes up the canonical state and finds the colliders in reach.
    ///
    /// # Panics
    /// If `state` is not of the body's layout.
    pub fn begin(&mut self, state: &[u32], reach: &Reach, step: f32, colliders: &[Collider]) {
        let layout = self.topology.layout;
        assert_eq!(state.len(), layout.words(), "state of another layout");
        let word = |i: usize| f32::from_bits(state[i]);
        let (xs, vs) = (layout.positions().start, layout.velocities().start);
        let first = [word(xs), word(xs + 1), word(xs + 2)];
        self.origin = first.map(|c| (c * 4.0).floor() * 0.25);
        for i in 0..layout.nodes {
            self.x[i] = sub([word(xs + 3 * i), word(xs + 3 * i + 1), word(xs + 3 * i + 2)], self.origin);
            self.v[i] = [word(vs + 3 * i), word(vs + 3 * i + 1), word(vs + 3 * i + 2)];
            self.predicted[i] = self.x[i];
        }
        self.quiet = state[layout.quiet()];
        self.corrections.fill(ZERO);
        for (world, x) in self.world.iter_mut().zip(&self.x) {
            *world = add(self.origin, *x);
        }
        let friction = self.topology.material.friction;
        self.near.gather(colliders, &reach.swept(step), &self.world, reach.distance(step), friction);
    }

    /// Writes the surface as others see it: positions, then the displacements of an interval at the present speed.
    ///
    /// Between [`advance`](crate::dispatch::advance) and [`settle`](crate::dispatch::settle) those are the positions that contacts
    /// are to resolve; before the first, they are the positions at the step's start.
    pub fn surface(&self, rule: &StepRule, out: &mut [f32]) {
        let surface = self.topology.layout.surface;
        let (positions, displacements) = out.split_at_mut(3 * surface);
        let (h, intervals) = (rule.substep(), rule.per_interval as f32);
        for (i, (p, d)) in positions.chunks_exact_mut(3).zip(displacements.chunks_exact_mut(3)).enumerate() {
            p.copy_from_slice(&add(self.origin, self.x[i]));
            let moved = add_scaled(sub(self.x[i], self.predicted[i]), self.v[i], h);
            d.copy_from_slice(&scale(moved, intervals));
        }
    }

    /// Writes the surface of a body that sleeps: it shows no displacement, whatever its velocities were when it fell asleep.
    pub fn still_surface(&self, out: &mut [f32]) {
        let (positions, displacements) = out.split_at_mut(3 * self.topology.layout.surface);
        for (p, x) in positions.chunks_exact_mut(3).zip(&self.x) {
            p.copy_from_slice(&add(self.origin, *x));
        }
        displacements.fill(0.0);
    }

    /// Ends the step: damping, the quiet count, and the canonical state into `state`.
    pub fn end(&mut self, rule: &StepRule, state: &mut [u32]) {
        damp(&self.topology, &self.x, &mut self.v, rule.step);
        self.quiet = if self.is_quiet(rule.sleep.speed) { self.quiet.saturating_add(1) } else { 0 };
        if self.quiet == rule.sleep.steps {
            self.v.fill(ZERO);
        }
        let layout = self.topology.layout;
        let (xs, vs) = (layout.positions().start, layout.velocities().start);
        for (i, (x, v)) in self.x.iter().zip(&self.v).enumerate() {
            let x = add(self.origin, *x);
            for k in 0..3 {
                state[xs + 3 * i + k] = x[k].to_bits();
                state[vs + 3 * i + k] = v[k].to_bits();
            }
        }
        state[layout.quiet()] = self.quiet;
    }

    fn is_quiet(&self, speed: f32) -> bool {
        let (mut mass, mut energy, mut fastest) = (0.0, 0.0, 0.0);
        for (v, m) in self.v.iter().zip(&self.topology.mass) {
            let square = dot(*v, *v);
            mass += m;
            energy += m * square;
            fastest = if square > fastest { square } else { fastest };
        }
        let limit = speed * speed;
        energy < limit * mass && fastest < FASTEST * FASTEST * limit
    }

    /// Whether every number is finite; a body that is not has blown up.
    pub fn is_finite(&self) -> bool {
        self.x.iter().chain(&self.v).flatten().all(|c| c.is_finite())
    }
}
