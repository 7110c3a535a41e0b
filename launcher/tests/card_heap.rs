//! A heap of bodies on an emulated card: it comes to the bits of the processor, wherever its bodies are computed and whenever the card fails.

mod common;
#[path = "common/card.rs"]
mod rig;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Run, Spread, digest, digest_of, scene};
use rankzero::engine::board::HEADER_WORDS;
use rankzero::engine::card::CardCrew;
use rankzero::engine::epoch::Replication;
use rankzero::engine::migrate::Move;
use rankzero::engine::{Engine, EngineError};
use rankzero::scene::Scene;
use rankzero_comm::Rank;
use rankzero_comm::local::{LocalFabric, hub};
use rankzero_epoch::{Epoch, Plan};
use rankzero_gpu_emulator::{Behaviour, EmulatedCuda, Order};
use rig::{HEAP, kernels, on_card, states};

#[test]
fn a_heap_on_a_card_has_the_bits_of_one_without() {
    let _cuda = EmulatedCuda::start(Behaviour::default());
    for (solver, steps) in [("solver: xpbd\n", 24), ("solver: implicit\n", 6)] {
        let scene = scene(&format!("{HEAP}{solver}"));
        let (mut with, mut without) = (on_card(&scene), Run::of(scene.clone()));
        let mut touching = 0;
        for step in 0..steps {
            with.steps(1);
            without.steps(1);
            assert_eq!(states(&with), states(&without), "{solver}step {step}");
            touching = touching.max(with.engine.card().unwrap().coupled().len());
        }
        assert!(touching >= 4, "{touching} bodies that touch were on the card");
    }
}

/// A cube that flies into another, which flies into a third: in between nobody touches anybody.
const CHAIN: &str = r#"
name: chain
time: { steps: 60 }
gravity_m_s2: [0, 0, 0]
materials:
  jelly: { density_kg_m3: 700, young_pa: 6.0e4, poisson: 0.4, damping_per_s: 1, friction: 0.5 }
soft_bodies:
  - name: first
    shape: { box: { size_m: [0.4, 0.4, 0.4], cells: [2, 2, 2] } }
    material: jelly
    velocity_m_s: [3, 0, 0]
    layout: { at: [[0, 0, 0]] }
  - name: others
    shape: { box: { size_m: [0.4, 0.4, 0.4], cells: [2, 2, 2] } }
    material: jelly
    count: 2
    layout: { at: [[0.75, 0, 0.05], [1.9, 0.02, 0]] }
"#;

/// Steps a scene with and without a card; gives for each step how many bodies touched others on the card.
fn touching(scene: &Arc<Scene>, mut before: impl FnMut(u64)) -> Vec<usize> {
    let (mut with, mut without) = (on_card(scene), Run::of(scene.clone()));
    let step = |step: u64| {
        before(step);
        with.steps(1);
        without.steps(1);
        assert_eq!(states(&with), states(&without), "step {step}");
        with.engine.card().expect("the card goes on").coupled().len()
    };
    (0..scene.steps).map(step).collect()
}

#[test]
fn bodies_that_meet_part_and_meet_again_have_the_same_bits() {
    let _cuda = EmulatedCuda::start(Behaviour::default());
    let touching = touching(&scene(CHAIN), |_| ());
    // Runs of steps with contacts, and those without in between.
    let mut runs: Vec<bool> = touching.iter().map(|&bodies| bodies > 0).collect();
    runs.dedup();
    assert!(runs.iter().filter(|touch| **touch).count() >= 2, "{touching:?}");
}

/// A cube flies at two that have come to rest on each other: the upper one wakes before it is hit, and the lower one sleeps on beside it.
const SLEEPERS: &str = r#"
name: sleepers
time: { steps: 40 }
sleep: { steps: 3, speed_m_s: 0.5 }
materials:
  jelly: { density_kg_m3: 700, young_pa: 2.0e5, poisson: 0.4, damping_per_s: 8, friction: 0.5 }
