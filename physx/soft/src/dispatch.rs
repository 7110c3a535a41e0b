//! The same code compiled for the machine at hand: with fused multiply-add where the CPU has it.
//!
//! The bits do not depend on the choice: `f32::mul_add` is correctly rounded either way, only slower without the instruction.
#![allow(unsafe_code)]

use crate::body::{Body, StepRule};
use crate::collider::Collider;
use crate::substep;

/// Whether to use instructions beyond the baseline of x86-64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Whatever the CPU has.
    Best,
    /// The baseline alone; for comparison.
    Portable,
}

impl Isa {
    fn fma(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self == Isa::Best
            && std::arch::is_x86_feature_detected!("fma")
            && std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(target_arch = "x86_64"))]
        false
    }
}

/// Runs an interval of a body's step up to the point where contacts with moving bodies are resolved.
pub fn advance(body: &mut Body, interval: u32, rule: &StepRule, colliders: &[Collider], isa: Isa) {
    #[cfg(target_arch = "x86_64")]
    if isa.fma() {
        // SAFETY: the CPU has the features that the function is compiled for.
        return unsafe { advance_fma(body, interval, rule, colliders) };
    }
    substep::advance(body, interval, rule, colliders);
}

/// Ends an interval: takes the corrections of contacts, stays out of colliders, sets velocities.
pub fn settle(body: &mut Body, interval: u32, rule: &StepRule, colliders: &[Collider], isa: Isa) {
    #[cfg(target_arch = "x86_64")]
    if isa.fma() {
        // SAFETY: the CPU has the features that the function is compiled for.
        return unsafe { settle_fma(body, interval, rule, colliders) };
    }
    substep::settle(body, interval, rule, colliders);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn advance_fma(body: &mut Body, interval: u32, rule: &StepRule, colliders: &[Collider]) {
    substep::advance(body, interval, rule, colliders);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn settle_fma(body: &mut Body, interval: u32, rule: &StepRule, colliders: &[Collider]) {
    substep::settle(body, interval, rule, colliders);
}
