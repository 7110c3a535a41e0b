//! Bodies of several forms that touch each other, and their step by the CPU's solver.

use std::collections::BTreeMap;
use std::sync::Arc;

use rankzero_gpu_solver::{Actor, Cast, Home, Meeting, PushedBy};
use rankzero_soft::collider::Collider;
use rankzero_soft::contact::Law;
use rankzero_soft::pair::{Pair, Pushes, Surface, Workspace};
use rankzero_soft::reach::Reach;
use rankzero_soft::rule::StepRule;
use rankzero_soft::shell::Shell;
use rankzero_soft::simd::Isa;
use rankzero_soft::{Pack, Topology};

use super::random::Random;
use super::rig::{Bodies, reach_of, with_finite};
use super::scene::{Scene, thrown};

/// Bodies in a heap, some of them moving, with colliders around.
pub struct Crowd {
    pub topologies: Vec<Arc<Topology>>,
    pub rule: StepRule,
    pub colliders: Vec<Collider>,
    /// By body.
    pub forms: Vec<usize>,
    pub bodies: Bodies,
}

/// What a step of a crowd by the CPU has shown.
#[derive(Debug, Default)]
pub struct Trace {
    /// Who may touch whom: pairs of bodies, sorted.
    pub pairs: Vec<(usize, usize)>,
    /// For each pair whether it may touch in the step after all.
    pub near: Vec<bool>,
    /// By interval and body: the surface before contacts are resolved.
    pub surfaces: Vec<Vec<Vec<f32>>>,
    /// How many displacements contacts came to.
    pub pushes: usize,
}

impl Crowd {
    /// A crowd by its seed: some bodies are swept, some solved implicitly.
    pub fn new(seed: u64, bodies: usize) -> Self {
        let mut random = Random(seed);
        let Scene { topology, rule, colliders, .. } = Scene::new(seed, 1, 3);
        let per_interval = 1 + random.below(3) as u32;
        let rule = StepRule { substeps: per_interval * (1 + random.below(4) as u32), per_interval, ..rule };
        let mut other = (*Scene::new(seed + 1000, 1, 2).topology).clone();
        if random.once_in(2) {
            other.solve_implicitly(rule.substep());
        }
        let topologies = vec![topology, Arc::new(other)];
        let forms: Vec<usize> = (0..bodies).map(|_| random.below(2) as usize).collect();
        let states: Vec<Vec<u32>> = forms.iter().map(|&form| state(&mut random, &topologies[form])).collect();
        let reaches = states
            .iter()
            .zip(&forms)
            .map(|(state, &form)| with_finite(&Reach::of_state(state, topologies[form].layout, &rule), true));
        let reaches = reaches.collect();
        Self { topologies, rule, colliders, forms, bodies: Bodies { states, reaches } }
    }

    /// Cubes of so many cells a side in pairs that overlap a little, which touch nobody else.
    pub fn pairs_of_cubes(cells: u32, pairs: usize) -> Self {
        let Scene { topology, rule, states, .. } = Scene::cube(cells, 10, false);
        let rule = StepRule { per_interval: 1, ..rule };
        let mut other = states[0].clone();
        let edge = topology.rest.iter().fold(0.0f32, |edge, x| edge.max(x[0]));
        for x in other[topology.layout.positions()].iter_mut().step_by(3) {
            *x = (f32::from_bits(*x) + 0.95 * edge).to_bits();
        }
        let both = [states[0].clone(), other];
        let states: Vec<Vec<u32>> = (0..2 * pairs).map(|body| both[body % 2].clone()).collect();
        let reach = |state: &Vec<u32>| with_finite(&Reach::of_state(state, topology.layout, &rule), true);
        let bodies = Bodies { reaches: states.iter().map(reach).collect(), states };
        Self { topologies: vec![topology], rule, colliders: Vec::new(), forms: vec![0; 2 * pairs], bodies }
    }

    /// The reach of a body at the step's start.
    pub fn reach(&self, body: usize) -> Reach {
        reach_of(&self.bodies.reaches[body])
    }

