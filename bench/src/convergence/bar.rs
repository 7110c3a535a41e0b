//! Error in time: an undamped bar hangs by its upper end and is let go at once.
//!
//! The error is the root mean square of the difference between the tracks of the lower end over a second, near two periods, over that of
//! the true track about its mean; 1 is as wrong as no swing at all. The truth is the same mesh integrated explicitly in double
//! precision, with two lengths of its step extrapolated to none.

use super::{Fall, SOLVERS};
use crate::engine::{Engine, Ours, start_of};
use crate::error::BenchError;
use crate::solver::reference;
use crate::world::{RATE, World, soft_bar};

/// Substeps that are tried.
const SUBSTEPS: [u32; 8] = [2, 4, 8, 16, 32, 64, 128, 256];
/// Up to which of them each of the [`SOLVERS`] is fitted.
const FITTED: [u32; 2] = [256, 256];
const STEPS: u64 = RATE;

/// Heights of the lower end after each step, m above where it starts.
type Track = Vec<f64>;

fn distance(a: &Track, b: &Track) -> f64 {
    (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

/// 1 for the nodes at the lower end, 0 for the others.
fn lower_end(world: &World) -> Vec<f64> {
    let rest = &world.scene.topology(0).rest;
    let bottom = rest.iter().map(|p| p[1]).fold(f32::INFINITY, f32::min) + 1e-4;
    rest.iter().map(|p| f64::from(u8::from(p[1] < bottom))).collect()
}

fn track(world: &World, weights: &[f64], substeps: u32) -> Result<Track, BenchError> {
    let total: f64 = weights.iter().sum();
    let height = |nodes: &[[f32; 3]]| nodes.iter().zip(weights).map(|(p, w)| f64::from(p[1]) * w).sum::<f64>() / total;
    let start = height(&start_of(&world.scene, 0));
    let mut engine = Ours::of(world, substeps)?;
    let mut track = Track::new();
    for _ in 0..STEPS {
        engine.step()?;
        track.push(height(&engine.nodes(0)) - start);
    }
    Ok(track)
}

/// The errors of each solver, and what the truth's shorter step is wrong by before both are extrapolated.
///
/// # Errors
/// [`BenchError`] where the engine refuses the bar.
pub fn measure() -> Result<(Vec<Fall>, f64), BenchError> {
    let world = soft_bar()?;
    let weights = lower_end(&world);
    let [fine, coarse] = [1, 2].map(|coarser| reference::track(&world, &weights, STEPS, coarser));
    let truth: Track = fine.iter().zip(&coarse).map(|(fine, coarse)| 2.0 * fine - coarse).collect();
    let mean = truth.iter().sum::<f64>() / truth.len() as f64;
    let swing = distance(&truth, &vec![mean; truth.len()]);
    let mut falls = Vec::new();
    for (solver, to) in SOLVERS.into_iter().zip(FITTED) {
        let world = world.solved_by(solver)?;
        let error = |n| Ok::<_, BenchError>((n, distance(&track(&world, &weights, n)?, &truth) / swing));
        let points = SUBSTEPS.iter().map(|&n| error(n)).collect::<Result<_, _>>()?;
        falls.push(Fall { solver, points, from: SUBSTEPS[0], to });
    }
    Ok((falls, distance(&fine, &truth) / swing))
}

/// The errors as a Markdown table: a row a solver.
pub fn table(falls: &[Fall]) -> String {
    let cells = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let head = SUBSTEPS.iter().map(u32::to_string);
    let mut text = cells([String::from("Substeps")].into_iter().chain(head).chain([String::from("order")]).collect());
    text += &format!("|---{}|---|\n", "|---".repeat(SUBSTEPS.len()));
    for fall in falls {
        let errors = fall.points.iter().map(|(_, error)| format!("{error:.4}"));
        let order = format!("**{:.2}**", fall.order());
        text += &cells([format!("`{}`", fall.solver)].into_iter().chain(errors).chain([order]).collect());
    }
    text
}
