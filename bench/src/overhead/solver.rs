//! How fast the solver is, on a scene that other engines have been measured on.

use super::program::{Program, Run, folder};
use super::{cubes, file};
use crate::error::BenchError;
use crate::report::Report;

const REPEATS: usize = 9;
/// Jolt 5.6 on this scene, without contacts between soft bodies: tet·iterations per CPU second on an AVX-512 server core.
const JOLT: f64 = 2.7e7;

/// 64 cubes for 1 s, one rank of one thread.
pub fn measure(program: &Program, report: &mut Report) -> Result<(), BenchError> {
    let folder = folder()?;
    let job = file(folder.path(), "cubes.yaml", &cubes(8))?;
    let run = Run { job: &job, ranks: 1, set: &[], cache: folder.path() };
    let mut rates = Vec::new();
    for _ in 0..REPEATS {
        rates.push(program.run(&run)?.tet_substeps_per_cpu_s);
    }
    report.against("solver, 64 cubes", "tet·sub/s", &rates, "Jolt 5.6, published: 2.7e7", JOLT);
    Ok(())
}
