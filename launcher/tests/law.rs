//! The law: one job, one result. Each test computes one job in different ways and compares digests.

mod common;

use common::{Run, Spread, digest, scene};
use rankzero::assign::{Capability, Demand, assign};
use rankzero::engine::migrate::Move;
use rankzero_comm::Rank;
use rankzero_job::Strategy;

/// Bodies of three shapes that fall on each other, on the ground, on a moving paddle and among rigid boxes.
const MIX: &str = r#"
name: mix
time: { steps: 45 }
sleep: { steps: 5 }
materials:
  jelly: { density_kg_m3: 700, young_pa: 6.0e4, poisson: 0.4, damping_per_s: 4, friction: 0.5 }
  rubber: { density_kg_m3: 900, young_pa: 1.2e5, poisson: 0.35, damping_per_s: 4, friction: 0.6 }
soft_bodies:
  - name: cubes
    shape: { box: { size_m: [0.4, 0.4, 0.4], cells: [2, 2, 2] } }
    material: jelly
    count: 8
    layout: { grid: { origin_m: [-0.5, 0.25, -0.2], spacing_m: [0.42, 0.42, 0.42], cells: [2, 2, 2] } }
  - name: balls
    shape: { sphere: { radius_m: 0.2, edge_m: 0.15 } }
    material: rubber
    count: 4
    layout: { grid: { origin_m: [-0.5, 1.1, -0.2], spacing_m: [0.42, 0.42, 0.42], cells: [2, 1, 2] } }
    velocity_m_s: [0, -2, 0]
  - name: resting
    shape: { box: { size_m: [0.4, 0.4, 0.4], cells: [2, 2, 2] } }
    material: jelly
    layout: { at: [[3, 0.2, 0]] }
rigid_bodies:
  - name: crates
    shape: { box: { size_m: [0.3, 0.3, 0.3] } }
    motion: { dynamic: { density_kg_m3: 300 } }
    count: 2
    layout: { at: [[0.4, 0.5, 0.0], [-0.3, 1.5, 0.1]] }
  - name: paddle
    shape: { box: { size_m: [0.2, 0.4, 1.0] } }
    motion: { kinematic: { keyframes: [ { time_s: 0 }, { time_s: 1, offset_m: [1, 0, 0], rotation: { axis: [0, 1, 0], degrees: 45 } } ] } }
    layout: { at: [[-1.0, 0.25, 0]] }
environment: { planes: [{ friction: 0.5 }] }
batches: { bodies: 1 }
"#;

fn ranks(ranks: u32) -> Spread {
    Spread { ranks, ..Default::default() }
}

#[test]
fn any_number_of_ranks_gives_one_digest() {
    for solver in ["xpbd", "implicit"] {
        let scene = scene(&format!("{MIX}solver: {solver}\n"));
        let one = digest(&scene, &ranks(1));
        for n in [2, 3, 4, 8] {
            assert_eq!(digest(&scene, &ranks(n)), one, "{solver}, {n} ranks");
        }
    }
}

#[test]
fn every_strategy_and_any_assignment_gives_one_digest() {
    let scene = scene(MIX);
    let one = digest(&scene, &ranks(1));
    let demands: Vec<Demand> =
        (0..scene.batches.len()).map(|b| Demand { weight: scene.batch_weight(b), priority: (b % 3) as u8 }).collect();
    let rates = [Capability { rate: 1.0 }, Capability { rate: 3.0 }, Capability { rate: 2.0 }];
    for strategy in [Strategy::LeastLoaded, Strategy::RoundRobin, Strategy::Capability, Strategy::Priority] {
        let owners = assign(strategy, &demands, &rates);
        assert_eq!(digest(&scene, &Spread { ranks: 3, owners, ..Default::default() }), one, "{strategy:?}");
    }
    let lopsided = (0..scene.batches.len()).map(|b| Rank(u32::from(b == 0) * 2)).collect();
    assert_eq!(digest(&scene, &Spread { ranks: 3, owners: lopsided, ..Default::default() }), one);
}

#[test]
fn moving_batches_in_mid_run_does_not_show() {
    let scene = scene(MIX);
    let one = digest(&scene, &ranks(1));
    let to = |step: u64, batch: u32, rank: u32| (step, Move { batch, to: Rank(rank) });
    let moves = vec![
        to(0, 1, 1),
        to(7, 0, 2),
        to(7, 3, 2),
        to(8, 0, 1),
        to(20, 5, 0),
        to(21, 5, 0),
        to(30, 6, 1),
        to(44, 2, 1),
    ];
    assert_eq!(digest(&scene, &Spread { ranks: 3, moves, ..Default::default() }), one);
}

#[test]
fn the_number_of_threads_does_not_show() {
    let scene = scene(MIX);
    let digests: Vec<String> = [1, 2, 5]
        .into_iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| common::digest_here(&scene))
        })
        .collect();
    assert!(digests.iter().all(|d| *d == digests[0]), "{digests:?}");
}

#[test]
fn batches_of_any_size_give_one_digest() {
    let digests: Vec<String> = [1, 3, 100]
        .into_iter()
        .map(|size| digest(&scene(&MIX.replace("bodies: 1", &format!("bodies: {size}"))), &ranks(2)))
        .collect();
    assert!(digests.iter().all(|d| *d == digests[0]), "{digests:?}");
}

#[test]
fn another_seed_of_the_world_gives_another_digest() {
    let one = digest(&scene(MIX), &ranks(1));
    let other = digest(&scene(&MIX.replace("[0, -2, 0]", "[0, -2.0001, 0]")), &ranks(1));
    assert_ne!(one, other);
}

#[test]
fn a_collision_is_the_same_within_a_batch_and_across_ranks() {
    let job = |size: u32| {
        format!(
            "name: hit\ngravity_m_s2: [0, 0, 0]\ntime: {{ steps: 40 }}\nbatches: {{ bodies: {size} }}\n\
             materials: {{ jelly: {{ young_pa: 1.0e5, density_kg_m3: 1000 }} }}\n\
             soft_bodies:\n\
             - {{ name: a, shape: {{ sphere: {{ radius_m: 0.4, edge_m: 0.25 }} }}, material: jelly, layout: {{ at: [[-0.6, 0.1, 0]] }}, velocity_m_s: [4, 0, 0] }}\n\
             - {{ name: b, shape: {{ box: {{ size_m: [1, 1, 1], cells: [3, 3, 3] }} }}, material: jelly, layout: {{ at: [[0.6, 0, 0]] }} }}\n"
        )
    };
    let together = scene(&job(2));
    assert_eq!(together.batches.len(), 1);
    assert_eq!(digest(&together, &ranks(1)), digest(&scene(&job(1)), &ranks(2)));
}

#[test]
fn every_width_of_registers_gives_the_same_bits() {
    use rankzero_soft::simd::Isa;
    let widths: Vec<Isa> = Isa::ALL.into_iter().filter(|isa| isa.is_available()).collect();
    println!("compared: {widths:?}");
    for solver in ["xpbd", "implicit"] {
        let scene = scene(&format!("{MIX}solver: {solver}\n"));
        let digest = |isa: Isa| {
            let mut run = Run::of(scene.clone());
            run.engine.use_isa(isa);
            run.finish();
            run.engine.digest().unwrap().unwrap()
        };
        let scalar = digest(Isa::Scalar);
        for &isa in &widths {
            assert_eq!(digest(isa), scalar, "{solver}, {isa:?}");
        }
    }
}
