//! Bodies that touch each other on an emulated card, by the code that drives a real one, step after step like those of the CPU.

mod common;
#[path = "common/memory.rs"]
mod memory;

use std::sync::Arc;

use common::crowd::Crowd;
use common::random::Random;
use common::rig::with_finite;
use memory::Mapped;
use rankzero_gpu::cache::Cache;
use rankzero_gpu::{Card, Lent};
use rankzero_gpu_emulator::{Behaviour, EmulatedCuda, Order};
use rankzero_gpu_solver::{Cast, Colliders, Coupled, HostStates, Kernels, Residents};
use rankzero_soft::pair::Pushes;

fn kernels() -> Arc<Kernels> {
    Kernels::load(&Card::open(0).unwrap(), &Cache::new(None)).unwrap().0
}

fn coupled(kernels: &Arc<Kernels>, crowd: &Crowd) -> Coupled {
    Coupled::new(kernels, crowd.topologies.iter().map(|topology| Some(&**topology))).unwrap()
}

fn numbers(bodies: &[usize]) -> Vec<u32> {
    bodies.iter().map(|&body| body as u32).collect()
}

/// What steps have shown.
#[derive(Debug, Default)]
struct Seen {
    pushes: usize,
    near: usize,
    far: usize,
    guests: usize,
    resident: usize,
}

/// A crowd's place on the card.
struct Rig {
    coupled: Coupled,
    residents: Residents,
    step: u64,
    /// By body the step at whose start the card's state is the newest.
    steps: Vec<Option<u64>>,
    /// Where surfaces are shown.
    mapped: Mapped,
    halo: Arc<Lent>,
}

impl Rig {
    fn new(kernels: &Arc<Kernels>, crowd: &Crowd) -> Self {
        let words = crowd.bodies.states.iter().map(Vec::len);
        let host = HostStates::new(kernels.card(), words).unwrap();
        let residents = Residents::new(kernels.card(), &Arc::new(host)).unwrap();
        let mapped = Mapped::new(2 * crowd.halo_of(crowd.forms.len() - 1).0[1]);
        let halo = Arc::new(Lent::new(kernels.card(), &mapped.0).unwrap());
        let steps = vec![None; crowd.forms.len()];
        Self { coupled: coupled(kernels, crowd), residents, step: 0, steps, mapped, halo }
    }

    /// Gives the movers of a cast their homes.
    fn house(&mut self, crowd: &Crowd, cast: &mut Cast, movers: &[usize]) {
        self.residents.admit(&numbers(movers)).unwrap();
        self.coupled.share(&self.residents, Some(&self.halo)).unwrap();
        for (actor, &body) in cast.movers.iter_mut().zip(movers) {
            if self.steps[body] != Some(self.step) {
                // Somebody else has moved it.
                self.residents.host().store(body as u32, &crowd.bodies.states[body]);
            }
            actor.home = self.residents.take(body as u32, self.step);
            self.steps[body] = Some(self.step + 1);
        }
    }
}

/// Some displacements by somebody else than the bodies of a crowd: interval, mover, nodes and vectors.
fn pushes_of_the_host(crowd: &Crowd, movers: &[usize], seed: u64) -> Vec<(u32, usize, Pushes)> {
    let mut random = Random(seed);
    let mut all = Vec::new();
    for interval in 0..crowd.rule.intervals() {
        for (mover, &body) in movers.iter().enumerate() {
            let surface = crowd.topologies[crowd.forms[body]].layout.surface as u64;
            // Twice where at all, as two others would.
            for _ in 0..if random.once_in(3) { 2 } else { 0 } {
                let push = |_| (random.below(surface) as u32, random.vector(-1e-3, 1e-3));
                all.push((interval, mover, (0..3).map(push).collect()));
            }
        }
    }
    all
}

