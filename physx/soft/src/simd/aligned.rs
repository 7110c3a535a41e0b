//! A buffer of numbers that starts where a register may.

use bytemuck::{Pod, Zeroable};

use super::real::MAX_LANES;

/// The widest register's worth of numbers, which is a cache line as well.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; MAX_LANES]);

/// Numbers from a 64-byte boundary on.
#[derive(Clone, Debug, Default)]
pub struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    /// Makes it `len` numbers long; what it holds then is of no meaning. Memory is kept for later use.
    pub fn resize(&mut self, len: usize) {
        self.lines.resize(len.div_ceil(MAX_LANES), Line([0.0; MAX_LANES]));
        self.len = len;
    }

    /// The numbers.
    pub fn as_slice(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }

    /// The numbers, to be changed.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }

    /// As registers of three components.
    ///
    /// # Panics
    /// If the length is no whole number of those.
    #[inline(always)]
    pub fn vectors<R: super::Real>(&self) -> &[[R; 3]] {
        super::registers(self.as_slice())
    }

    /// As [`Aligned::vectors`], to be changed.
    ///
    /// # Panics
    /// As there.
    #[inline(always)]
    pub fn vectors_mut<R: super::Real>(&mut self) -> &mut [[R; 3]] {
        super::registers_mut(self.as_mut_slice())
    }
}
