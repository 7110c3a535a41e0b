//! Threads: the larger square of cubes on one core, and on all.

use super::Bench;
use super::speed::SUBSTEPS;
use crate::clock::{Taken, Whose};
use crate::engine::{Engine, Ours, on_threads};
use crate::error::BenchError;
use crate::world::{World, cubes};

/// Steps that are timed, after as many that are not: bodies are on the floor in the second half.
const STEPS: u64 = 24;

/// Wall and CPU time of a step for 1, 2, 4, … and all cores.
pub fn measure(bench: &mut Bench) -> Result<(), BenchError> {
    let world = cubes(bench.sides()[1])?;
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let mut counts: Vec<usize> = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|n| *n < all).collect();
    counts.push(all);
    let mut taken: Vec<Vec<Taken>> = vec![Vec::new(); counts.len()];
    for _ in 0..bench.repeats().min(3) {
        for (count, samples) in counts.iter().zip(&mut taken) {
            samples.push(on_threads(*count, || one(&world))?);
        }
    }
    let name = format!("{} cubes", world.bodies());
    for (count, samples) in counts.iter().zip(&taken) {
        let of_a_step: Vec<f64> = samples.iter().map(|t| 1e3 * t.wall_s / STEPS as f64).collect();
        bench.report.alone(&format!("{name}, {count} threads, wall of a step"), "ms", &of_a_step);
        let against_one = || samples.iter().zip(&taken[0]);
        let gains: Vec<f64> = against_one().map(|(many, one)| one.wall_s / many.wall_s).collect();
        bench.report.against(&format!("{name}, {count} threads, speed-up"), "×", &gains, "ideal", *count as f64);
        let cpu = |t: &Taken| 1e3 * t.cpu_s / STEPS as f64;
        let pairs: Vec<(f64, f64)> = against_one().map(|(many, one)| (cpu(many), cpu(one))).collect();
        bench.report.paired(&format!("{name}, {count} threads, CPU of a step"), "ms", &pairs, "1 thread");
    }
    Ok(())
}

fn one(world: &World) -> Result<Taken, BenchError> {
    let mut engine = Ours::of(world, SUBSTEPS)?;
    for _ in 0..STEPS {
        engine.step()?;
    }
    let (done, taken) = Whose::Process.time(|| (0..STEPS).try_for_each(|_| engine.step()));
    done?;
    Ok(taken)
}
