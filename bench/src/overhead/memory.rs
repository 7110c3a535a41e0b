//! What a body costs in memory: the slope between two numbers of bodies, so that the program itself does not count.

use super::program::{Program, Run, Summary, folder};
use super::{cubes, file};
use crate::error::BenchError;
use crate::report::Report;

const REPEATS: usize = 3;
/// Sides of the squares of bodies.
const SIDES: [u32; 2] = [10, 32];

/// Bytes a body, beside those of its canonical state.
pub fn measure(program: &Program, report: &mut Report) -> Result<(), BenchError> {
    let folder = folder()?;
    let bodies = f64::from(SIDES[1].pow(2) - SIDES[0].pow(2));
    let slope =
        |few: &Summary, many: &Summary, bytes: fn(&Summary) -> u64| (bytes(many) as f64 - bytes(few) as f64) / bodies;
    let mut pairs = Vec::new();
    for _ in 0..REPEATS {
        let mut summaries = Vec::new();
        for side in SIDES {
            let job = file(folder.path(), "cubes.yaml", &cubes(side))?;
            summaries.push(program.run(&Run { job: &job, ranks: 1, set: &["time.steps=4"], cache: folder.path() })?);
        }
        let resident = |s: &Summary| s.per_rank.iter().map(|rank| rank.resident_bytes).sum();
        let (few, many) = (&summaries[0], &summaries[1]);
        pairs.push((slope(few, many, resident), slope(few, many, |s| s.state_bytes)));
    }
    report.paired("memory, a body of 125 nodes", "B", &pairs, "its state");
    Ok(())
}
