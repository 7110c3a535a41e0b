//! How fast the ranks are, for the strategies that ask: measured before the first step, by all at once, as they will compute.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rankzero_comm::Bootstrap;
use rankzero_gpu_solver::Kernels;
use rankzero_job::Strategy;
use rankzero_soft::Pack;
use rankzero_soft::reach::Reach;
use rankzero_soft::simd::Isa;
use rayon::prelude::*;

use super::error::RunError;
use super::start::{START_TIMEOUT, Start};
use crate::engine::card::rate;
use crate::scene::Scene;

/// For so long a thread steps bodies.
const SPAN: Duration = Duration::from_millis(50);
/// A card is as fast with more bodies.
const BODIES_MAX: usize = 1000;

/// Measures this rank's rate where the job's strategy asks for it, and notes those of all. `kernels` are on this rank's card.
///
/// # Errors
/// [`RunError::Comm`] naming who is missing.
pub fn measure<F: Bootstrap>(
    start: &mut Start,
    kernels: Option<&Arc<Kernels>>,
    fabric: &mut F,
) -> Result<(), RunError> {
    if !matches!(start.job.balance.strategy, Strategy::Capability | Strategy::Priority) || start.ranks.len() == 1 {
        return Ok(());
    }
    let mine = typical(&start.scene).map_or(0.0, |(body, like)| {
        let share = like.div_ceil(start.ranks.len()).min(BODIES_MAX);
        let on_card = kernels.and_then(|kernels| {
            let outcome = rate(kernels, &start.scene, body, share);
            outcome.inspect_err(|error| tracing::warn!("the rate of the GPU is not measured: {error}")).ok()
        });
        on_card.unwrap_or_else(|| of_processor(&start.scene, body))
    });
    let all = fabric.all_gather(&mine.to_le_bytes(), Instant::now() + START_TIMEOUT)?;
    for (info, bytes) in start.ranks.iter_mut().zip(all) {
        info.tet_substeps_per_s = bytes.try_into().ok().map(f64::from_le_bytes).filter(|rate| *rate > 0.0);
    }
    Ok(())
}

/// A body of the form that makes most of the work, and how many are like it.
fn typical(scene: &Scene) -> Option<(u32, usize)> {
    let count = |form: u32| scene.bodies.iter().filter(|body| body.form == form).count();
    let work = |form: u32| count(form) * scene.forms[form as usize].topology.tets.len();
    let form = (0..scene.forms.len() as u32).max_by_key(|&form| work(form))?;
    let body = scene.bodies.iter().position(|body| body.form == form)?;
    Some((body as u32, count(form)))
}

/// Tetrahedra times substeps that the worker threads do in a second, each with a body like `body` in every lane.
fn of_processor(scene: &Scene, body: u32) -> f64 {
    let (state, isa, topology) = (scene.initial_state(body), Isa::best(), scene.topology(body));
    let reach = Reach::of_state(&state, scene.layout(body), &scene.rule);
    let work = (isa.lanes() * topology.tets.len()) as f64 * f64::from(scene.rule.substeps);
    let thread = |_| {
        let mut pack = Pack::new(topology.clone(), isa.lanes(), isa);
        let (start, mut done) = (Instant::now(), 0.0);
        while start.elapsed() < SPAN || done == 0.0 {
            pack.reset(topology, isa.lanes());
            (0..isa.lanes()).for_each(|_| {
                pack.join(&state, &reach, &scene.rule, &[]);
            });
            pack.whole_step(&scene.rule, &[]);
            pack.end(&scene.rule);
            done += work;
        }
        done / start.elapsed().as_secs_f64()
    };
    (0..rayon::current_num_threads()).into_par_iter().map(thread).sum()
}
