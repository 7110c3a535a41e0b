//! What a step asks of every body.

use crate::vec3::Vec3;

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
