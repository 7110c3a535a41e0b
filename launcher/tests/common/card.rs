//! Runs on an emulated card.

use std::sync::Arc;

use rankzero::engine::card::CardCrew;
use rankzero::scene::Scene;
use rankzero_gpu::Card;
use rankzero_gpu::cache::Cache;
use rankzero_gpu_solver::Kernels;

use super::common::Run;

/// The kernels, on the card.
pub fn kernels() -> Arc<Kernels> {
    Kernels::load(&Card::open(0).unwrap(), &Cache::new(None)).unwrap().0
}

/// A run on one rank whose card computes what it can.
pub fn on_card(scene: &Arc<Scene>) -> Run {
    let mut run = Run::of(scene.clone());
    run.engine.use_card(CardCrew::new(kernels(), scene).unwrap());
    run
}

/// All states, by body.
pub fn states(run: &Run) -> Vec<Vec<u32>> {
    (0..run.scene.bodies.len() as u32).map(|body| run.engine.state(body)).collect()
}