    /// Who may touch whom, sorted.
    pub fn pairs(&self) -> Vec<(usize, usize)> {
        let all = (0..self.forms.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        let step = self.rule.step;
        let mut pairs: Vec<(usize, usize)> = all
            .filter(|&(a, b)| {
                let (a, b) = (self.reach(a), self.reach(b));
                a.bounds.grown(a.approach(b.velocity, b.spread, step)).meets(&b.bounds)
            })
            .collect();
        pairs.sort_unstable();
        pairs
    }

    /// Where a body's surface is shown in even and in odd exchanges, in words; and how many it has.
    pub fn halo_of(&self, body: usize) -> ([usize; 2], usize) {
        let words = |body: &usize| self.topologies[self.forms[*body]].layout.halo_words();
        let (at, all): (usize, usize) =
            ((0..body).map(|b| words(&b)).sum(), (0..self.forms.len()).map(|b| words(&b)).sum());
        ([at, all + at], words(&body))
    }

    /// Who takes part where the card computes `movers` of a crowd and shows the first `shown` of them; the numbers of the guests.
    pub fn cast(&self, pairs: &[(usize, usize)], movers: &[usize], shown: usize) -> (Cast, Vec<usize>) {
        let numbered = |bodies: &[usize]| -> BTreeMap<usize, usize> {
            bodies.iter().enumerate().map(|(number, &body)| (body, number)).collect()
        };
        let moves = numbered(movers);
        let taken = |body: &usize| moves.contains_key(body);
        let meetings: Vec<(usize, usize)> = pairs.iter().copied().filter(|(a, b)| taken(a) || taken(b)).collect();
        let mut guests: Vec<usize> = meetings.iter().flat_map(|&(a, b)| [a, b]).filter(|body| !taken(body)).collect();
        guests.sort_unstable();
        guests.dedup();
        let seats = numbered(&[movers, &guests].concat());
        let halos = movers[..shown].iter().map(|&body| self.halo_of(body).0).collect();
        let mut cast = Cast { halos, ..Cast::default() };
        cast.pairs.extend(meetings.iter().map(|(a, b)| Meeting { a: seats[a], b: seats[b] }));
        let mut pushers = BTreeMap::<usize, Vec<PushedBy>>::new();
        for (pair, &(a, b)) in meetings.iter().enumerate() {
            for (side, body) in [a, b].into_iter().enumerate() {
                pushers.entry(body).or_default().push(PushedBy { pair, side });
            }
        }
        for &body in movers {
            let first = cast.pushers.len();
            cast.pushers.extend(pushers.remove(&body).unwrap_or_default());
            let pushed_by = first..cast.pushers.len();
            let home = Home::default();
            cast.movers.push(Actor { form: self.forms[body], reach: self.reach(body), home, pushed_by });
        }
        cast.guests.extend(guests.iter().map(|&body| Actor {
            form: self.forms[body],
            reach: self.reach(body),
            home: Home::default(),
            pushed_by: 0..0,
        }));
        (cast, guests)
    }

    /// A step by the CPU; `pushed` tells what else pushes bodies: interval, body, nodes and vectors.
    pub fn step(&mut self, pushed: &[(u32, usize, Pushes)]) -> Trace {
        let isa = Isa::best();
        let mut trace = Trace { pairs: self.pairs(), ..Trace::default() };
        let law = Law { interval: self.rule.interval(), recovery_speed_max: self.rule.recovery_speed_max };
        let mut packs: Vec<Pack> = (0..self.forms.len())
            .map(|body| {
                let mut pack = Pack::new(self.topologies[self.forms[body]].clone(), 1, isa.narrow());
                pack.join(&self.bodies.states[body], &self.reach(body), &self.rule, &self.colliders);
                pack
            })
            .collect();
        let mut shells: Vec<Shell> = packs.iter().map(|_| Shell::default()).collect();
        let mut contacts: Vec<Pair> = trace.pairs.iter().map(|_| Pair::default()).collect();
        let mut work = Workspace::default();
        for interval in 0..self.rule.intervals() {
            for (pack, shell) in packs.iter_mut().zip(&mut shells) {
                pack.advance(interval, &self.rule, &self.colliders);
                shell.update(interval == 0, pack.surface(0), pack.topology(), isa);
                pack.clear_corrections();
            }
            trace.surfaces.push(packs.iter().map(|pack| pack.surface(0).to_vec()).collect());
            for (index, (&(a, b), pair)) in trace.pairs.iter().zip(&mut contacts).enumerate() {
                let surface = |i: usize| {
                    let pack: &Pack = &packs[i];
                    Surface { words: pack.surface(0), topology: pack.topology(), shell: &shells[i] }
                };
                let (one, other) = (surface(a), surface(b));
                if interval == 0 {
                    let (ra, rb) = (self.reach(a), self.reach(b));
                    trace.near.push(pair.find((&one, &ra), (&other, &rb), self.rule.step, &law, &mut work, isa));
                }
                if trace.near[index] {
                    pair.push(&one, &other, &law, &mut work, isa);
                }
            }
            for (&(a, b), pair) in trace.pairs.iter().zip(&contacts) {
                for (body, pushes) in [a, b].into_iter().zip(&pair.pushes) {
                    packs[body].correct(0, pushes);
                    trace.pushes += pushes.len();
                }
            }
            for (_, body, pushes) in pushed.iter().filter(|(at, ..)| *at == interval) {
                packs[*body].correct(0, pushes);
            }
            packs.iter_mut().for_each(|pack| pack.settle(interval, &self.rule, &self.colliders));
        }
        for (body, pack) in packs.iter_mut().enumerate() {
            pack.end(&self.rule);
            pack.state(0, &mut self.bodies.states[body]);
            self.bodies.reaches[body] = with_finite(&pack.reach(0), pack.is_finite(0));
        }
        trace
    }
}

/// A state near the others, calm or not.
fn state(random: &mut Random, topology: &Topology) -> Vec<u32> {
    let most = if random.once_in(3) { 0.0 } else { 2.0 };
    let (place, speed) = (random.vector(-0.35, 0.35), random.vector(-most, most));
    thrown(random, topology, place, speed, 0.1 * most)
}
