//! Runs on an emulated card.
#![allow(dead_code)]

use std::sync::Arc;

use rankzero::engine::card::CardCrew;
use rankzero::scene::Scene;
use rankzero_gpu::Card;
use rankzero_gpu::cache::Cache;
use rankzero_gpu_solver::Kernels;

use super::common::Run;

/// Bodies of two forms in a heap, one of them hit by a dynamic rigid body.
pub const HEAP: &str = r#"
name: heap
time: { steps: 24 }
sleep: { steps: 4 }
materials:
  jelly: { density_kg_m3: 700, young_pa: 6.0e4, poisson: 0.4, damping_per_s: 4, friction: 0.5 }
soft_bodies:
  - name: cubes
    shape: { box: { size_m: [0.4, 0.4, 0.4], cells: [2, 2, 2] } }
    material: jelly
    count: 6
    layout: { at: [[0, 0.2, 0], [0.05, 0.6, 0.05], [-0.1, 1.02, 0], [0.42, 0.2, 0.05], [0.4, 0.65, 0], [3, 0.2, 0]] }
    velocity_m_s: [0, -1, 0]
  - name: bars
    shape: { box: { size_m: [0.6, 0.2, 0.2], cells: [3, 1, 1] } }
    material: jelly
    count: 3
    layout: { at: [[0.2, 1.4, 0], [3.05, 0.51, 0], [6, 0.11, 0]] }
rigid_bodies:
  - name: brick
    shape: { box: { size_m: [0.2, 0.2, 0.2] } }
    motion: { dynamic: { density_kg_m3: 900 } }
    layout: { at: [[0.42, 1.0, 0.0]] }
environment: { planes: [{ friction: 0.5 }] }
batches: { bodies: 1 }
"#;

/// The kernels, on the card.
pub fn kernels() -> Arc<Kernels> {
    Kernels::load(&Card::open(0).unwrap(), &Cache::new(None)).unwrap().0
}

/// A run on one rank whose card computes what it can.
pub fn on_card(scene: &Arc<Scene>) -> Run {
    let mut run = Run::of(scene.clone());
    run.engine.use_card(CardCrew::new(kernels(), scene).unwrap()).unwrap();
    run
}

/// All states, by body.
pub fn states(run: &Run) -> Vec<Vec<u32>> {
    (0..run.scene.bodies.len() as u32).map(|body| run.engine.state(body)).collect()
}
