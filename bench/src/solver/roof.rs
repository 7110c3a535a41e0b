//! The roof: how fast the elastic constraints could be at most on this core, and how near the solver comes.
//!
//! **Operations** of one tetrahedron in one substep, counted in the text of `rankzero_soft::neo_hookean::project`; a fused multiply-add counts
//! two, choosing and changing signs nothing.
//!
//! **Bytes**, the least that must pass between registers and the nearest cache: the positions of four nodes read and written once a
//! substep for every body; what bodies of one mesh share (rest shape, node numbers, inverse masses) is read once for all lanes. Between
//! nearest and next cache nothing *must* pass, where a body fits; hence one roof by bytes only, that of the first-level cache. What the
//! other levels give is told beside it.
//!
//! Work on nodes (gravity, velocities, colliders), a few per cent of the operations, is left out: it makes the share look smaller, never larger.

use rankzero_soft::simd::Isa;

use super::Bench;
use super::speed::SUBSTEPS;
use super::stream::{bytes_per_s, peak_flops};
use crate::engine::{Ours, on_threads, run};
use crate::error::BenchError;
use crate::world::{RATE, cubes};

/// Floating-point operations of a tetrahedron in a substep, by the lines of the kernel.
const FLOPS: [(&str, u32); 10] = [
    ("three edges", 9),
    ("deformation gradient: 9 entries of a product and two fused ones", 9 * 5),
    ("the square of its norm: three dots, two sums", 3 * 5 + 2),
    ("deviatoric gradients: 9 entries", 9 * 5),
    ("volume gradients: three crosses", 3 * 9),
    ("both gradients of the first node: two sums of three entries each", 2 * 6),
    ("volume error: a dot and a difference", 5 + 1),
    ("the 2 × 2 system: three sums of four weighted dots, three scalings of compliances", 3 * 4 * (5 + 2) + 3),
    ("its solution", 4 + 2 * 4),
    ("12 entries of the positions: a product and two fused ones", 12 * 5),
];

/// Bytes of a tetrahedron in a substep that every body has of its own: four positions, read and written.
const OWN_BYTES: f64 = 2.0 * 4.0 * 12.0;
/// Those that the bodies in the lanes share: inverse rest matrix, volume, two compliances, four node numbers, four
/// inverse masses.
const SHARED_BYTES: f64 = 4.0 * (9.0 + 1.0 + 2.0 + 4.0 + 4.0);

/// Sizes of the triads, bytes: half of a first-level cache, of a second-level one, and more than any cache.
const LEVELS: [(&str, usize); 3] = [("L1", 16 << 10), ("L2", 256 << 10), ("DRAM", 384 << 20)];

/// Peaks of the core, the roof that follows, and the share of it that the cubes reach.
pub fn measure(bench: &mut Bench) -> Result<(), BenchError> {
    let isa = Isa::best();
    let world = cubes(bench.sides()[0])?;
    let (budget, repeats) = (bench.budget_s(), bench.repeats());
    let flops_of_a_tet = f64::from(FLOPS.iter().map(|(_, flops)| flops).sum::<u32>());
    let bytes_of_a_tet = OWN_BYTES + SHARED_BYTES / isa.lanes() as f64;
    let (mut peaks, mut streams, mut roofs, mut shares) =
        (Vec::new(), [const { Vec::new() }; 3], Vec::new(), Vec::new());
    on_threads(1, || {
        for _ in 0..repeats {
            let ran = run(&mut Ours::of(&world, SUBSTEPS)?, RATE, budget)?;
            let rate = world.tets() * f64::from(SUBSTEPS) * ran.steps as f64 / ran.taken.cpu_s;
            peaks.push(peak_flops(isa));
            for (samples, (_, bytes)) in streams.iter_mut().zip(LEVELS) {
                samples.push(bytes_per_s(isa, bytes));
            }
            let last = |samples: &[f64]| samples.last().copied().unwrap_or(f64::NAN);
            let roof = (last(&peaks) / flops_of_a_tet).min(last(&streams[0]) / bytes_of_a_tet);
            roofs.push(roof);
            shares.push((rate, roof));
        }
        Ok(())
    })?;
    let report = &mut bench.report;
    report.alone("a tet in a substep, operations", "flop", &[flops_of_a_tet]);
    report.alone("a tet in a substep, least bytes to L1", "B", &[bytes_of_a_tet]);
    report.alone(&format!("one core, {}, peak", isa.name()), "flop/s", &peaks);
    for ((level, _), samples) in LEVELS.iter().zip(&streams) {
        report.alone(&format!("one core, triad in {level}"), "B/s", samples);
    }
    report.alone("the roof of one core", "tet·sub/s", &roofs);
    report.paired("share of the roof", "tet·sub/s", &shares, "the roof");
    Ok(())
}
