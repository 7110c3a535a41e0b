//! What rest costs, and what memory.

use super::Bench;
use super::speed::SUBSTEPS;
use crate::allocations::Allocations;
use crate::engine::{Engine, Ours, Ran, on_threads, run};
use crate::error::BenchError;
use crate::world::{RATE, World, cubes, heap, resting_cubes};

/// Nobody is waited for longer to fall asleep, steps.
const PATIENCE: u64 = 600;

/// A step of a scene that sleeps against one that is awake; bytes and allocations.
pub fn measure(bench: &mut Bench) -> Result<(), BenchError> {
    sleeping(bench)?;
    memory(bench)
}

fn sleeping(bench: &mut Bench) -> Result<(), BenchError> {
    let (asleep, awake) = (resting_cubes(16, true)?, resting_cubes(16, false)?);
    let repeats = bench.repeats().min(3);
    let pairs = on_threads(1, || {
        let mut pairs = Vec::new();
        for _ in 0..repeats {
            let mut still = Ours::of(&asleep, SUBSTEPS)?;
            let mut steps = 0;
            while still.asleep() < asleep.bodies() as usize && steps < PATIENCE {
                still.step()?;
                steps += 1;
            }
            if steps == PATIENCE {
                return Ok(None);
            }
            let of_a_step = |ran: Ran| 1e3 * ran.taken.cpu_s / ran.steps as f64;
            let still = of_a_step(run(&mut still, RATE, f64::INFINITY)?);
            let active = of_a_step(run(&mut Ours::of(&awake, SUBSTEPS)?, RATE / 4, f64::INFINITY)?);
            pairs.push((still, active));
        }
        Ok(Some(pairs))
    })?;
    match pairs {
        Some(pairs) => {
            bench.report.paired(&format!("{} cubes asleep, CPU of a step", asleep.bodies()), "ms", &pairs, "awake")
        }
        None => eprintln!("the cubes do not fall asleep within {PATIENCE} steps: sleeping is not measured"),
    }
    Ok(())
}

fn memory(bench: &mut Bench) -> Result<(), BenchError> {
    let falling = cubes(16)?;
    let lying = heap(6, 2)?;
    let worlds = [("cubes of 125 nodes", &falling), ("a heap of cubes of 27 nodes", &lying)];
    for (name, world) in worlds {
        let (bytes, calls) = on_threads(1, || allocations_of(world))?;
        let state: f64 = (0..world.bodies()).map(|body| world.scene.topology(body).state_bytes() as f64).sum();
        let bodies = f64::from(world.bodies());
        bench.report.paired(
            &format!("{name}, heap memory of a body"),
            "B",
            &[(bytes / bodies, state / bodies)],
            "its state",
        );
        bench.report.alone(&format!("{name}, allocations of a step"), "", &[calls]);
    }
    Ok(())
}

/// Bytes in use by the engine, and allocations of a step, both once it has warmed up for a second.
fn allocations_of(world: &World) -> Result<(f64, f64), BenchError> {
    let scene = world.scene_with(SUBSTEPS)?;
    let before = Allocations::now();
    let mut engine = Ours::new(scene)?;
    for _ in 0..RATE {
        engine.step()?;
    }
    let warm = Allocations::now();
    for _ in 0..RATE {
        engine.step()?;
    }
    let calls = Allocations::now().calls - warm.calls;
    Ok((warm.live_bytes.saturating_sub(before.live_bytes) as f64, calls as f64 / RATE as f64))
}
