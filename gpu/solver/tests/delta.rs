//! Copies of states that a card renews hold the states, and what has changed in them is told grain by grain.

mod common;
#[path = "common/memory.rs"]
mod memory;

use std::sync::Arc;

use common::random::Random;
use common::rig::{Bodies, reach_of};
use common::scene::Scene;
use memory::Mapped;
use rankzero_gpu::cache::Cache;
use rankzero_gpu::{Card, Lent};
use rankzero_gpu_emulator::{Behaviour, EmulatedCuda, Order};
use rankzero_gpu_solver::{Colliders, Deltas, Entrant, GRAIN, HostStates, Kernels, Renewal, Residents, Troop};

const BODIES: usize = 4;

/// Bodies that have taken a step on a card, so that their states are there, and those.
fn after_a_step(kernels: &Arc<Kernels>, scene: &Scene) -> (Residents, Vec<Vec<u32>>) {
    let words = scene.topology.layout.words();
    let host = Arc::new(HostStates::new(kernels.card(), [words; BODIES]).unwrap());
    let mut residents = Residents::new(kernels.card(), &host).unwrap();
    residents.admit(&(0..BODIES as u32).collect::<Vec<_>>()).unwrap();
    let mut troop = Troop::new(kernels, &scene.topology).unwrap();
    troop.share(&residents).unwrap();
    let bodies = Bodies::of(scene);
    let entrants: Vec<Entrant> = (0..BODIES)
        .map(|body| {
            host.store(body as u32, &bodies.states[body]);
            Entrant { reach: reach_of(&bodies.reaches[body]), home: residents.take(body as u32, 0) }
        })
        .collect();
    troop.start(&scene.rule, &Colliders::default(), &entrants).unwrap();
    troop.finish().unwrap();
    let state = |body: u32| {
        residents.ended(body, 1);
        let mut state = vec![0; words];
        host.load(body, &mut state);
        state
    };
    let states = (0..BODIES as u32).map(state).collect();
    (residents, states)
}

#[test]
fn copies_are_renewed_and_changes_told_grain_by_grain() {
    // A state of one grain, of some, and of several pieces.
    for (cells, order) in [(1, Order::Ascending), (3, Order::Descending), (7, Order::Shuffled(9))] {
        let _cuda = EmulatedCuda::start(Behaviour { order, stall: 5, ..Behaviour::default() });
        let kernels = Kernels::load(&Card::open(0).unwrap(), &Cache::new(None)).unwrap().0;
        let mut scene = Scene::cube(cells, 2, false);
        scene.states = vec![scene.states[0].clone(); BODIES];
        let (residents, states) = after_a_step(&kernels, &scene);
        let words = states[0].len();
        // Copies that differ from the states in a few words; the last one in none.
        let mut random = Random(u64::from(cells));
        let mapped = Mapped::new(BODIES * words + 7);
        let mut expected = Vec::new();
        for (body, state) in states.iter().enumerate() {
            let mut copy = state.clone();
            let mut changed = vec![false; words.div_ceil(GRAIN)];
            for _ in 0..if body + 1 < BODIES { 3 } else { 0 } {
                let word = random.below(words as u64) as usize;
                copy[word] = !state[word];
                changed[word / GRAIN] = true;
            }
            mapped.store(7 + body * words, &copy);
            expected.push(changed);
        }
        // Of no use for comparison, whatever is there.
        expected[1].fill(true);
        let lent = Arc::new(Lent::new(kernels.card(), &mapped.0).unwrap());
        let renewal = |body: usize| Renewal { body: body as u32, at: 7 + body * words, fresh: body == 1 };
        let renewals: Vec<Renewal> = (0..BODIES).map(renewal).collect();
        let mut deltas = Deltas::new(&kernels).unwrap();
        assert_eq!(deltas.renew(&residents, 1, &lent, &renewals).unwrap(), expected, "{cells} cells");
        assert_eq!(mapped.load(7, BODIES * words), states.concat(), "{cells} cells");
        assert_eq!(mapped.load(0, 7), [0; 7]);
        let again = deltas.renew(&residents, 1, &lent, &renewals[2..]).unwrap();
        assert!(again.concat().iter().all(|changed| !changed), "nothing has changed since");
        assert!(deltas.renew(&residents, 1, &lent, &[]).unwrap().is_empty());
    }
}

#[test]
fn a_state_that_is_not_on_the_card_is_none() {
    let _cuda = EmulatedCuda::start(Behaviour::default());
    let kernels = Kernels::load(&Card::open(0).unwrap(), &Cache::new(None)).unwrap().0;
    let mut scene = Scene::cube(1, 2, false);
    scene.states = vec![scene.states[0].clone(); BODIES];
    let (mut residents, _) = after_a_step(&kernels, &scene);
    assert!(residents.has(0, 1) && !residents.has(0, 0) && !residents.has(0, 2));
    residents.forget();
    assert!(!residents.has(0, 1));
}
