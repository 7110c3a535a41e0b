//! Whether a card has the CPU's bits.

use std::sync::Arc;

use rankzero_gpu::{GpuError, Lent};
use rankzero_gpu_solver::{Colliders, Coupled, Deltas, Entrant, GRAIN, Kernels, Renewal, Residents, Troop};

use super::common::crowd::{Crowd, Trace};
use super::common::rig::{Bodies, on_cpu, reach_of, with_finite};
use super::common::scene::Scene;
use super::go_through;
use super::memory::Mapped;

/// Compares all there is to compare, in so many scenes each.
pub fn all(kernels: &Arc<Kernels>, seeds: usize) -> Result<bool, GpuError> {
    Ok(bits(kernels, seeds)? & bits_of_crowds(kernels, seeds)?)
}

/// Steps scenes of both solvers, and tells of the first that differs.
fn bits(kernels: &Arc<Kernels>, seeds: usize) -> Result<bool, GpuError> {
    let (mut words, mut steps) = (0, 0);
    for seed in 0..seeds as u64 {
        for scene in [Scene::new(seed, 8, 4), Scene::implicit(seed, 4, 3)] {
            let mut troop = Troop::new(kernels, &scene.topology)?;
            let mut colliders = Colliders::default();
            colliders.set(&scene.colliders);
            let (mut expected, mut found) = (Bodies::of(&scene), Bodies::of(&scene));
            let mut residents = Residents::of_states(kernels.card(), &found.states)?;
            troop.share(&residents)?;
            for step in 0..10 {
                on_cpu(&scene, &mut expected);
                card_step((&mut troop, &mut residents), &scene, &colliders, (step, &mut found))?;
                let renewed = renew(kernels, &residents, step + 1, &found.states)?;
                if !renewed || found.clone().with_one_nan() != expected.clone().with_one_nan() {
                    let solver = if scene.topology.is_implicit() { "implicit" } else { "xpbd" };
                    println!("{{\"bits\": \"differ\", \"seed\": {seed}, \"step\": {step}, \"solver\": \"{solver}\"}}");
                    return Ok(false);
                }
                steps += 1;
                words += found.states.iter().map(Vec::len).sum::<usize>();
            }
        }
    }
    println!("{{\"bits\": \"equal\", \"scenes\": {}, \"steps\": {steps}, \"words\": {words}}}", 2 * seeds);
    Ok(true)
}

/// Whether copies of states that differ from them in some words are made like them, and what has changed is told.
fn renew(kernels: &Arc<Kernels>, residents: &Residents, step: u64, states: &[Vec<u32>]) -> Result<bool, GpuError> {
    let words = states[0].len();
    let mapped = Mapped::new(states.len() * words);
    let mut expected = Vec::new();
    for (body, state) in states.iter().enumerate() {
        let mut copy = state.clone();
        let mut changed = vec![false; words.div_ceil(GRAIN)];
        for word in [body * 37 % words, step as usize * 101 % words] {
            copy[word] = !state[word];
            changed[word / GRAIN] = true;
        }
        mapped.store(body * words, &copy);
        expected.push(changed);
    }
    let lent = Arc::new(Lent::new(kernels.card(), &mapped.0)?);
    let renewal = |body: usize| Renewal { body: body as u32, at: body * words, fresh: false };
    let renewals: Vec<Renewal> = (0..states.len()).map(renewal).collect();
    let changed = Deltas::new(kernels)?.renew(residents, step, &lent, &renewals)?;
    Ok(changed == expected && mapped.load(0, states.len() * words) == states.concat())
}

