//! What the ranks tell each other of what they compute on: whether all have what was asked for, and, for the strategies that ask, how fast they
//! are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rankzero_comm::Bootstrap;
use rankzero_gpu_solver::Kernels;
use rankzero_job::Strategy;
use rankzero_soft::Pack;
use rankzero_soft::reach::Reach;
use rankzero_soft::simd::Isa;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::RunError;
use super::start::{START_TIMEOUT, Start};
use crate::engine::card::rate;
use crate::scene::Scene;

/// For so long a thread steps bodies.
const SPAN: Duration = Duration::from_millis(50);
/// A card is as fast with more bodies.
const BODIES_MAX: usize = 1000;

/// What a rank says.
#[derive(Debug, Serialize, Deserialize)]
struct Word {
    /// Why it cannot take part.
    refused: Option<String>,
    /// Tetrahedra times substeps that it does in a second, where that was asked for.
    rate: Option<f64>,
}

/// Tells all ranks what became of this one's card, and how fast it is, where the job's strategy asks for it; notes the rates of all. All ranks call
/// it, so that where one cannot do what was asked for all end, and nobody waits.
///
/// # Errors
/// This rank's refusal, [`RunError::Device`] with another's, [`RunError::Comm`] naming who is missing.
pub fn exchange<F: Bootstrap>(
    start: &mut Start,
    opened: Result<Option<Arc<Kernels>>, RunError>,
    fabric: &mut F,
) -> Result<Option<Arc<Kernels>>, RunError> {
    let asked = matches!(start.job.balance.strategy, Strategy::Capability | Strategy::Priority);
    let word = match &opened {
        Ok(kernels) => Word { refused: None, rate: asked.then(|| of_rank(start, kernels.as_ref())) },
        Err(error) => Word { refused: Some(error.to_string()), rate: None },
    };
    let all = fabric.all_gather(&serde_json::to_vec(&word).unwrap_or_default(), Instant::now() + START_TIMEOUT)?;
    let kernels = opened?;
    for (info, bytes) in start.ranks.iter_mut().zip(all) {
        let Ok(Word { refused, rate }) = serde_json::from_slice(&bytes) else { continue };
        if let Some(why) = refused {
            return Err(RunError::Device(format!("rank {} does not take part: {why}", info.rank)));
        }
        info.tet_substeps_per_s = rate.filter(|rate| *rate > 0.0);
    }
    Ok(kernels)
}

/// This rank's rate: its card's, where it has one.
fn of_rank(start: &Start, kernels: Option<&Arc<Kernels>>) -> f64 {
    let Some((body, like)) = typical(&start.scene) else { return 0.0 };
    let share = like.div_ceil(start.ranks.len()).min(BODIES_MAX);
    let on_card = kernels.and_then(|kernels| {
        let outcome = rate(kernels, &start.scene, body, share);
        outcome.inspect_err(|error| tracing::warn!("the rate of the GPU is not measured: {error}")).ok()
    });
    on_card.unwrap_or_else(|| of_processor(&start.scene, body))
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
