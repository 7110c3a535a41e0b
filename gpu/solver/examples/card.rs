//! What a card can do: whether it has the CPU's bits, and how fast it is. Run by bench/gpu.sh; writes JSON.
//!
//! `card bits [SEEDS]` steps random scenes on the card and on the CPU and compares every word: bodies by themselves, and crowds that touch.
//! `card time [BODIES…]` times steps of boxes, by themselves and in pairs that touch.
//! `--kernels DIR` loads kernels that the laboratory compiled (`lab DIR`), for machines without NVRTC.
#![forbid(unsafe_code)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::crowd::Crowd;
use common::rig::{Bodies, on_cpu, reach_of, with_finite};
use common::scene::Scene;
use rankzero_gpu::cache::Cache;
use rankzero_gpu::{Card, GpuError};
use rankzero_gpu_solver::roof::{Effort, Roof};
use rankzero_gpu_solver::{Colliders, Coupled, Entrant, HostStates, Kernels, Residents, Troop};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut kernels = None;
    if let Some(at) = arguments.iter().position(|a| a == "--kernels") {
        let mut taken = arguments.drain(at..(at + 2).min(arguments.len())).skip(1);
        kernels = taken.next().map(PathBuf::from);
    }
    let numbers: Result<Vec<usize>, _> = arguments.iter().skip(1).map(|a| a.parse()).collect();
    let (Some(task), Ok(numbers)) = (arguments.first(), numbers) else {
        eprintln!("usage: card bits [SEEDS] | card time [BODIES…]   [--kernels DIR]");
        return ExitCode::from(2);
    };
    let outcome = open(kernels.as_deref()).and_then(|loaded| match task.as_str() {
        "bits" => {
            let seeds = numbers.first().copied().unwrap_or(100);
            Ok(bits(&loaded, seeds)? & bits_of_crowds(&loaded, seeds)?)
        }
        _ => {
            let counts = if numbers.is_empty() { vec![1, 10, 100, 1000, 10_000, 100_000] } else { numbers };
            let roof = roof(&loaded, kernels.as_deref(), &counts)?;
            time(&loaded, &counts, roof)?;
            time_of_pairs(&loaded, &counts)?;
            Ok(true)
        }
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("card: {error}");
            ExitCode::from(3)
        }
    }
}

