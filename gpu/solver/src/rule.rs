//! What a step asks of every body, as `rule.cuh` has it.

use bytemuck::{Pod, Zeroable};
use rankzero_soft::rule::{FASTEST, StepRule};
use rankzero_soft::vec3::length;

/// A [`StepRule`] with all that follows from it alone, as `Rule` of `rule.cuh`.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Rule {
    step: f32,
    h: f32,
    inverse_h: f32,
    inverse_h2: f32,
    substeps: u32,
    per_interval: u32,
    gravity: [f32; 3],
    fall: f32,
    margin: f32,
    recovery_max: f32,
    quiet_mean2: f32,
    quiet_each2: f32,
    sleep_steps: u32,
    interval: f32,
    contact_recovery_max: f32,
    padding: u32,
}
const _: () = assert!(size_of::<Rule>() == 72);

impl Rule {
    /// Computes what follows from the rule, in the operations of the CPU's solver.
    pub fn new(rule: &StepRule) -> Self {
        let h = rule.substep();
        let quiet_mean2 = rule.sleep.speed * rule.sleep.speed;
        Self {
            step: rule.step,
            h,
            inverse_h: 1.0 / h,
            inverse_h2: 1.0 / (h * h),
            substeps: rule.substeps,
            per_interval: rule.per_interval,
            gravity: rule.gravity,
            fall: 2.0 * length(rule.gravity) * rule.step,
            margin: rule.margin,
            recovery_max: rule.recovery_speed_max * h,
            quiet_mean2,
            quiet_each2: FASTEST * FASTEST * quiet_mean2,
            sleep_steps: rule.sleep.steps,
            interval: rule.interval(),
            contact_recovery_max: rule.recovery_speed_max * rule.interval(),
            padding: 0,
        }
    }
}
