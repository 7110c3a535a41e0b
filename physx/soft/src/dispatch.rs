//! The same code compiled for the machine at hand: with fused multiply-add where the CPU has it.
//!
//! The bits do not depend on the choice: `f32::mul_add` is correctly rounded either way, only slower without the instruction.
#![allow(unsafe_code)]

use crate::body::{Body, StepRule};
use crate::collider::Collider;
use crate::substep;

/// Runs the substeps of one interval of a body's step.
pub fn run_interval(body: &mut Body, interval: u32, rule: &StepRule, colliders: &[Collider]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("fma") && std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has the features that the function is compiled for.
        unsafe { with_fma(body, interval, rule, colliders) };
        return;
    }
    substep::run(body, interval, rule, colliders);
}

/// Runs the substeps of one interval without instructions beyond the baseline; for comparison.
pub fn run_interval_portable(body: &mut Body, interval: u32, rule: &StepRule, colliders: &[Collider]) {
    substep::run(body, interval, rule, colliders);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_fma(body: &mut Body, interval: u32, rule: &StepRule, colliders: &[Collider]) {
    substep::run(body, interval, rule, colliders);
}
