//! Lanes: one kernel, written once over [`Real`], run in registers of the width that the CPU has.
//!
//! The bits do not depend on the choice, only the time does: every operation of [`Real`] is correctly rounded at every width.
#![allow(unsafe_code)]

mod aligned;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod real;

pub use aligned::Aligned;
pub use real::{MAX_LANES, Mask, Real};

/// Something to compute in lanes. Mark [`Kernel::run`] `#[inline(always)]`, and what it calls as well: only what is inlined is
/// compiled for the instructions.
pub trait Kernel {
    /// What it gives.
    type Output;
    /// Computes it.
    fn run<R: Real>(self) -> Self::Output;
}

/// The instructions that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// One lane, the baseline of x86-64; a fused multiply-add may be a call into the C library.
    Scalar,
    /// One lane with the instructions of AVX2 and fused multiply-add.
    Fused,
    /// Eight lanes, AVX2 with fused multiply-add.
    Avx2,
    /// Sixteen lanes, AVX-512.
    Avx512,
}

impl Isa {
    /// All of them, the narrowest first.
    pub const ALL: [Isa; 4] = [Isa::Scalar, Isa::Fused, Isa::Avx2, Isa::Avx512];

    /// The widest that this CPU has.
    pub fn best() -> Isa {
        Isa::ALL.into_iter().rev().find(|isa| isa.is_available()).unwrap_or(Isa::Scalar)
    }

    /// Whether this CPU has it.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let fused = || std::arch::is_x86_feature_detected!("fma") && std::arch::is_x86_feature_detected!("avx2");
            match self {
                Isa::Scalar => true,
                Isa::Fused | Isa::Avx2 => fused(),
                Isa::Avx512 => fused() && std::arch::is_x86_feature_detected!("avx512f"),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Isa::Scalar
        }
    }

    /// Its name, as on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Fused => "fused",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }

    /// Lanes of a register.
    pub fn lanes(self) -> usize {
        match self {
            Isa::Scalar | Isa::Fused => 1,
            Isa::Avx2 => 8,
            Isa::Avx512 => 16,
        }
    }

    /// The instructions for work on a single lane.
    pub fn narrow(self) -> Isa {
        if self == Isa::Scalar { self } else { Isa::Fused }
    }

    /// Runs a kernel with these instructions.
    ///
    /// # Panics
    /// If the CPU does not have them.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        assert!(self.is_available(), "this CPU has no {}", self.name());
        #[cfg(target_arch = "x86_64")]
        match self {
            Isa::Scalar => kernel.run::<f32>(),
            // SAFETY: the CPU has the features that the function is compiled for.
            Isa::Fused => unsafe { run_fused(kernel) },
            // SAFETY: as above.
            Isa::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: as above.
            Isa::Avx512 => unsafe { run_avx512(kernel) },
        }
        #[cfg(not(target_arch = "x86_64"))]
        kernel.run::<f32>()
    }
}

impl std::str::FromStr for Isa {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let isa = Isa::ALL.into_iter().find(|isa| isa.name() == name);
        let isa = isa.ok_or_else(|| format!("`{name}` is none of {}", Isa::ALL.map(Isa::name).join(", ")))?;
        if isa.is_available() { Ok(isa) } else { Err(format!("this CPU has no {name}")) }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_fused<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<f32>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<avx2::F32x8>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<avx512::F32x16>()
}

/// Takes a run of numbers as registers.
///
/// # Panics
/// If it does not start at a register's alignment or is no whole number of registers.
#[inline(always)]
pub fn registers<R: Real>(numbers: &[f32]) -> &[[R; 3]] {
    // SAFETY: `R` is one or more `f32` without padding (`repr(transparent)` over a register), any bits of which are a value.
    let (before, registers, after) = unsafe { numbers.align_to::<[R; 3]>() };
    assert!(before.is_empty() && after.is_empty(), "not a run of whole registers");
    registers
}

/// As [`registers`], to be changed.
///
/// # Panics
/// As there.
#[inline(always)]
pub fn registers_mut<R: Real>(numbers: &mut [f32]) -> &mut [[R; 3]] {
    // SAFETY: as in `registers`.
    let (before, registers, after) = unsafe { numbers.align_to_mut::<[R; 3]>() };
    assert!(before.is_empty() && after.is_empty(), "not a run of whole registers");
    registers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation of `Real` on pairs out of a list of awkward numbers.
    struct Everything<'a>(&'a [f32]);

    impl Kernel for Everything<'_> {
        type Output = Vec<u32>;

        #[inline(always)]
        fn run<R: Real>(self) -> Vec<u32> {
            let mut out = vec![Vec::new(); 16];
            for chunk in self.0.chunks_exact(MAX_LANES) {
                for a in chunk.chunks_exact(R::LANES).map(R::load) {
                    for &b in self.0 {
                        let (b, c) = (R::splat(b), R::splat(1.25e-3));
                        let pick = |mask| R::select(mask, a, b);
                        let results = [
                            a + b,
                            a - b,
                            a * b,
                            a / b,
                            -a,
                            a.abs(),
                            a.fma(b, c),
                            a.abs().sqrt(),
                            a.larger(b),
                            a.smaller(b),
                            pick(a.less(b)),
                            pick(a.at_most(b)),
                            pick(a.less(b) | b.less(a)),
                            pick(a.at_most(b) & b.at_most(a)),
                            pick(!a.less(b)),
                            pick(R::Mask::from_bits(a.less(b).bits())),
                        ];
                        for (out, result) in out.iter_mut().zip(results) {
                            out.extend((0..R::LANES).map(|lane| result.lane(lane)));
                        }
                    }
                }
            }
            // One order for all widths: by operation, then by operands.
            let width = self.0.len() * R::LANES;
            let sorted = out.iter().flat_map(|results| {
                results.chunks(width).flat_map(|block| {
                    (0..R::LANES).flat_map(move |lane| block.iter().skip(lane).step_by(R::LANES).copied())
                })
            });
            // Which NaN comes out is not part of the promise.
            sorted.map(|f: f32| if f.is_nan() { f32::NAN.to_bits() } else { f.to_bits() }).collect()
        }
    }

    #[test]
    fn all_widths_give_the_same_bits() {
        let numbers = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            1.5e-45,
            -3e-39,
            f32::MIN_POSITIVE,
            1e-20,
            3.4e38,
            -3.4e38,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            0.1,
            1.0 / 3.0,
            16_777_217.0,
        ];
        let expected = Isa::Scalar.run(Everything(&numbers));
        assert_eq!(expected.len(), 16 * 16 * 16);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            assert_eq!(Isa::run(isa, Everything(&numbers)), expected, "{isa:?}");
        }
    }

    #[test]
    fn names_are_read_back() {
        assert_eq!("scalar".parse(), Ok(Isa::Scalar));
        assert!("avx9".parse::<Isa>().unwrap_err().contains("none of scalar"));
        assert!(Isa::best().is_available());
    }
}
