//! What every rank knows of a body at a step's start: where it is and how far it may get.

use crate::bounds::Aabb;
use crate::layout::StateLayout;
use crate::rule::StepRule;
use crate::vec3::{Vec3, add, add_scaled, length, scale, sub};

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
    /// The reach of nothing.
    pub const NOWHERE: Reach = Reach { bounds: Aabb::EMPTY, velocity: [0.0; 3], spread: 0.0, quiet: 0 };

    /// The reach of a body in canonical state `state`.
    ///
    /// # Panics
    /// If the state is shorter than the layout.
    pub fn of_state(state: &[u32], layout: StateLayout, rule: &StepRule) -> Self {
        let at = |start: usize, i: usize| std::array::from_fn(|k| f32::from_bits(state[start + 3 * i + k]));
        let (mut bounds, mut speeds) = (Aabb::EMPTY, Aabb::EMPTY);
        for i in 0..layout.surface {
            bounds = bounds.with(at(layout.positions().start, i));
            speeds = speeds.with(at(layout.velocities().start, i));
        }
        Self::new(bounds, speeds, state[layout.quiet()], rule)
    }

    /// The reach of a surface within `bounds`, whose velocities lie within the box `speeds` (m/s).
    pub fn new(bounds: Aabb, speeds: Aabb, quiet: u32, rule: &StepRule) -> Self {
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
