//! Start-up of a job with a mesh: with nothing in the cache of cooked meshes, and with everything in it.

use super::file;
use super::program::{Program, Run, folder};
use crate::error::BenchError;
use crate::report::Report;
use crate::surface;

const REPEATS: usize = 5;

const JOB: &str = "name: start
time: { steps: 1 }
materials: { rubber: { density_kg_m3: 900, young_pa: 1.0e5, poisson: 0.4 } }
soft_bodies:
  - name: ball
    shape: { mesh: { file: sphere.obj, tetrahedra: { voxel: { resolution: 16 } } } }
    material: rubber
output: { frames: { geometry: none } }
";

/// Seconds from the start of the process to the first step.
pub fn measure(program: &Program, report: &mut Report) -> Result<(), BenchError> {
    let folder = folder()?;
    file(folder.path(), "sphere.obj", &surface::obj(|_| 0.5))?;
    let job = file(folder.path(), "start.yaml", JOB)?;
    let mut pairs = Vec::new();
    for repeat in 0..REPEATS {
        let cache = folder.path().join(format!("cache-{repeat}"));
        let run = Run { job: &job, ranks: 1, set: &[], cache: &cache };
        let (cold, warm) = (program.run(&run)?.start_s, program.run(&run)?.start_s);
        pairs.push((warm, cold));
    }
    report.paired("start, warm mesh cache", "s", &pairs, "cold");
    Ok(())
}
