//! Speed: cubes that fall, and bodies of a mesh file that fall, in all engines.

use super::Bench;
use crate::engine::{Engine, Ours, Ran, on_threads, run};
use crate::error::BenchError;
use crate::peers::Peer;
use crate::report::Report;
use crate::world::{RATE, World, cubes, figures};

/// Substeps of a step, in every engine.
pub const SUBSTEPS: u32 = 10;

/// Tetrahedron substeps per CPU second and CPU time per step, each against each peer.
pub fn measure(bench: &mut Bench) -> Result<(), BenchError> {
    let [few, many] = bench.sides();
    for side in [few, many] {
        one(bench, &format!("{} cubes", side * side), &cubes(side)?)?;
    }
    let world = figures(&bench.mesh, few)?;
    let tets = world.scene.topology(0).tets.len();
    one(bench, &format!("{} figures of {tets} tets", few * few), &world)
}

/// What a run comes to: (tetrahedron substeps per CPU second, CPU milliseconds per step).
fn figures_of(world: &World, ran: Ran) -> (f64, f64) {
    let steps = ran.steps as f64;
    (world.tets() * f64::from(SUBSTEPS) * steps / ran.taken.cpu_s, 1e3 * ran.taken.cpu_s / steps)
}

fn one(bench: &mut Bench, name: &str, world: &World) -> Result<(), BenchError> {
    let (budget, repeats) = (bench.budget_s(), bench.repeats());
    let peers: Vec<Peer> = bench.peers.iter().filter(|peer| peer.passes).copied().collect();
    let (ours, others) = on_threads(1, || {
        let (mut ours, mut others) = (Vec::new(), vec![Vec::new(); peers.len()]);
        for _ in 0..repeats {
            let timed = |engine: &mut dyn Engine| Ok(figures_of(world, run(engine, RATE, budget)?));
            ours.push(timed(&mut Ours::of(world, SUBSTEPS)?)?);
            for (peer, samples) in peers.iter().zip(&mut others) {
                samples.push(timed(&mut *peer.make(world, SUBSTEPS)?)?);
            }
        }
        Ok((ours, others))
    })?;
    let names: Vec<&str> = peers.iter().map(|peer| peer.name).collect();
    let rows = |report: &mut Report, what: &str, unit, pick: fn(&(f64, f64)) -> f64| {
        let mine: Vec<f64> = ours.iter().map(pick).collect();
        beside(report, &format!("{name}, {what}"), unit, &mine, &names, |peer| others[peer].iter().map(pick).collect());
    };
    rows(&mut bench.report, "speed", "tet·sub/s", |f| f.0);
    rows(&mut bench.report, "CPU of a step", "ms", |f| f.1);
    Ok(())
}

/// A row against each peer; one row alone where there is none.
pub fn beside(
    report: &mut Report,
    name: &str,
    unit: &'static str,
    mine: &[f64],
    peers: &[&str],
    theirs: impl Fn(usize) -> Vec<f64>,
) {
    if peers.is_empty() {
        report.alone(name, unit, mine);
    }
    for (index, peer) in peers.iter().enumerate() {
        let pairs: Vec<(f64, f64)> = mine.iter().copied().zip(theirs(index)).collect();
        report.paired(name, unit, &pairs, peer);
    }
}
