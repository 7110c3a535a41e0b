//! Bodies on an emulated card, by the code that drives a real one, step after step like those of the CPU.

mod common;

use std::sync::Arc;

use common::random::Random;
use common::rig::{Bodies, on_cpu, reach_of, with_finite};
use common::scene::Scene;
use rankzero_gpu::Card;
use rankzero_gpu::cache::Cache;
use rankzero_gpu_emulator::{Behaviour, EmulatedCuda};
use rankzero_gpu_solver::{Colliders, Entrant, HostStates, Kernels, Residents, Troop};

fn kernels() -> Arc<Kernels> {
    Kernels::load(&Card::open(0).unwrap(), &Cache::new(None)).unwrap().0
}

/// Bodies, their colliders and their troop.
struct Part {
    scene: Scene,
    colliders: Colliders,
    troop: Troop,
    residents: Residents,
    step: u64,
    stale: usize,
    expected: Bodies,
    on_card: Bodies,
}

impl Part {
    fn new(kernels: &Arc<Kernels>, seed: u64) -> Self {
        let scene = if seed.is_multiple_of(3) { Scene::implicit(seed, 5, 2) } else { Scene::new(seed, 5, 2) };
        let (expected, on_card) = (Bodies::of(&scene), Bodies::of(&scene));
        let troop = Troop::new(kernels, &scene.topology).unwrap();
        let words = scene.topology.layout.words();
        let host = HostStates::new(kernels.card(), [words; 5]).unwrap();
        let residents = Residents::new(kernels.card(), &Arc::new(host)).unwrap();
        Self { scene, colliders: Colliders::default(), troop, residents, step: 0, stale: 0, expected, on_card }
    }

    fn entrants(&mut self, bodies: &[usize]) -> Vec<Entrant> {
        self.residents.admit(&bodies.iter().map(|&body| body as u32).collect::<Vec<_>>()).unwrap();
        self.troop.share(&self.residents).unwrap();
        let entrant = |&body: &usize| {
            let host = self.residents.host();
            if !host.holds(body as u32) {
                host.store(body as u32, &self.on_card.states[body]);
            }
            let entrant = Entrant {
                reach: reach_of(&self.on_card.reaches[body]),
                home: self.residents.take(body as u32, self.step),
            };
            self.stale += usize::from(entrant.home.is_stale());
            entrant
        };
        bodies.iter().map(entrant).collect()
    }

    /// Gives some of the bodies to the card, in an order of its own.
    fn start(&mut self, bodies: &[usize]) {
        self.colliders.set(&self.scene.colliders);
        let entrants = self.entrants(bodies);
        self.troop.start(&self.scene.rule, &self.colliders, &entrants).unwrap();
    }

    fn finish(&mut self, bodies: &[usize]) {
        let ended = self.troop.finish().unwrap();
        assert_eq!(ended.len(), bodies.len());
        self.step += 1;
        for (i, &body) in bodies.iter().enumerate() {
            let outcome = ended.body(i);
            self.on_card.reaches[body] = with_finite(&outcome.reach, outcome.finite);
            self.residents.ended(body as u32, self.step);
            self.residents.host().load(body as u32, &mut self.on_card.states[body]);
        }
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
    for step in 0..9 {
        // At first all, so often that work is recorded; then any.
        let chosen = |random: &mut Random| (0..5).rev().filter(|_| step < 5 || random.once_in(2)).collect();
        let bodies: Vec<Vec<usize>> = parts.iter().map(|_| chosen(&mut random)).collect();
        parts.iter_mut().zip(&bodies).for_each(|(part, bodies)| part.start(bodies));
        parts.iter_mut().zip(&bodies).for_each(|(part, bodies)| part.finish(bodies));
    }
    // Of the first five steps all but the first find the states where they left them; of the others some do.
    let stale: usize = parts.iter().map(|part| part.stale).sum();
    let steps: usize = 5 * 6 * 5;
    assert!(stale >= 5 * 6 && stale < steps, "{stale} states were read from the host");
    cuda.launches()
}

#[test]
fn troops_of_several_forms_step_like_the_cpu() {
    let launches = steps(Behaviour { stall: 40, ..Behaviour::default() });
    assert!((36..=42).contains(&launches), "{launches}: the first five steps are alike, and recorded in the third");
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
        part.colliders.set(&part.scene.colliders);
        let free = || kernels.card().free_bytes().unwrap();
        let (before, more) = (free(), part.troop.more_bytes(5, &part.colliders));
        part.start(&[0, 1, 2, 3, 4]);
        // The homes of bodies come on top; empty buffers have some bytes, too.
        let took = before - free();
        let homes = part.residents.more_bytes(&[0, 1, 2, 3, 4]);
        assert!(more > 0 && homes == 0 && took >= more, "{more}, took {took}");
        assert_eq!(part.troop.more_bytes(4, &part.colliders), 0);
        part.finish(&[0, 1, 2, 3, 4]);
    }
}

#[test]
fn a_card_that_fails_leaves_the_states_of_the_start() {
    let _cuda = EmulatedCuda::start(Behaviour { memory: 64 << 10, ..Behaviour::default() });
    let kernels = kernels();
    let mut part = Part::new(&kernels, 20);
    part.colliders.set(&part.scene.colliders);
    let entrants = vec![part.entrants(&[0])[0]; 1000];
    let error = part.troop.start(&part.scene.rule, &part.colliders, &entrants).unwrap_err();
    assert!(error.to_string().contains("out of memory"), "{error}");
    let mut state = vec![0; part.on_card.states[0].len()];
    part.residents.host().load(0, &mut state);
    assert_eq!(state, part.on_card.states[0]);
    // With fewer it goes on.
    part.start(&[1, 3]);
    part.finish(&[1, 3]);
}
