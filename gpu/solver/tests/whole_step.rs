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
use rankzero_soft::Friction;
use rankzero_soft::collider::{Collider, Geometry, TriangleMesh};

/// Steps of each scene.
const STEPS: usize = 5;

fn orders(random: &mut Random) -> [Order; 3] {
    [Order::Ascending, Order::Descending, Order::Shuffled(random.bits())]
}

/// What scenes have shown.
#[derive(Debug, Default)]
struct Shown {
    touched: usize,
    blown: usize,
    quiet: usize,
}

/// Takes the steps of a scene by the CPU and by a kernel, in several orders of its threads.
fn compare(kernel: &str, make: impl Fn() -> Scene, random: &mut Random, shown: &mut Shown) {
    let scene = make();
    let alone = Scene { colliders: Vec::new(), ..make() };
    let mut expected = Bodies::of(&scene);
    let mut emulated = expected.clone();
    for step in 0..STEPS {
        let mut free = expected.clone();
        on_cpu(&alone, &mut free);
        on_cpu(&scene, &mut expected);
        shown.touched += usize::from(free.states != expected.states);
        let before = emulated.clone();
        for order in orders(random) {
            emulated = before.clone();
            let threads = [32, 64, 17][random.below(3) as usize];
            in_emulator(kernel, &scene, &mut emulated, threads, order).unwrap();
            let (found, wanted) = (emulated.clone().with_one_nan(), expected.clone().with_one_nan());
            assert!(found == wanted, "{kernel}, step {step}, {order:?}: {}", first_difference(&found, &wanted));
        }
    }
    shown.blown += expected.reaches.iter().filter(|reach| reach[11] == 0).count();
    shown.quiet += expected.reaches.iter().filter(|reach| reach[10] > 0).count();
}

fn first_difference(found: &Bodies, wanted: &Bodies) -> String {
    for (body, (a, b)) in found.states.iter().zip(&wanted.states).enumerate() {
        if let Some(word) = (0..a.len()).find(|&i| a[i] != b[i]) {
            let [a, b] = [a, b].map(|state| f32::from_bits(state[word]));
            return format!("body {body}, word {word} of its state: {a:e}, not {b:e}");
        }
    }
    "a reach".to_owned()
}

#[test]
fn a_swept_step_has_the_bits_of_the_cpu_in_every_order_of_threads() {
    let (mut random, mut shown) = (Random(7), Shown::default());
    for seed in 0..30 {
        compare("whole_step", || Scene::new(seed, 3, 3), &mut random, &mut shown);
    }
    assert!(shown.touched > 30 && shown.blown > 2 && shown.quiet > 2, "the scenes have to show something: {shown:?}");
}

#[test]
fn an_implicit_step_has_the_bits_of_the_cpu_in_every_order_of_threads() {
    let (mut random, mut shown) = (Random(8), Shown::default());
    for seed in 100..112 {
        compare("implicit_step", || Scene::implicit(seed, 2, 3), &mut random, &mut shown);
    }
    assert!(shown.touched > 10 && shown.quiet > 0, "the scenes have to show something: {shown:?}");
}

#[test]
fn a_barrier_taken_out_of_the_sweep_is_noticed() {
    let noticed = |kernel, scene: Scene| {
        let mut expected = Bodies::of(&scene);
        let mut emulated = expected.clone();
        on_cpu(&scene, &mut expected);
        let threads = Form::new(&scene.topology).threads();
        in_emulator(kernel, &scene, &mut emulated, threads, Order::Descending).unwrap();
        usize::from(emulated.with_one_nan() != expected.with_one_nan())
    };
    let swept: usize = (0..10).map(|seed| noticed("whole_step_without_barriers", Scene::new(seed, 1, 3))).sum();
    let implicit = |seed| noticed("implicit_step_without_barriers", Scene::implicit(seed, 1, 3));
    let implicit: usize = (0..10).map(implicit).sum();
    // Where a colour has one tetrahedron, or none touches the next colour's, there is no race.
    assert!(swept >= 5 && implicit >= 5, "{swept} and {implicit} of 10");
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
        let scene = Scene::implicit(seed, 3, 2);
        let mut expected = Bodies::of(&scene);
        let mut emulated = expected.clone();
        on_cpu(&scene, &mut expected);
        in_emulator("implicit_step_large", &scene, &mut emulated, 32, Order::Shuffled(seed)).unwrap();
        assert_eq!(emulated.with_one_nan(), expected.with_one_nan(), "implicit, seed {seed}");
    }
}

#[test]
fn what_is_far_behind_a_thin_surface_is_not_pulled_back() {
    // In two substeps nodes get from in front of it to further behind it than it is thick.
    let scene = || {
        let mut scene = Scene::cube(2, 2, false);
        let points = [[-2.0, -0.03, -2.0], [2.0, -0.03, -2.0], [-2.0, -0.03, 2.0], [2.0, -0.03, 2.0]];
        let mesh = TriangleMesh::new(&points, &[[0, 2, 1], [1, 2, 3]], 0.02);
        let friction = Friction { static_: 0.5, dynamic: 0.4 };
        scene.colliders.push(Collider { geometry: Geometry::Mesh(mesh), friction });
        let speeds = scene.topology.layout.velocities();
        let state = &mut scene.states[0];
        for (node, y) in state[speeds].iter_mut().skip(1).step_by(3).enumerate() {
            *y = (-4.0 - 0.5 * node as f32).to_bits();
        }
        scene
    };
    let mut shown = Shown::default();
    compare("whole_step", scene, &mut Random(9), &mut shown);
    assert!(shown.touched > 0, "the surface has to be met: {shown:?}");
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