fn open(compiled: Option<&Path>) -> Result<Arc<Kernels>, GpuError> {
    let card = Card::open(0)?;
    match compiled {
        Some(folder) => Kernels::compiled(&card, folder),
        None => Ok(Kernels::load(&card, &Cache::new(None))?.0),
    }
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
            let mut residents = residents(kernels, &found.states)?;
            troop.share(&residents)?;
            for step in 0..10 {
                on_cpu(&scene, &mut expected);
                card_step((&mut troop, &mut residents), &scene, &colliders, (step, &mut found))?;
                if found.clone().with_one_nan() != expected.clone().with_one_nan() {
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

/// Steps crowds of bodies that touch each other, and tells of the first that differs.
fn bits_of_crowds(kernels: &Arc<Kernels>, seeds: usize) -> Result<bool, GpuError> {
    let (mut words, mut steps, mut pushes) = (0, 0, 0);
    for seed in 0..seeds as u64 {
        let mut crowd = Crowd::new(seed, 8);
        let mut coupled = Coupled::new(kernels, crowd.topologies.iter().map(|topology| Some(&**topology)))?;
        let movers: Vec<usize> = (0..crowd.forms.len()).collect();
        let mut colliders = Colliders::default();
        colliders.set(&crowd.colliders);
        let mut residents = residents(kernels, &crowd.bodies.states)?;
        coupled.share(&residents, None)?;
        for step in 0..10 {
            let (mut cast, _) = crowd.cast(&crowd.pairs(), &movers, 0);
            cast.movers.iter_mut().zip(0..).for_each(|(mover, body)| mover.home = residents.take(body, step));
            pushes += crowd.step(&[]).pushes;
            coupled.start(&crowd.rule, &colliders, &cast)?;
            go_through(&mut coupled, crowd.rule.intervals())?;
            let ended = coupled.finish()?;
            let mut found = crowd.bodies.clone();
            for body in 0..ended.len() {
                let outcome = ended.body(body);
                found.reaches[body] = with_finite(&outcome.reach, outcome.finite);
                residents.ended(body as u32, step + 1);
                residents.host().load(body as u32, &mut found.states[body]);
            }
            if found != crowd.bodies {
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

/// All intervals of a step in which only the card's bodies take part.
fn go_through(coupled: &mut Coupled, intervals: u32) -> Result<(), GpuError> {
    (0..intervals).try_for_each(|interval| {
        coupled.contacts(interval, &[], |_, _| ())?;
        coupled.go_on(interval, &[])
    })
}

/// The states of bodies, from now on the card's.
fn residents(kernels: &Arc<Kernels>, states: &[Vec<u32>]) -> Result<Residents, GpuError> {
    let host = HostStates::new(kernels.card(), states.iter().map(Vec::len))?;
    states.iter().zip(0..).for_each(|(state, body)| host.store(body, state));
    let mut residents = Residents::new(kernels.card(), &Arc::new(host))?;
    residents.admit((0..).zip(states.iter().map(Vec::len)))?;
    Ok(residents)
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

/// Whether so many bodies are timed as only a real card is asked for.
fn is_real(counts: &[usize]) -> bool {
    counts.iter().any(|&count| count >= 1000)
}

/// Measures what limits the card; on a small scale where only few bodies are timed, as an emulator does.
fn roof(kernels: &Arc<Kernels>, compiled: Option<&Path>, counts: &[usize]) -> Result<Roof, GpuError> {
    let scene = Scene::cube(4, 10, false);
    let effort = if is_real(counts) {
        Effort { blocks: 4096, rounds: 1000, words: 1 << 28 }
    } else {
        Effort { blocks: 2, rounds: 20, words: 1 << 12 }
    };
    let roof = Roof::measure(kernels.card(), compiled, &scene.topology, scene.rule.substep(), effort)?;
    println!(
        "{{\"projections_per_s\": {:.4e}, \"bytes_per_s\": {:.4e}, \"host_bytes_per_s\": {:.4e}}}",
        roof.projections_per_s, roof.bytes_per_s, roof.host_bytes_per_s
    );
    Ok(roof)
}

/// Times steps of so many bodies each, which stay on the card and are written to the host's memory as well, and on one core of the CPU in a
/// lane each.
fn time(kernels: &Arc<Kernels>, counts: &[usize], roof: Roof) -> Result<(), GpuError> {
    // A single body that no block's memory holds comes last, but not to an emulator.
    let large = is_real(counts).then_some((20, 1));
    let cases: Vec<(u32, usize)> = counts.iter().map(|&count| (4, count)).chain(large).collect();
    for implicit in [false, true] {
        for &(cells, count) in &cases {
            // One of a known size, once over, at rest.
            let mut scene = Scene::cube(cells, 10, implicit);
            scene.rule.gravity = [0.0; 3];
            let bodies = Bodies::of(&scene);
            let colliders = Colliders::default();
            let mut troop = Troop::new(kernels, &scene.topology)?;
            let mut residents = residents(kernels, &vec![bodies.states[0].clone(); count])?;
            troop.share(&residents)?;
            let (mut best, began, mut step) = (Duration::MAX, Instant::now(), 0);
            while began.elapsed() < Duration::from_secs(2) || step < 2 {
                let start = Instant::now();
                let entrant = |body| Entrant { reach: reach_of(&bodies.reaches[0]), home: residents.take(body, step) };
                let entrants: Vec<Entrant> = (0..count as u32).map(entrant).collect();
                troop.start(&scene.rule, &colliders, &entrants)?;
                troop.wait()?;
                if step > 0 {
                    best = best.min(start.elapsed());
                }
                troop.finish()?;
                step += 1;
                (0..count as u32).for_each(|body| residents.ended(body, step));
            }
            let tets = scene.topology.tets.len();
            let rate = (count * tets) as f64 * f64::from(scene.rule.substeps) / best.as_secs_f64();
            let solver = if implicit { "implicit" } else { "xpbd" };
            // A state is read once and written once on the card, and written once to the host's memory.
            let state = 4 * scene.topology.layout.words();
            let work = tets as f64 * f64::from(scene.rule.substeps);
            let limits = [
                ("projections", roof.projections_per_s),
                ("memory", roof.bytes_per_s / (2 * state) as f64 * work),
                ("host memory", roof.host_bytes_per_s / state as f64 * work),
            ];
            let (binding, most) = limits.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("three");
            // What an implicit solve does is none of the roof's projections.
            let share = if implicit {
                String::new()
            } else {
                format!(", \"roof\": \"{binding}\", \"share_of_roof\": {:.4}", rate / most)
            };
            println!(
                "{{\"solver\": \"{solver}\", \"bodies\": {count}, \"tets\": {tets}, \"substeps\": {}, \"step_ms\": {:.4}, \
                 \"tet_substeps_per_s\": {rate:.4e}, \"cpu_tet_substeps_per_s\": {:.4e}{share}}}",
                scene.rule.substeps,
                best.as_secs_f64() * 1e3,
                cpu_rate(&scene),
            );
        }
    }
    Ok(())
}

/// Times steps of so many bodies of a kind, in pairs that overlap a little, in as many intervals as substeps.
fn time_of_pairs(kernels: &Arc<Kernels>, counts: &[usize]) -> Result<(), GpuError> {
    for &count in counts.iter().filter(|count| **count > 1) {
        let pairs = count / 2;
        let crowd = Crowd::pairs_of_cubes(4, pairs);
        let mut coupled = Coupled::new(kernels, [Some(&*crowd.topologies[0])])?;
        let movers: Vec<usize> = (0..2 * pairs).collect();
        let all: Vec<(usize, usize)> = (0..pairs).map(|pair| (2 * pair, 2 * pair + 1)).collect();
        let (mut cast, _) = crowd.cast(&all, &movers, 0);
        let mut residents = residents(kernels, &crowd.bodies.states)?;
        coupled.share(&residents, None)?;
        cast.movers.iter_mut().zip(0..).for_each(|(mover, body)| mover.home = residents.take(body, 0));
        let (mut best, began) = (Duration::MAX, Instant::now());
        // The same step from the same states, which the host's memory still has, as often as there is time for.
        while began.elapsed() < Duration::from_secs(2) || best == Duration::MAX {
            let start = Instant::now();
            coupled.start(&crowd.rule, &Colliders::default(), &cast)?;
            go_through(&mut coupled, crowd.rule.intervals())?;
            coupled.wait()?;
            best = best.min(start.elapsed());
            coupled.finish()?;
        }
        let tets = crowd.topologies[0].tets.len();
        let rate = (2 * pairs * tets) as f64 * f64::from(crowd.rule.substeps) / best.as_secs_f64();
        println!(
            "{{\"solver\": \"xpbd\", \"bodies\": {}, \"pairs\": {pairs}, \"tets\": {tets}, \"substeps\": {}, \"intervals\": {}, \
             \"step_ms\": {:.4}, \"tet_substeps_per_s\": {rate:.4e}}}",
            2 * pairs,
            crowd.rule.substeps,
            crowd.rule.intervals(),
            best.as_secs_f64() * 1e3,
        );
    }
    Ok(())
}

/// Tetrahedra times substeps that one core does in a second, with a body in each lane.
fn cpu_rate(scene: &Scene) -> f64 {
    use rankzero_soft::{Pack, simd::Isa};
    let isa = Isa::best();
    let mut pack = Pack::new(scene.topology.clone(), isa.lanes(), isa);
    let reach = scene.reaches()[0];
    let (mut best, began) = (Duration::MAX, Instant::now());
    while began.elapsed() < Duration::from_millis(300) {
        pack.reset(&scene.topology, isa.lanes());
        (0..isa.lanes()).for_each(|_| {
            pack.join(&scene.states[0], &reach, &scene.rule, &[]);
        });
        let start = Instant::now();
        pack.whole_step(&scene.rule, &[]);
        pack.end(&scene.rule);
        best = best.min(start.elapsed());
    }
    (isa.lanes() * scene.topology.tets.len()) as f64 * f64::from(scene.rule.substeps) / best.as_secs_f64()
}