soft_bodies:
  - name: resting
    shape: { box: { size_m: [0.4, 0.4, 0.4], cells: [2, 2, 2] } }
    material: jelly
    count: 2
    layout: { at: [[0, 0.2, 0], [0, 0.6, 0]] }
  - name: flying
    shape: { box: { size_m: [0.3, 0.3, 0.3], cells: [1, 1, 1] } }
    material: jelly
    velocity_m_s: [0, -2, 0]
    layout: { at: [[0, 1.9, 0]] }
environment: { planes: [{ friction: 0.5 }] }
"#;

#[test]
fn a_body_that_sleeps_beside_one_on_the_card_is_its_guest() {
    let _cuda = EmulatedCuda::start(Behaviour::default());
    let scene = scene(SLEEPERS);
    let (mut with, mut without) = (on_card(&scene), Run::of(scene.clone()));
    let mut guests = 0;
    for step in 0..scene.steps {
        with.steps(1);
        without.steps(1);
        assert_eq!(states(&with), states(&without), "step {step}");
        let given = with.engine.card().unwrap().coupled().given(0);
        guests += given.map_or(0, |given| given.surfaces(|body| scene.layout(body).halo_words()).count());
    }
    assert!(guests > 0, "nobody slept beside the card's bodies");
}

#[test]
fn a_card_that_is_full_for_some_steps_is_used_again() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let touching = touching(&scene(CHAIN), |step| {
        // Nothing is free when the first two meet.
        let memory = if (4..20).contains(&step) { 1 << 20 } else { 1 << 30 };
        cuda.reset(Behaviour { memory, ..Behaviour::default() });
    });
    let (full, later) = (&touching[4..20], &touching[20..]);
    assert!(full.contains(&0) && later.iter().any(|&bodies| bodies > 0), "{touching:?}");
}

#[test]
fn a_card_that_fails_in_any_interval_is_done_without() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let scene = scene(HEAP);
    let mut without = Run::of(scene.clone());
    without.finish();
    for good in (0..40).chain([100, 250]) {
        let mut with = on_card(&scene);
        // Some steps later all is in contact.
        with.steps(if good % 2 == 0 { 0 } else { 8 });
        cuda.reset(Behaviour { good, ..Behaviour::default() });
        with.finish();
        assert!(with.engine.card().is_none(), "it has failed after {good} kernels");
        assert_eq!(states(&with), states(&without), "{good}");
        drop(with);
        cuda.reset(Behaviour::default());
    }
}

/// The digest of the heap on three ranks, of which those but the last have cards.
fn mixed(scene: &Arc<Scene>, moves: Vec<(u64, Move)>, touching: &Arc<AtomicUsize>) -> String {
    let kernels = kernels();
    let touching = touching.clone();
    digest_of(scene, &Spread { ranks: 3, owners: Vec::new(), moves }, move |engine| {
        if engine.rank() != Rank(2) {
            let card = CardCrew::new(kernels.clone(), engine.scene()).unwrap();
            engine.use_card(card).unwrap();
            touching.fetch_add(1, Ordering::Relaxed);
        }
    })
}

#[test]
fn a_heap_that_is_spread_over_ranks_with_cards_and_without_has_one_digest() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let scene = scene(HEAP);
    let alone = digest(&scene, &Spread { ranks: 1, ..Default::default() });
    let cards = Arc::new(AtomicUsize::new(0));
    let moves = [(6, 0, Rank(2)), (9, 1, Rank(0)), (15, 2, Rank(0))];
    let moves: Vec<(u64, Move)> = moves.map(|(step, batch, to)| (step, Move { batch, to })).to_vec();
    assert_eq!(mixed(&scene, moves.clone(), &cards), alone);
    assert_eq!(cards.load(Ordering::Relaxed), 2);
    let runs = cuda.runs();
    cuda.reset(Behaviour::default());
    let owners = vec![Rank(0); scene.batches.len()];
    let mut alone_of_two = Engine::later(scene.clone(), hub(2).unwrap().remove(0), owners, common::TIMEOUT).unwrap();
    alone_of_two.use_card(CardCrew::new(kernels(), &scene).unwrap()).unwrap();
    drop(alone_of_two);
    let proofs = 2 * cuda.runs();
    assert!(runs > proofs + 300, "{runs} kernels, {proofs} of them to prove themselves");
    // And where all cards fail at some moment, each rank in an interval of its own.
    for part in 0..8 {
        let good = proofs + (runs - proofs) * part / 8;
        cuda.reset(Behaviour { good, ..Behaviour::default() });
        assert_eq!(mixed(&scene, moves.clone(), &cards), alone, "after {good} kernels");
        cuda.reset(Behaviour::default());
    }
}

