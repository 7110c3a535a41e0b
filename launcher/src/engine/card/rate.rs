//! How fast a card is with bodies of a scene.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rankzero_gpu::GpuError;
use rankzero_gpu_solver::{Colliders, Entrant, Kernels, Residents, Troop};
use rankzero_soft::reach::Reach;

use crate::scene::Scene;

/// Steps that are timed, of which the fastest counts; one more comes before.
const STEPS: u64 = 3;

/// Tetrahedra times substeps that a card does in a second, with `count` bodies like `body` by themselves.
///
/// # Errors
/// [`GpuError`].
pub fn rate(kernels: &Arc<Kernels>, scene: &Scene, body: u32, count: usize) -> Result<f64, GpuError> {
    let state = scene.initial_state(body);
    let reach = Reach::of_state(&state, scene.layout(body), &scene.rule);
    let topology = scene.topology(body);
    let mut residents = Residents::of_states(kernels.card(), &vec![state; count])?;
    let mut troop = Troop::new(kernels, topology)?;
    troop.share(&residents)?;
    let mut best = Duration::MAX;
    for step in 0..=STEPS {
        let start = Instant::now();
        let entrants: Vec<Entrant> =
            (0..count as u32).map(|body| Entrant { reach, home: residents.take(body, step) }).collect();
        troop.start(&scene.rule, &Colliders::default(), &entrants)?;
        troop.finish()?;
        (0..count as u32).for_each(|body| residents.ended(body, step + 1));
        if step > 0 {
            best = best.min(start.elapsed());
        }
    }
    let work = (count * topology.tets.len()) as f64 * f64::from(scene.rule.substeps);
    Ok(work / best.as_secs_f64().max(1e-9))
}
