//! Error in space: how far a cantilever of ever finer cells bends under its own weight.

use super::{Fall, SOLVERS};
use crate::engine::{Engine, Ours};
use crate::error::BenchError;
use crate::world::{BEAM_DENSITY, BEAM_STEPS, BEAM_YOUNG, GRAVITY, World, beam};

/// Cells along the beam; a fifth of them across.
const CELLS: [u32; 4] = [5, 10, 20, 40];
/// From which of them on the order is fitted: one cell across says nothing.
const FROM: u32 = 10;
/// Up to which of them each of the [`SOLVERS`] is fitted.
const FITTED: [u32; 2] = [40, 40];
/// Deflection of the solid body, finely meshed with elements that do not lock, m: `docs/locking.md`.
pub const SOLID: f64 = 0.0469;

/// What a solver's beams came to.
#[derive(Clone, Debug)]
pub struct Beam {
    /// The solver.
    pub solver: &'static str,
    /// The most cells that the order is fitted to.
    pub to: u32,
    /// Cells along the beam, substeps of a step, deflection of the free end in m.
    pub tips: Vec<(u32, u32, f64)>,
}

impl Beam {
    /// The relative errors against [`SOLID`].
    pub fn fall(&self) -> Fall {
        let points: Vec<(u32, f64)> = self.tips.iter().map(|(n, _, tip)| (*n, (tip / SOLID - 1.0).abs())).collect();
        Fall { solver: self.solver, points, from: FROM, to: self.to }
    }
}

/// Deflection of Timoshenko's beam of 1 × 0.2 × 0.2 m under its own weight, m: `w L⁴ / 8EI + w L² / 2κGA` with κ = 5/6, ν = 0.3.
pub fn timoshenko() -> f64 {
    let (side, length) = (0.2f64, 1.0f64);
    let (area, inertia) = (side * side, side.powi(4) / 12.0);
    let (weight, shear) = (BEAM_DENSITY * GRAVITY * area, BEAM_YOUNG / 2.6);
    weight * length.powi(4) / (8.0 * BEAM_YOUNG * inertia) + weight * length.powi(2) / (2.0 * 5.0 / 6.0 * shear * area)
}

fn tip(world: &World) -> Result<f64, BenchError> {
    let mut engine = Ours::new(world.scene.clone())?;
    for _ in 0..BEAM_STEPS {
        engine.step()?;
    }
    let (rest, x) = (&world.scene.topology(0).rest, engine.nodes(0));
    let sags: Vec<f64> =
        rest.iter().zip(&x).filter(|(rest, _)| rest[0] > 0.499).map(|(rest, x)| f64::from(rest[1] - x[1])).collect();
    Ok(sags.iter().sum::<f64>() / sags.len() as f64)
}

/// The deflections of each solver.
///
/// # Errors
/// [`BenchError`] where the engine refuses the beam.
pub fn measure() -> Result<Vec<Beam>, BenchError> {
    let one = |(solver, to): (&'static str, u32)| {
        let tips = CELLS.iter().map(|&n| {
            let world = beam([n, n / 5, n / 5])?.solved_by(solver)?;
            Ok((n, world.scene.rule.substeps, tip(&world)?))
        });
        Ok(Beam { solver, to, tips: tips.collect::<Result<_, BenchError>>()? })
    };
    SOLVERS.into_iter().zip(FITTED).map(one).collect()
}

/// The deflections as a Markdown table, each with the order that it and the one before show, and the fitted orders.
pub fn table(beams: &[Beam]) -> String {
    let timoshenko = timoshenko();
    let mut text =
        String::from("| Solver | cells | substeps | deflection, mm | of the solid's | of Timoshenko's | order |\n");
    text += "|---|---|---|---|---|---|---|\n";
    for beam in beams {
        let errors = beam.fall().points;
        for (i, (n, substeps, tip)) in beam.tips.iter().enumerate() {
            let across = n / 5;
            let order = i.checked_sub(1).map(|before| (errors[before].1 / errors[i].1).log2());
            text += &format!(
                "| `{}` | {n} × {across} × {across} | {substeps} | {:.1} | {:.1} % | {:.1} % | {} |\n",
                beam.solver,
                1e3 * tip,
                100.0 * tip / SOLID,
                100.0 * tip / timoshenko,
                order.map_or_else(String::new, |order| format!("{order:.2}"))
            );
        }
    }
    for beam in beams {
        text += &format!("\n`{}`, {FROM} to {} cells: order **{:.2}**.\n", beam.solver, beam.to, beam.fall().order());
    }
    text
}