#[test]
fn a_card_that_hangs_is_done_without_where_nobody_reads_what_it_writes() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let scene = scene(HEAP);
    let mut without = Run::of(scene.clone());
    without.finish();
    let mut with = hasty(&scene);
    with.steps(8);
    cuda.reset(HANGS);
    with.steps(4);
    assert!(with.engine.card().is_none());
    // It wakes up, and does all that it was given.
    cuda.reset(Behaviour::default());
    let runs = cuda.runs();
    cuda.finish();
    assert!(cuda.runs() > runs, "it was at work");
    with.finish();
    assert_eq!(states(&with), states(&without));
}

#[test]
fn a_card_that_hangs_while_it_copies_an_epoch_of_nobody_elses_is_done_without() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let scene = scene(HEAP);
    let (mut with, mut without) = (hasty(&scene), Run::of(scene.clone()));
    with.engine.keep_copies(Replication { replicas: 1, delta: true, nodes: vec![0] });
    with.steps(8);
    cuda.reset(HANGS);
    with.engine.begin_epoch().unwrap();
    assert!(with.engine.card().is_none());
    with.finish();
    without.finish();
    assert_eq!(states(&with), states(&without));
    cuda.reset(Behaviour::default());
}

/// Steps twice and begins an epoch, and returns once its copies are in place on both ranks. `done` counts the ranks of all epochs.
fn epoch(engine: &mut Engine<LocalFabric>, done: &AtomicUsize, before: impl FnOnce()) -> Epoch {
    (0..2).for_each(|_| assert!(engine.step(&[0; HEADER_WORDS]).is_ok()));
    before();
    let epoch = engine.begin_epoch().unwrap();
    let (mut told, both) = (false, 2 * epoch.index as usize);
    while done.load(Ordering::SeqCst) < both {
        if engine.replicated().unwrap() == epoch.index && !std::mem::replace(&mut told, true) {
            done.fetch_add(1, Ordering::SeqCst);
        }
        engine.idle().unwrap();
    }
    engine.committed(epoch.index);
    epoch
}

/// A part of the copies is renewed when the card fails, and nobody is told which.
#[test]
fn copies_are_whole_where_a_card_fails_among_them() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let scene = scene(HEAP);
    let owners: Vec<Rank> = (0..scene.batches.len()).map(|batch| Rank(u32::from(batch % 9 == 8))).collect();
    let rule = || Replication { replicas: 1, delta: true, nodes: vec![0, 1] };
    let mut fabrics = hub(2).unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let other = {
        let (scene, owners, done, fabric) = (scene.clone(), owners.clone(), done.clone(), fabrics.remove(1));
        std::thread::spawn(move || {
            let mut engine = Engine::new(scene.clone(), fabric, owners, common::TIMEOUT).unwrap();
            engine.keep_copies(rule());
            let last = (0..4).map(|_| epoch(&mut engine, &done, || ())).last().unwrap();
            // As if the first had died: from the copies that this rank has of its bodies.
            let all = vec![1; scene.batches.len()];
            engine.restore(&Plan { epoch: last, owners: all }).unwrap();
            (0..scene.bodies.len() as u32).map(|body| engine.state(body)).collect::<Vec<_>>()
        })
    };
    let mut engine = Engine::new(scene.clone(), fabrics.remove(0), owners, common::TIMEOUT).unwrap();
    engine.use_card(CardCrew::new(kernels(), &scene).unwrap()).unwrap();
    engine.keep_copies(rule());
    for _ in 0..3 {
        epoch(&mut engine, &done, || ());
    }
    epoch(&mut engine, &done, || cuda.reset(Behaviour { good: 0, ..Behaviour::default() }));
    assert!(engine.card().is_none(), "it has failed");
    while !other.is_finished() {
        engine.idle().unwrap();
    }
    let restored = other.join().unwrap();
    let mut without = Run::of(scene);
    without.steps(8);
    assert_eq!(restored, states(&without));
    cuda.reset(Behaviour::default());
}

