//! How fast a card is.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rankzero_gpu::{Exported, GpuError, Lane};
use rankzero_gpu_solver::roof::{Effort, Roof};
use rankzero_gpu_solver::{Colliders, Coupled, Entrant, Kernels, Residents, Troop};

use super::common::crowd::Crowd;
use super::common::rig::{Bodies, reach_of};
use super::common::scene::Scene;
use super::go_through;

/// Times all there is to time, with so many bodies each; `compiled` is a folder with compiled kernels.
pub fn all(kernels: &Arc<Kernels>, compiled: Option<&Path>, counts: &[usize]) -> Result<(), GpuError> {
    let roof = roof(kernels, compiled, counts)?;
    time_of_ways(kernels, counts)?;
    time_of_bodies(kernels, counts, roof)?;
    time_of_pairs(kernels, counts)
}

/// Times copies between the card and pinned memory, and looks whether device memory can be exported for RDMA.
fn time_of_ways(kernels: &Arc<Kernels>, counts: &[usize]) -> Result<(), GpuError> {
    let words = if is_real(counts) { 1 << 26 } else { 1 << 12 };
    let mut lane = Lane::new(kernels.card())?;
    let (arena, buffer) = (lane.add_arena(words)?, lane.add_buffer(words)?);
    let mut rate = |copy: &dyn Fn(&mut Lane) -> Result<(), GpuError>| {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            copy(&mut lane)?;
            lane.wait()?;
            best = best.min(start.elapsed());
        }
        Ok::<_, GpuError>(4.0 * words as f64 / best.as_secs_f64())
    };
    let up = rate(&|lane| lane.upload(arena, 0..words, buffer, 0))?;
    let down = rate(&|lane| lane.download(buffer, 0..words, arena, 0))?;
    let exported = match Exported::new(kernels.card(), words) {
        Ok(exported) => format!("exported, {} bytes", 4 * exported.memory().words()),
        Err(error) => error.to_string(),
    };
    println!("{{\"upload_bytes_per_s\": {up:.4e}, \"download_bytes_per_s\": {down:.4e}, \"dma_buf\": {exported:?}}}");
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
fn time_of_bodies(kernels: &Arc<Kernels>, counts: &[usize], roof: Roof) -> Result<(), GpuError> {
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
            let mut residents = Residents::of_states(kernels.card(), &vec![bodies.states[0].clone(); count])?;
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
        let mut residents = Residents::of_states(kernels.card(), &crowd.bodies.states)?;
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
