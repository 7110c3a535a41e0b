//! The heap: a thousand bodies that fall together until they rest on each other.

use super::Bench;
use super::plot::{Line, over_time};
use super::speed::SUBSTEPS;
use crate::clock::Whose;
use crate::engine::{Engine, Ours, on_threads, run};
use crate::error::BenchError;
use crate::stats::Measured;
use crate::world::{RATE, World, heap};

/// What a step cost, CPU milliseconds.
#[derive(Clone, Copy, Debug)]
struct Cost {
    whole: f64,
    /// Of the whole, finding and computing contacts between bodies.
    contact: f64,
}

/// Cost over time with rankzero, and of a small heap beside the peers whose soft bodies meet each other.
pub fn measure(bench: &mut Bench) -> Result<(), BenchError> {
    let (side, layers, steps) = if bench.quick { (5, 2, RATE) } else { (16, 4, 3 * RATE) };
    let world = heap(side, layers)?;
    let runs = if bench.quick { 1 } else { 2 };
    let costs = on_threads(1, || (0..runs).map(|_| steps_of(&world, steps)).collect::<Result<Vec<_>, _>>())?;
    let name = format!("heap of {}", world.bodies());
    rows(bench, &name, &costs);
    let line = |name: &str, pick: fn(&Cost) -> f64| Line {
        name: name.to_owned(),
        points: costs[0].iter().enumerate().map(|(i, cost)| (i as f64 / RATE as f64, pick(cost))).collect(),
    };
    let lines = [line("whole step", |c| c.whole), line("without contacts between bodies", |c| c.whole - c.contact)];
    over_time(&bench.folder.join("heap.svg"), &format!("{name}, one thread"), &lines)?;
    beside_peers(bench)
}

fn steps_of(world: &World, steps: u64) -> Result<Vec<Cost>, BenchError> {
    let mut engine = Ours::of(world, SUBSTEPS)?;
    let mut costs = Vec::new();
    for _ in 0..steps {
        let before = engine.split().contact;
        let (done, taken) = Whose::Thread.time(|| engine.step());
        done?;
        // The engine's own clocks are those on the wall; other programs hold up all parts of a step alike.
        let share = (engine.split().contact - before).as_secs_f64() / taken.wall_s;
        costs.push(Cost { whole: 1e3 * taken.cpu_s, contact: 1e3 * taken.cpu_s * share });
    }
    Ok(costs)
}

fn rows(bench: &mut Bench, name: &str, runs: &[Vec<Cost>]) {
    let median = |steps: &[Cost], pick: fn(&Cost) -> f64| Measured::of(steps.iter().map(pick)).median;
    let late = |run: &Vec<Cost>| run[run.len() - run.len() / 3..].to_vec();
    let each = |figure: &dyn Fn(&Vec<Cost>) -> f64| runs.iter().map(figure).collect::<Vec<_>>();
    let report = &mut bench.report;
    let falling = each(&|run| median(&run[..6.min(run.len())], |c| c.whole));
    let dearest = each(&|run| run.iter().map(|c| c.whole).fold(0.0, f64::max));
    let rest = each(&|run| median(&late(run), |c| c.whole));
    let alone = each(&|run| median(&late(run), |c| c.whole - c.contact));
    report.alone(&format!("{name}, CPU of a step, falling"), "ms", &falling);
    report.alone(&format!("{name}, CPU of the dearest step"), "ms", &dearest);
    report.alone(&format!("{name}, CPU of a step, resting"), "ms", &rest);
    let pairs: Vec<(f64, f64)> = alone.into_iter().zip(rest).collect();
    report.paired(&format!("{name}, resting, without contacts"), "ms", &pairs, "with");
}

/// A heap small enough for everybody, over the same steps in both engines.
fn beside_peers(bench: &mut Bench) -> Result<(), BenchError> {
    let world = heap(4, 2)?;
    let (steps, budget, repeats) = (2 * RATE, 2.0 * bench.budget_s(), bench.repeats().min(3));
    for peer in bench.peers.clone().into_iter().filter(|peer| peer.meets && peer.passes) {
        let pairs = on_threads(1, || {
            let mut pairs = Vec::new();
            for _ in 0..repeats {
                let theirs = run(&mut *peer.make(&world, SUBSTEPS)?, steps, budget)?;
                let ours = run(&mut Ours::of(&world, SUBSTEPS)?, theirs.steps, f64::INFINITY)?;
                let of_a_step = |cpu_s: f64| 1e3 * cpu_s / theirs.steps as f64;
                pairs.push((of_a_step(ours.taken.cpu_s), of_a_step(theirs.taken.cpu_s)));
            }
            Ok(pairs)
        })?;
        bench.report.paired(&format!("heap of {}, CPU of a step", world.bodies()), "ms", &pairs, peer.name);
    }
    Ok(())
}
