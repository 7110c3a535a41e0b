//! The kernel `whole_step` has the bits of the CPU's solver, in whatever order its threads run.

mod common;
#[path = "common/kernel.rs"]
mod kernel;

use common::random::Random;
use common::rig::{Bodies, on_cpu};
use common::scene::Scene;
use kernel::in_emulator;
use rankzero_gpu_emulator::Order;
use rankzero_gpu_solver::Form;

/// Steps of each scene.
const STEPS: usize = 6;

fn orders(random: &mut Random) -> [Order; 3] {
    [Order::Ascending, Order::Descending, Order::Shuffled(random.bits())]
}

#[test]
fn a_step_has_the_bits_of_the_cpu_in_every_order_of_threads() {
    let mut random = Random(7);
    let (mut touched, mut blown, mut asleep) = (0, 0, 0);
    for seed in 0..40 {
        let scene = Scene::new(seed, 3, 3);
        let mut expected = Bodies::of(&scene);
        let mut emulated = expected.clone();
        let alone = Scene { colliders: Vec::new(), ..Scene::new(seed, 3, 3) };
        for step in 0..STEPS {
            let mut free = expected.clone();
            on_cpu(&alone, &mut free);
            on_cpu(&scene, &mut expected);
            touched += usize::from(free.states != expected.states);
            let before = emulated.clone();
            for order in orders(&mut random) {
                emulated = before.clone();
                let threads = [32, 64, 17][random.below(3) as usize];
                in_emulator("whole_step", &scene, &mut emulated, threads, order).unwrap();
                assert_eq!(
                    emulated.clone().with_one_nan(),
                    expected.clone().with_one_nan(),
                    "seed {seed}, step {step}, {order:?}"
                );
            }
        }
        blown += expected.reaches.iter().filter(|reach| reach[11] == 0).count();
        asleep += expected.reaches.iter().filter(|reach| reach[10] > 0).count();
    }
    // The scenes have to show something.
    assert!(touched > 50 && blown > 3 && asleep > 3, "{touched} steps touched, {blown} blown up, {asleep} quiet");
}

#[test]
fn a_barrier_taken_out_of_the_sweep_is_noticed() {
    let mut noticed = 0;
    for seed in 0..10 {
        let scene = Scene::new(seed, 1, 3);
        let mut expected = Bodies::of(&scene);
        let mut emulated = expected.clone();
        on_cpu(&scene, &mut expected);
        let threads = Form::new(&scene.topology).threads();
        in_emulator("whole_step_without_barriers", &scene, &mut emulated, threads, Order::Descending).unwrap();
        noticed += usize::from(emulated.with_one_nan() != expected.with_one_nan());
    }
    // Where a colour has one tetrahedron, or none touches the next colour's, there is no race.
    assert!(noticed >= 5, "{noticed} of 10");
}

#[test]
fn a_body_too_large_for_a_block_has_the_same_bits() {
    for seed in 0..5 {
        let scene = Scene::new(seed, 3, 2);
        let mut expected = Bodies::of(&scene);
        let mut emulated = expected.clone();
        for _ in 0..3 {
            on_cpu(&scene, &mut expected);
            in_emulator("whole_step_large", &scene, &mut emulated, 32, Order::Shuffled(seed)).unwrap();
            assert_eq!(emulated.clone().with_one_nan(), expected.clone().with_one_nan(), "seed {seed}");
        }
    }
}

#[test]
fn a_block_stays_in_its_memory() {
    // The emulator looks at what lies behind it; a form of the largest scene, with colliders of a second word.
    let mut scene = Scene::new(3, 1, 4);
    scene.colliders.extend((0..30).flat_map(|seed| Scene::new(seed, 1, 1).colliders));
    assert!(scene.colliders.len() > 33);
    let mut expected = Bodies::of(&scene);
    let mut emulated = expected.clone();
    on_cpu(&scene, &mut expected);
    in_emulator("whole_step", &scene, &mut emulated, 64, Order::Shuffled(5)).unwrap();
    assert_eq!(emulated.with_one_nan(), expected.with_one_nan());
}
