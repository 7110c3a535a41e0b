//! Eight lanes: AVX2 with fused multiply-add.
//!
//! SAFETY, for every block below: a kernel over [`F32x8`] runs only where [`Isa::run`](super::Isa::run) has seen the CPU's
//! features, and nothing else makes these values.

use core::arch::x86_64::*;
use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::real::{Mask, Real, Sealed};

/// 8 numbers in a register.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct F32x8(__m256);

/// Truth in eight lanes: all bits of a lane, or none.
#[derive(Clone, Copy, Debug)]
pub struct Mask8(__m256);

impl BitAnd for Mask8 {
    type Output = Self;
    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_and_ps(self.0, other.0) })
    }
}

impl BitOr for Mask8 {
    type Output = Self;
    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_or_ps(self.0, other.0) })
    }
}

impl Not for Mask8 {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_xor_ps(self.0, _mm256_castsi256_ps(_mm256_set1_epi32(-1))) })
    }
}

impl Mask for Mask8 {
    #[inline(always)]
    fn splat(value: bool) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_castsi256_ps(_mm256_set1_epi32(-i32::from(value))) })
    }
    #[inline(always)]
    fn bits(self) -> u32 {
        // SAFETY: see the module.
        unsafe { _mm256_movemask_ps(self.0) as u32 }
    }
    #[inline(always)]
    fn from_bits(bits: u32) -> Self {
        // SAFETY: see the module.
        unsafe {
            let bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let has = _mm256_and_si256(_mm256_set1_epi32(bits as i32), bit);
            Self(_mm256_castsi256_ps(_mm256_cmpeq_epi32(has, bit)))
        }
    }
}

impl Add for F32x8 {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }
}
impl Sub for F32x8 {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_sub_ps(self.0, other.0) })
    }
}
impl Mul for F32x8 {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }
}
impl Div for F32x8 {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_div_ps(self.0, other.0) })
    }
}

impl Neg for F32x8 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_xor_ps(self.0, _mm256_set1_ps(-0.0)) })
    }
}

impl Sealed for F32x8 {}

impl Real for F32x8 {
    const LANES: usize = 8;
    type Mask = Mask8;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_set1_ps(value) })
    }
    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let from = &from[..Self::LANES];
        // SAFETY: see the module; the slice holds a register's worth, and the load asks for no alignment.
        Self(unsafe { _mm256_loadu_ps(from.as_ptr()) })
    }
    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        let to = &mut to[..Self::LANES];
        // SAFETY: see the module; the slice has room for a register, and the store asks for no alignment.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    fn fma(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }
    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        // SAFETY: see the module. The instruction gives the second operand where the two are equal or one is NaN.
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        // SAFETY: see the module. The instruction gives the second operand where the two are equal or one is NaN.
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn less(self, other: Self) -> Mask8 {
        // SAFETY: see the module.
        Mask8(unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, other.0) })
    }
    #[inline(always)]
    fn at_most(self, other: Self) -> Mask8 {
        // SAFETY: see the module.
        Mask8(unsafe { _mm256_cmp_ps::<_CMP_LE_OQ>(self.0, other.0) })
    }
    #[inline(always)]
    fn select(mask: Mask8, then: Self, otherwise: Self) -> Self {
        // SAFETY: see the module.
        Self(unsafe { _mm256_blendv_ps(otherwise.0, then.0, mask.0) })
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

    #[inline(always)]
    fn gather(from: &[[f32; 3]], at: &[u32]) -> [Self; 3] {
        let flat = from.as_flattened();
        let at = &at[..Self::LANES];
        // Four numbers are read for three; the fourth is the next vector's, or the vector is the last.
        let read = |lane: usize| -> __m128 {
            let start = 3 * at[lane] as usize;
            match flat.get(start..start + 4) {
                // SAFETY: see the module; the slice holds four numbers, and the load asks for no alignment.
                Some(four) => unsafe { _mm_loadu_ps(four.as_ptr()) },
                None => {
                    let last = from[at[lane] as usize];
                    // SAFETY: see the module.
                    unsafe { _mm_setr_ps(last[0], last[1], last[2], 0.0) }
                }
            }
        };
        // SAFETY: see the module.
        unsafe {
            let rows = [
                _mm256_set_m128(read(4), read(0)),
                _mm256_set_m128(read(5), read(1)),
                _mm256_set_m128(read(6), read(2)),
                _mm256_set_m128(read(7), read(3)),
            ];
            let (xy01, z01) = (_mm256_unpacklo_ps(rows[0], rows[1]), _mm256_unpackhi_ps(rows[0], rows[1]));
            let (xy23, z23) = (_mm256_unpacklo_ps(rows[2], rows[3]), _mm256_unpackhi_ps(rows[2], rows[3]));
            [
                Self(_mm256_shuffle_ps::<0x44>(xy01, xy23)),
                Self(_mm256_shuffle_ps::<0xee>(xy01, xy23)),
                Self(_mm256_shuffle_ps::<0x44>(z01, z23)),
            ]
        }
    }
}