/// Steps crowds of bodies that touch each other, every other one with surfaces shown to others, and tells of the first that differs.
fn bits_of_crowds(kernels: &Arc<Kernels>, seeds: usize) -> Result<bool, GpuError> {
    let (mut words, mut steps, mut pushes) = (0, 0, 0);
    for seed in 0..seeds as u64 {
        let mut crowd = Crowd::new(seed, 8);
        let mut coupled = Coupled::new(kernels, crowd.topologies.iter().map(|topology| Some(&**topology)))?;
        let movers: Vec<usize> = (0..crowd.forms.len()).collect();
        let mut colliders = Colliders::default();
        colliders.set(&crowd.colliders);
        let mut residents = Residents::of_states(kernels.card(), &crowd.bodies.states)?;
        let mapped = Mapped::new(2 * crowd.halo_of(movers.len() - 1).0[1]);
        let halo = Arc::new(Lent::new(kernels.card(), &mapped.0)?);
        coupled.share(&residents, Some(&halo))?;
        let shown = if seed % 2 == 0 { 0 } else { movers.len() / 2 };
        for step in 0..10 {
            let (mut cast, _) = crowd.cast(&crowd.pairs(), &movers, shown);
            cast.movers.iter_mut().zip(0..).for_each(|(mover, body)| mover.home = residents.take(body, step));
            let trace = crowd.step(&[]);
            pushes += trace.pushes;
            coupled.start(&crowd.rule, &colliders, &cast)?;
            let same_surfaces = if shown == 0 {
                go_through(&mut coupled, crowd.rule.intervals())?;
                true
            } else {
                go_through_shown(&mut coupled, &crowd, &trace, &movers[..shown], &mapped)?
            };
            let ended = coupled.finish()?;
            let mut found = crowd.bodies.clone();
            for body in 0..ended.len() {
                let outcome = ended.body(body);
                found.reaches[body] = with_finite(&outcome.reach, outcome.finite);
                residents.ended(body as u32, step + 1);
                residents.host().load(body as u32, &mut found.states[body]);
            }
            if found != crowd.bodies || !same_surfaces {
                println!("{{\"bits\": \"differ\", \"seed\": {seed}, \"step\": {step}, \"bodies\": \"that touch\"}}");
                return Ok(false);
            }
            steps += 1;
            words += crowd.bodies.states.iter().map(Vec::len).sum::<usize>();
        }
    }
    println!(
        "{{\"bits\": \"equal\", \"bodies\": \"that touch\", \"scenes\": {seeds}, \"steps\": {steps}, \"words\": {words}, \
         \"pushes\": {pushes}}}"
    );
    Ok(true)
}

/// The same, where surfaces of some movers are shown; whether these are the CPU's.
fn go_through_shown(
    coupled: &mut Coupled,
    crowd: &Crowd,
    trace: &Trace,
    shown: &[usize],
    mapped: &Mapped,
) -> Result<bool, GpuError> {
    let mut same = true;
    for interval in 0..crowd.rule.intervals() {
        coupled.wait()?;
        for &body in shown {
            let (places, words) = crowd.halo_of(body);
            let surface = trace.surfaces[interval as usize][body].iter().map(|x| x.to_bits());
            same &= surface.eq(mapped.load(places[interval as usize % 2], words));
        }
        coupled.contacts(interval, &[], |_, _| ())?;
        coupled.go_on(interval, &[])?;
    }
    Ok(same)
}

fn card_step(
    (troop, residents): (&mut Troop, &mut Residents),
    scene: &Scene,
    colliders: &Colliders,
    (step, bodies): (u64, &mut Bodies),
) -> Result<(), GpuError> {
    let entrant = |(reach, body)| Entrant { reach: reach_of(reach), home: residents.take(body, step) };
    let entrants: Vec<Entrant> = bodies.reaches.iter().zip(0..).map(entrant).collect();
    troop.start(&scene.rule, colliders, &entrants)?;
    let ended = troop.finish()?;
    for body in 0..ended.len() {
        let outcome = ended.body(body);
        bodies.reaches[body] = with_finite(&outcome.reach, outcome.finite);
        residents.ended(body as u32, step + 1);
        residents.host().load(body as u32, &mut bodies.states[body]);
    }
    Ok(())
}
