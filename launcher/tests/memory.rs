//! A step takes no memory once it has been through what the scene asks of it.

mod common;

use common::Run;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Bodies that lie on each other and on the ground, and one that a paddle pushes; nobody sleeps.
const SCENE: &str = "name: busy\ntime: { steps: 200, substeps: 10 }\nsleep: { enabled: false }\n\
    materials: { jelly: { density_kg_m3: 500, young_pa: 2.0e5, poisson: 0.3, damping_per_s: 10, friction: 0.6 } }\n\
    soft_bodies:\n\
    - { name: stack, shape: { box: { size_m: [0.5, 0.5, 0.5], cells: [3, 3, 3] } }, material: jelly, count: 3, \
    layout: { stack: { base_m: [0, 0.252, 0], spacing_m: 0.504 } } }\n\
    - { name: apart, shape: { sphere: { radius_m: 0.25, edge_m: 0.15 } }, material: jelly, count: 9, \
    layout: { grid: { origin_m: [2, 0.26, 0], spacing_m: [1, 1, 1], cells: [3, 1, 3] } } }\n\
    rigid_bodies: [{ name: paddle, shape: { box: { size_m: [0.2, 0.4, 1.0] } }, layout: { at: [[-0.5, 0.25, 0]] }, \
    motion: { kinematic: { keyframes: [ { time_s: 0 }, { time_s: 4, offset_m: [0.3, 0, 0] } ] } } }]\n\
    environment: { planes: [{ friction: 0.6 }] }\n";

#[test]
fn a_step_takes_no_memory_after_the_first_ones() {
    let _profiler = dhat::Profiler::builder().testing().build();
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global().unwrap();
    let mut run = Run::new(SCENE);
    run.steps(97);
    // Between two rebuilds of the PhysX scene, which take memory of their own.
    let before = dhat::HeapStats::get().total_blocks;
    run.steps(15);
    assert_eq!(dhat::HeapStats::get().total_blocks - before, 0, "allocations in 15 steps");
}
