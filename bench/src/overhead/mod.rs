//! What rankzero costs beyond the simulation itself.
//!
//! Every measure runs the built program on a small job, several times, and takes its figures from `summary.json`.

mod memory;
pub(crate) mod program;
mod ranks;
mod solver;
mod start;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::BenchError;
use crate::report::Report;
use program::Program;

/// Measures something and adds its rows.
type Measure = fn(&Program, &mut Report) -> Result<(), BenchError>;

/// Everything, under the name that is shown while it runs.
const ALL: [(&str, Measure); 4] = [
    ("the solver", solver::measure),
    ("8 ranks against 1", ranks::measure),
    ("memory", memory::measure),
    ("start-up", start::measure),
];

/// Measures everything.
///
/// # Errors
/// [`BenchError`] where the program cannot be built, or fails.
pub fn measure() -> Result<Report, BenchError> {
    let program = Program::find()?;
    let mut report = Report::default();
    for (what, measure) in ALL {
        eprintln!("measuring {what}");
        measure(&program, &mut report)?;
    }
    Ok(report)
}

/// Adds what 8 ranks cost over 1, by rung, of so many repeats.
///
/// # Errors
/// As [`measure`].
pub fn ranks(report: &mut Report, repeats: usize) -> Result<(), BenchError> {
    ranks::repeated(&Program::find()?, report, repeats)
}

/// Writes a file into a folder; its path.
fn file(folder: &Path, name: &str, text: &str) -> Result<PathBuf, BenchError> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(BenchError::io("write", &path))?;
    Ok(path)
}

/// Cubes of 1 m and 5 × 5 × 5 nodes, dropped 0.5 m onto a plane, far from each other: `side`² of them.
fn cubes(side: u32) -> String {
    format!(
        "name: cubes
time: {{ steps: 60, substeps: 10 }}
sleep: {{ enabled: false }}
materials: {{ soft: {{ density_kg_m3: 1000, young_pa: 5.0e4, poisson: 0.3 }} }}
soft_bodies:
  - name: cubes
    shape: {{ box: {{ size_m: [1, 1, 1], cells: [4, 4, 4] }} }}
    material: soft
    layout: {{ grid: {{ origin_m: [0, 1, 0], spacing_m: [2, 1, 2], cells: [{side}, 1, {side}] }} }}
environment: {{ planes: [{{ friction: 0.5 }}] }}
output: {{ frames: {{ geometry: none }} }}
"
    )
}
