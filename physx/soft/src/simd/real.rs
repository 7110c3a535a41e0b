//! The number that the solver's kernels are written over: one `f32`, or a register of them.
//!
//! A kernel written over [`Real`] gives every lane the bits that the scalar gives, because each operation below is
//! correctly rounded, or an exact choice between two values (invariant D1 of the crate).

use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

/// Lane-wise truth.
pub trait Mask:
    Copy + Send + Sync + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self> + 'static
{
    /// The same in every lane.
    fn splat(value: bool) -> Self;
    /// Bit `i` is lane `i`.
    fn bits(self) -> u32;
    /// Lane `i` is bit `i`; bits past the last lane do not count.
    fn from_bits(bits: u32) -> Self;
    /// Whether it holds in any lane.
    #[inline(always)]
    fn any(self) -> bool {
        self.bits() != 0
    }
}

/// A lane-wise IEEE-754 single-precision number. Registers of `f32` and nothing else: memory is read as them.
pub trait Real:
    Sealed
    + Copy
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// Numbers in one value.
    const LANES: usize;
    /// What comparisons give.
    type Mask: Mask;

    /// The same value in every lane.
    fn splat(value: f32) -> Self;
    /// Reads the first [`Real::LANES`] numbers.
    ///
    /// # Panics
    /// If there are fewer.
    fn load(from: &[f32]) -> Self;
    /// Writes the first [`Real::LANES`] numbers.
    ///
    /// # Panics
    /// If there is less room.
    fn store(self, to: &mut [f32]);
    /// `self × factor + addend`, rounded once.
    fn fma(self, factor: Self, addend: Self) -> Self;
    /// Correctly rounded square root.
    fn sqrt(self) -> Self;
    /// The number without its sign.
    fn abs(self) -> Self;
    /// `if self > other { self } else { other }`: NaN and −0 behave alike on every target.
    fn larger(self, other: Self) -> Self;
    /// `if self < other { self } else { other }`.
    fn smaller(self, other: Self) -> Self;
    /// `self < other`, false where either is NaN.
    fn less(self, other: Self) -> Self::Mask;
    /// `self <= other`, false where either is NaN.
    fn at_most(self, other: Self) -> Self::Mask;
    /// `then` where the mask holds, `otherwise` elsewhere.
    fn select(mask: Self::Mask, then: Self, otherwise: Self) -> Self;
    /// The value of one lane.
    fn lane(&self, lane: usize) -> f32;
    /// Replaces the value of one lane.
    fn set_lane(&mut self, lane: usize, value: f32);

    /// The vectors `from[at[i]]`, one a lane.
    ///
    /// # Panics
    /// If there are too few.
    #[inline(always)]
    fn gather(from: &[[f32; 3]], at: &[u32]) -> [Self; 3] {
        let mut words = [[0.0; MAX_LANES]; 3];
        for (lane, &at) in at[..Self::LANES].iter().enumerate() {
            let vector = from[at as usize];
            for k in 0..3 {
                words[k][lane] = vector[k];
            }
        }
        [Self::load(&words[0]), Self::load(&words[1]), Self::load(&words[2])]
    }

    /// Lane `i` from `f(i)`.
    #[inline(always)]
    fn from_lanes(mut f: impl FnMut(usize) -> f32) -> Self {
        let mut lanes = [0.0; MAX_LANES];
        for (i, lane) in lanes[..Self::LANES].iter_mut().enumerate() {
            *lane = f(i);
        }
        Self::load(&lanes)
    }
}

/// Keeps [`Real`] to the types of this module's neighbours.
pub trait Sealed {}

impl Sealed for f32 {}

/// No register has more lanes.
pub const MAX_LANES: usize = 16;

impl Mask for bool {
    #[inline(always)]
    fn splat(value: bool) -> Self {
        value
    }
    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self)
    }
    #[inline(always)]
    fn from_bits(bits: u32) -> Self {
        bits & 1 != 0
    }
}

impl Real for f32 {
    const LANES: usize = 1;
    type Mask = bool;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        value
    }
    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        from[0]
    }
    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        to[0] = self;
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
    fn abs(self) -> Self {
        f32::abs(self)
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
    #[inline(always)]
    fn less(self, other: Self) -> bool {
        self < other
    }
    #[inline(always)]
    fn at_most(self, other: Self) -> bool {
        self <= other
    }
    #[inline(always)]
    fn select(mask: bool, then: Self, otherwise: Self) -> Self {
        if mask { then } else { otherwise }
    }
    #[inline(always)]
    fn lane(&self, _lane: usize) -> f32 {
        *self
    }
    #[inline(always)]
    fn set_lane(&mut self, _lane: usize, value: f32) {
        *self = value;
    }
}
