//! What one core can do at most: multiply and add, and move memory.

use std::hint::black_box;

use rankzero_soft::simd::{Isa, Kernel, Real};

use crate::clock::Whose;

/// Sums that run side by side: enough for two units of a latency of five, and few enough for sixteen registers.
const CHAINS: usize = 12;
/// Each measurement lasts about as long, s.
const LONG_S: f64 = 0.05;

/// `x ← x · a + b` in chains that do not wait for each other.
struct Chains {
    rounds: usize,
}

impl Kernel for Chains {
    type Output = f32;

    #[inline(always)]
    fn run<R: Real>(self) -> f32 {
        let (factor, addend) = (R::splat(black_box(0.999)), R::splat(black_box(1e-3)));
        let mut x: [R; CHAINS] = std::array::from_fn(|chain| R::splat(chain as f32));
        for _ in 0..self.rounds {
            for sum in &mut x {
                *sum = sum.fma(factor, addend);
            }
        }
        x.iter().map(|sum| sum.lane(0)).sum()
    }
}

/// `a ← b · s + c` over whole arrays: McCalpin's triad (*STREAM*, 1995).
struct Triad<'a> {
    rounds: usize,
    a: &'a mut [f32],
    b: &'a [f32],
    c: &'a [f32],
}

impl Kernel for Triad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<R: Real>(self) {
        let factor = R::splat(black_box(0.5));
        for _ in 0..self.rounds {
            let read = self.b.chunks_exact(R::LANES).zip(self.c.chunks_exact(R::LANES));
            for (a, (b, c)) in self.a.chunks_exact_mut(R::LANES).zip(read) {
                R::load(b).fma(factor, R::load(c)).store(a);
            }
            black_box(&mut *self.a);
        }
    }
}

/// Most floating-point operations of a core in a second; a fused multiply-add is two.
pub fn peak_flops(isa: Isa) -> f64 {
    let work = |rounds: usize| {
        black_box(isa.run(Chains { rounds }));
    };
    let per_round = 2.0 * (CHAINS * isa.lanes()) as f64;
    per_round / seconds_of_a_round(work)
}

/// Bytes that a core moves in a second, read and written, in a triad whose three arrays fill `bytes`.
pub fn bytes_per_s(isa: Isa, bytes: usize) -> f64 {
    // Whole registers, and a little more in between, so that the arrays do not fall onto the same sets of the cache.
    let (length, apart) = (bytes / 12 / 64 * 64, 16 * 5);
    let mut memory = vec![1.0f32; 3 * (length + apart)];
    let (a, rest) = memory.split_at_mut(length + apart);
    let (b, c) = rest.split_at_mut(length + apart);
    let mut work = |rounds: usize| isa.run(Triad { rounds, a: &mut a[..length], b: &b[..length], c: &c[..length] });
    12.0 * length as f64 / seconds_of_a_round(&mut work)
}

/// Finds out how many rounds are long enough, then takes the best of three.
fn seconds_of_a_round(mut work: impl FnMut(usize)) -> f64 {
    let mut rounds = 1;
    loop {
        let ((), taken) = Whose::Thread.time(|| work(rounds));
        if taken.cpu_s > LONG_S || rounds > 1 << 40 {
            break;
        }
        rounds *= if taken.cpu_s > 0.1 * LONG_S { 2 } else { 8 };
    }
    let once = |_| Whose::Thread.time(|| work(rounds)).1.cpu_s / rounds as f64;
    (0..3).map(once).fold(f64::INFINITY, f64::min)
}