/// A step of a crowd by the CPU, and of those of its bodies that the card computes.
fn compare(rig: &mut Rig, crowd: &mut Crowd, movers: &[usize], shown: usize, seen: &mut Seen) {
    let pairs = crowd.pairs();
    let (mut cast, guests) = crowd.cast(&pairs, movers, shown);
    rig.house(crowd, &mut cast, movers);
    cast.odd = rig.step % 2 == 1;
    let coupled = &mut rig.coupled;
    let meetings: Vec<usize> =
        (0..pairs.len()).filter(|&i| movers.contains(&pairs[i].0) || movers.contains(&pairs[i].1)).collect();
    let mut colliders = Colliders::default();
    colliders.set(&crowd.colliders);
    let rule = crowd.rule;
    // Whom the host pushes, it has to see.
    let pushed = pushes_of_the_host(crowd, &movers[..shown], seen.pushes as u64);
    let by_body: Vec<(u32, usize, Pushes)> =
        pushed.iter().map(|(at, mover, pushes)| (*at, movers[*mover], pushes.clone())).collect();
    let trace = crowd.step(&by_body);
    assert_eq!(trace.pairs, pairs);
    coupled.start(&rule, &colliders, &cast).unwrap();
    let mut given: Vec<u32> = (0..guests.len() as u32).collect();
    for interval in 0..rule.intervals() {
        let surfaces = &trace.surfaces[interval as usize];
        coupled.wait().unwrap();
        for &body in &movers[..shown] {
            let (places, words) = crowd.halo_of(body);
            let seen = rig.mapped.load(places[(interval as usize + usize::from(cast.odd)) % 2], words);
            let expected: Vec<u32> = surfaces[body].iter().map(|x| x.to_bits()).collect();
            assert_eq!(seen, expected, "interval {interval}, surface of body {body}");
        }
        let bring = |guest: usize, words: &mut [f32]| words.copy_from_slice(&surfaces[guests[guest]]);
        coupled.contacts(interval, &given, bring).unwrap();
        let pushes: Vec<(usize, &Pushes)> =
            pushed.iter().filter(|(at, ..)| *at == interval).map(|(_, mover, pushes)| (*mover, pushes)).collect();
        coupled.go_on(interval, &pushes).unwrap();
        if interval == 0 {
            let mut near = Vec::new();
            coupled.near(|_, one| near.push(one)).unwrap();
            let expected: Vec<bool> = meetings.iter().map(|&pair| trace.near[pair]).collect();
            assert_eq!(near, expected);
            seen.near += near.iter().filter(|near| **near).count();
            seen.far += near.iter().filter(|near| !**near).count();
            // Guests that are far from all need not be brought again.
            let needed = |guest: u32| {
                let seat = movers.len() + guest as usize;
                cast.pairs.iter().zip(&near).any(|(pair, near)| *near && (pair.a == seat || pair.b == seat))
            };
            given.retain(|&guest| needed(guest));
        }
    }
    coupled.wait().unwrap();
    let ended = coupled.finish().unwrap();
    assert_eq!(ended.len(), movers.len());
    rig.step += 1;
    for (mover, &body) in movers.iter().enumerate() {
        let outcome = ended.body(mover);
        rig.residents.ended(body as u32, rig.step);
        let mut state = vec![0; crowd.bodies.states[body].len()];
        rig.residents.host().load(body as u32, &mut state);
        assert_eq!(state, crowd.bodies.states[body], "state of body {body}");
        assert_eq!(with_finite(&outcome.reach, outcome.finite), crowd.bodies.reaches[body], "reach of body {body}");
    }
    seen.resident += cast.movers.iter().filter(|body| !body.home.is_stale()).count();
    seen.pushes += trace.pushes;
    seen.guests += guests.len();
}

