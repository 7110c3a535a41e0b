//! The number that the solver's kernels are written over: one `f32`, or a register of them.
//!
//! A kernel written over [`Real`] gives every lane the bits that the scalar gives, because each operation below is
//! correctly rounded (invariant D1 of the crate).

use core::ops::{Add, Div, Mul, Neg, Sub};

/// A lane-wise IEEE-754 single-precision number.
pub trait Real:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The same value in every lane.
    fn splat(value: f32) -> Self;
    /// `self × factor + addend`, rounded once.
    fn fma(self, factor: Self, addend: Self) -> Self;
    /// Correctly rounded square root.
    fn sqrt(self) -> Self;
    /// `if self > other { self } else { other }`: NaN and −0 behave alike on every target.
    fn larger(self, other: Self) -> Self;
}

impl Real for f32 {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        value
    }
    #[inline(always)]
    fn fma(self, factor: Self, addend: Self) -> Self {
        self.mul_add(factor, addend)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
}
