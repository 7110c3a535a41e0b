//! Sixteen lanes: AVX-512.
//!
//! SAFETY, for every block below: a kernel over [`F32x16`] runs only where [`Isa::run`](super::Isa::run) has seen the CPU's
//! features, and nothing else makes these values.

use core::arch::x86_64::*;
use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::real::{Mask, Real, Sealed};

/// 16 numbers in a register.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct F32x16(__m512);

/// Truth in sixteen lanes.
#[derive(Clone, Copy, Debug)]
pub struct Mask16(__mmask16);

impl BitAnd for Mask16 {
    type Output = Self;
    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Mask16 {
    type Output = Self;
    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Not for Mask16 {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        Self(!self.0)
    }
}

impl Mask for Mask16 {
    #[inline(always)]
    fn splat(value: bool) -> Self {
        Self(if value { 0xffff } else { 0 })
    }
    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self.0)
    }
    #[inline(always)]
    fn from_bits(bits: u32) -> Self {
        Self(bits as u16)
    }
}

impl Add for F32x16 {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }
}
impl Sub for F32x16 {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }
}
impl Mul for F32x16 {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }
}
impl Div for F32x16 {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }
}

impl Neg for F32x16 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(self.0), _mm512_set1_epi32(i32::MIN))) })
    }
}

impl Sealed for F32x16 {}

impl Real for F32x16 {
    const LANES: usize = 16;
    type Mask = Mask16;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_set1_ps(value) })
    }
    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let from = &from[..Self::LANES];
        // SAFETY: see the module; the slice holds a register's worth, and the load asks for no alignment.
        Self(unsafe { _mm512_loadu_ps(from.as_ptr()) })
    }
    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        let to = &mut to[..Self::LANES];
        // SAFETY: see the module; the slice has room for a register, and the store asks for no alignment.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    fn fma(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }
    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_abs_ps(self.0) })
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        // SAFETY: see the module. The instruction gives the second operand where the two are equal or one is NaN.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        // SAFETY: see the module. The instruction gives the second operand where the two are equal or one is NaN.
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn less(self, other: Self) -> Mask16 {
        // SAFETY: see the module.
        Mask16(unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0) })
    }
    #[inline(always)]
    fn at_most(self, other: Self) -> Mask16 {
        // SAFETY: see the module.
        Mask16(unsafe { _mm512_cmp_ps_mask::<_CMP_LE_OQ>(self.0, other.0) })
    }
    #[inline(always)]
    fn select(mask: Mask16, then: Self, otherwise: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm512_mask_blend_ps(mask.0, otherwise.0, then.0) })
    }
    #[inline(always)]
    fn lane(&self, lane: usize) -> f32 {
        let mut lanes = [0.0; Self::LANES];
        self.store(&mut lanes);
        lanes[lane]
    }
    #[inline(always)]
    fn set_lane(&mut self, lane: usize, value: f32) {
        let mut lanes = [0.0; Self::LANES];
        self.store(&mut lanes);
        lanes[lane] = value;
        *self = Self::load(&lanes);
    }
}