/// Steps of several crowds: all bodies on the card, then some.
fn crowds(behaviour: Behaviour, seeds: std::ops::Range<u64>) -> Seen {
    let _cuda = EmulatedCuda::start(behaviour);
    let kernels = kernels();
    let mut seen = Seen::default();
    for seed in seeds {
        let mut crowd = Crowd::new(seed, 6);
        let mut rig = Rig::new(&kernels, &crowd);
        let mut random = Random(seed);
        for step in 0..4 {
            let mut movers: Vec<usize> = (0..6).filter(|_| step < 2 || random.once_in(2)).collect();
            movers.reverse();
            let shown = random.below(movers.len() as u64 + 1) as usize;
            compare(&mut rig, &mut crowd, &movers, shown, &mut seen);
        }
    }
    assert!(seen.pushes > 500 && seen.near > 40 && seen.far > 3 && seen.guests > 10 && seen.resident > 40, "{seen:?}");
    seen
}

#[test]
fn bodies_that_touch_step_like_the_cpu_whatever_the_order_of_threads() {
    for (first, order) in [(0, Order::Ascending), (10, Order::Descending), (20, Order::Shuffled(3))] {
        crowds(Behaviour { order, stall: 20, ..Behaviour::default() }, first..first + 10);
    }
}

#[test]
fn bodies_too_large_for_a_block_that_touch_step_like_the_cpu() {
    crowds(Behaviour { block_bytes: 512, ..Behaviour::default() }, 30..36);
}

#[test]
fn a_step_of_the_card_alone_is_recorded_when_it_comes_again() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let kernels = kernels();
    let mut crowd = Crowd::pairs_of_cubes(2, 2);
    let mut rig = Rig::new(&kernels, &crowd);
    let (movers, mut seen) = ([0, 1, 2, 3], Seen::default());
    let mut launches = vec![cuda.launches()];
    for _ in 0..6 {
        compare(&mut rig, &mut crowd, &movers, 0, &mut seen);
        launches.push(cuda.launches());
    }
    // What comes a third time is recorded, and done again from then on.
    let new: Vec<u64> = launches.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(new[0] > 20 && new[1..3] == [new[0]; 2] && new[3..] == [0; 3], "{new:?} launches");
    assert!(seen.pushes > 20, "{seen:?}");
}

#[test]
fn what_a_step_needs_more_of_memory_is_known_before() {
    let _cuda = EmulatedCuda::start(Behaviour::default());
    let kernels = kernels();
    let mut crowd = Crowd::new(3, 6);
    let mut rig = Rig::new(&kernels, &crowd);
    let movers: Vec<usize> = (0..6).collect();
    let (cast, _) = crowd.cast(&crowd.pairs(), &movers, 0);
    let free = || kernels.card().free_bytes().unwrap();
    let mut colliders = Colliders::default();
    colliders.set(&crowd.colliders);
    let more = rig.coupled.more_bytes(&cast, &colliders) + rig.residents.more_bytes(&numbers(&movers));
    let before = free();
    compare(&mut rig, &mut crowd, &movers, 0, &mut Seen::default());
    // Empty buffers have some bytes, too.
    let took = before - free();
    assert!(more > 0 && more.abs_diff(took) <= 64, "{more}, took {took}");
}

#[test]
fn a_card_that_fails_among_intervals_says_so() {
    for good in 0..6 {
        let cuda = EmulatedCuda::start(Behaviour::default());
        let kernels = kernels();
        let crowd = Crowd::new(4, 6);
        let mut rig = Rig::new(&kernels, &crowd);
        let movers: Vec<usize> = (0..6).collect();
        let (mut cast, _) = crowd.cast(&crowd.pairs(), &movers, 0);
        rig.house(&crowd, &mut cast, &movers);
        let coupled = &mut rig.coupled;
        cuda.reset(Behaviour { good, ..Behaviour::default() });
        let mut colliders = Colliders::default();
        colliders.set(&crowd.colliders);
        let outcome = coupled.start(&crowd.rule, &colliders, &cast).and_then(|()| {
            (0..crowd.rule.intervals()).try_for_each(|interval| {
                coupled.contacts(interval, &[], |_, _| ())?;
                coupled.go_on(interval, &[])
            })?;
            coupled.wait()
        });
        assert!(outcome.is_err(), "{good}");
        // What is still to be done is not done any more.
        drop(rig);
        cuda.reset(Behaviour::default());
    }
}