/// It never says that it has finished.
const HANGS: Behaviour =
    Behaviour { memory: 1 << 30, order: Order::Ascending, stall: u64::MAX, block_bytes: 232_448, good: u64::MAX };

/// A run whose card is soon taken for one that hangs.
fn hasty(scene: &Arc<Scene>) -> Run {
    let mut run = Run::of(scene.clone());
    let mut card = CardCrew::new(kernels(), scene).unwrap();
    card.give_up_after(Duration::from_millis(300));
    run.engine.use_card(card).unwrap();
    run
}

/// How two ranks of a heap end, of which the first has a card that hangs from some moment of step 8 on.
fn two_ranks(hang: impl FnOnce(&mut Engine<LocalFabric>)) -> (EngineError, Result<(), EngineError>) {
    let scene = scene(HEAP);
    let owners: Vec<Rank> = (0..scene.batches.len()).map(|batch| Rank(batch as u32 % 2)).collect();
    let copies = || Replication { replicas: 1, delta: true, nodes: vec![0, 1] };
    let engine = |fabric| {
        let (scene, owners) = (scene.clone(), owners.clone());
        move || Engine::new(scene, fabric, owners, Duration::from_secs(5)).unwrap()
    };
    let mut fabrics = hub(2).unwrap();
    let second = engine(fabrics.remove(1));
    let other = std::thread::spawn(move || {
        let mut engine = second();
        engine.keep_copies(copies());
        (0..8).try_for_each(|_| engine.step(&[0; HEADER_WORDS]).map(|_| ()))?;
        engine.begin_epoch()?;
        (0..2).try_for_each(|_| engine.step(&[0; HEADER_WORDS]).map(|_| ()))
    });
    let mut first = engine(fabrics.remove(0))();
    let mut card = CardCrew::new(kernels(), &scene).unwrap();
    card.give_up_after(Duration::from_millis(300));
    first.use_card(card).unwrap();
    first.keep_copies(copies());
    for _ in 0..8 {
        first.step(&[0; HEADER_WORDS]).unwrap();
    }
    assert!(first.card().unwrap().coupled().shows(), "the other rank looks at bodies of the card");
    hang(&mut first);
    let begun = if first.epoch().step < 8 { first.begin_epoch().map(drop) } else { Ok(()) };
    let error = begun.and_then(|()| first.step(&[0; HEADER_WORDS]).map(|_| ())).unwrap_err();
    drop(first);
    (error, other.join().unwrap())
}

#[test]
fn a_card_that_hangs_while_others_read_what_it_writes_takes_its_rank_along() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let during_copies = |_: &mut Engine<LocalFabric>| cuda.reset(HANGS);
    let during_a_step = |engine: &mut Engine<LocalFabric>| {
        engine.begin_epoch().unwrap();
        cuda.reset(HANGS);
    };
    let ends = [two_ranks(during_copies), {
        cuda.reset(Behaviour::default());
        two_ranks(during_a_step)
    }];
    for (error, other) in ends {
        assert!(matches!(error, EngineError::CardHangs { .. }), "{error}");
        assert!(error.to_string().contains("rank 0 leaves the run") && error.to_string().contains("hangs"), "{error}");
        assert!(other.is_err(), "it is missed");
    }
    cuda.reset(Behaviour::default());
}
