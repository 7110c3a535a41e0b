//! Bodies on an emulated card, by the code that drives a real one, step after step like those of the CPU.

mod common;

use std::sync::Arc;

use common::random::Random;
use common::rig::{Bodies, on_cpu, reach_of, with_finite};
use common::scene::Scene;
use rankzero_gpu::Card;
use rankzero_gpu::cache::Cache;
use rankzero_gpu_emulator::{Behaviour, EmulatedCuda};
use rankzero_gpu_solver::{Colliders, Kernels, Troop};

fn kernels() -> Arc<Kernels> {
    Kernels::load(&Card::open(0).unwrap(), &Cache::new(None)).unwrap().0
}

/// Bodies, their colliders and their troop.
struct Part {
    scene: Scene,
    colliders: Colliders,
    troop: Troop,
    expected: Bodies,
    on_card: Bodies,
}

impl Part {
    fn new(kernels: &Arc<Kernels>, seed: u64) -> Self {
        let scene = if seed.is_multiple_of(3) { Scene::implicit(seed, 5, 2) } else { Scene::new(seed, 5, 2) };
        let (expected, on_card) = (Bodies::of(&scene), Bodies::of(&scene));
        let troop = Troop::new(kernels, &scene.topology).unwrap();
        Self { scene, colliders: Colliders::default(), troop, expected, on_card }
    }

    /// Gives some of the bodies to the card, in an order of its own.
    fn start(&mut self, bodies: &[usize]) {
        self.colliders.set(&self.scene.colliders).unwrap();
        let on_card = &self.on_card;
        let give = |i: usize, words: &mut [u32]| {
            words.copy_from_slice(&on_card.states[bodies[i]]);
            reach_of(&on_card.reaches[bodies[i]])
        };
        self.troop.start(&self.scene.rule, &self.colliders, bodies.len(), give).unwrap();
    }

    fn finish(&mut self, bodies: &[usize]) {
        let on_card = &mut self.on_card;
        self.troop
            .finish(|i, state, reach, finite| {
                on_card.states[bodies[i]].copy_from_slice(state);
                on_card.reaches[bodies[i]] = with_finite(&reach, finite);
            })
            .unwrap();
        let rest: Vec<usize> = (0..self.expected.states.len()).filter(|body| !bodies.contains(body)).collect();
        let before: Vec<_> =
            rest.iter().map(|&b| (self.expected.states[b].clone(), self.expected.reaches[b])).collect();
        on_cpu(&self.scene, &mut self.expected);
        for (body, (state, reach)) in rest.into_iter().zip(before) {
            (self.expected.states[body], self.expected.reaches[body]) = (state, reach);
        }
        assert_eq!(self.on_card.clone().with_one_nan(), self.expected.clone().with_one_nan());
    }
}

/// Steps of several forms side by side, of changing bodies.
fn steps(behaviour: Behaviour) -> u64 {
    let cuda = EmulatedCuda::start(behaviour);
    let kernels = kernels();
    let mut parts: Vec<Part> = (20..26).map(|seed| Part::new(&kernels, seed)).collect();
    let mut random = Random(3);
    for step in 0..7 {
        // At first all, thrice over, so that work is recorded; then any.
        let chosen = |random: &mut Random| (0..5).rev().filter(|_| step < 3 || random.once_in(2)).collect();
        let bodies: Vec<Vec<usize>> = parts.iter().map(|_| chosen(&mut random)).collect();
        parts.iter_mut().zip(&bodies).for_each(|(part, bodies)| part.start(bodies));
        parts.iter_mut().zip(&bodies).for_each(|(part, bodies)| part.finish(bodies));
    }
    cuda.launches()
}

#[test]
fn troops_of_several_forms_step_like_the_cpu() {
    let launches = steps(Behaviour { stall: 40, ..Behaviour::default() });
    assert!((30..=36).contains(&launches), "{launches}: the third of the first three steps is a replay");
}

#[test]
fn bodies_too_large_for_a_block_step_like_the_cpu() {
    steps(Behaviour { block_bytes: 512, ..Behaviour::default() });
}

#[test]
fn what_a_step_needs_more_of_memory_is_known_before() {
    for block_bytes in [512, 232_448] {
        let _cuda = EmulatedCuda::start(Behaviour { block_bytes, ..Behaviour::default() });
        let kernels = kernels();
        let mut part = Part::new(&kernels, 20);
        part.colliders.set(&part.scene.colliders).unwrap();
        let free = || kernels.card().free_bytes().unwrap();
        let (before, more) = (free(), part.troop.more_bytes(5, part.colliders.len()));
        part.start(&[0, 1, 2, 3, 4]);
        // The pool of colliders comes on top.
        assert!(more > 0 && (more..more + 20_000).contains(&(before - free())), "{more}, took {}", before - free());
        assert_eq!(part.troop.more_bytes(4, part.colliders.len()), 0);
        part.finish(&[0, 1, 2, 3, 4]);
    }
}

#[test]
fn a_card_that_fails_leaves_the_states_of_the_start() {
    let _cuda = EmulatedCuda::start(Behaviour { memory: 64 << 10, ..Behaviour::default() });
    let kernels = kernels();
    let mut part = Part::new(&kernels, 20);
    part.colliders.set(&part.scene.colliders).unwrap();
    let (state, reach) = (part.on_card.states[0].clone(), reach_of(&part.on_card.reaches[0]));
    let give = |_: usize, words: &mut [u32]| {
        words.copy_from_slice(&state);
        reach
    };
    let error = part.troop.start(&part.scene.rule, &part.colliders, 1000, give).unwrap_err();
    assert!(error.to_string().contains("out of memory"), "{error}");
    // With fewer it goes on.
    part.start(&[1, 3]);
    part.finish(&[1, 3]);
}
