//! The solver suite: how fast the solver is, how right, and what is left of the machine, beside other engines.
//!
//! Everything but the measure of threads runs on one thread. Engines take turns, repeat by repeat. CPU seconds are those of the
//! thread.

mod accuracy;
mod curve;
mod heap;
mod idle;
pub(crate) mod plot;
pub(crate) mod reference;
mod roof;
mod speed;
mod stream;
mod threads;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::BenchError;
use crate::peers::{self, Peer};
use crate::report::Report;
use crate::surface;

/// How the suite is to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Few repeats of small scenes: to see that it runs, not to be quoted.
    pub quick: bool,
    /// Surface file of the bodies with a mesh; a figure of its own without.
    pub mesh: Option<PathBuf>,
}

/// What a measure works with.
#[derive(Debug)]
struct Bench {
    quick: bool,
    peers: Vec<Peer>,
    /// Where plots go.
    folder: PathBuf,
    /// Surface file of the bodies with a mesh.
    mesh: PathBuf,
    report: Report,
}

impl Bench {
    /// Times that something is measured.
    fn repeats(&self) -> usize {
        if self.quick { 1 } else { 5 }
    }

    /// CPU seconds after which a run ends early.
    fn budget_s(&self) -> f64 {
        if self.quick { 0.5 } else { 6.0 }
    }

    /// Sides of the two squares of cubes.
    fn sides(&self) -> [u32; 2] {
        if self.quick { [4, 8] } else { [8, 32] }
    }
}

/// Measures something and adds its rows.
type Measure = fn(&mut Bench) -> Result<(), BenchError>;

const ALL: [(&str, Measure); 6] = [
    ("speed", speed::measure),
    ("the roof", roof::measure),
    ("accuracy", accuracy::measure),
    ("the heap", heap::measure),
    ("threads", threads::measure),
    ("sleeping and memory", idle::measure),
];

/// Measures everything.
///
/// # Errors
/// [`BenchError`] where an engine fails or a file cannot be written.
pub fn measure(options: &Options) -> Result<Report, BenchError> {
    let folder = crate::target()?.join("bench");
    fs::create_dir_all(&folder).map_err(BenchError::io("create", &folder))?;
    let mesh = mesh(options, &folder)?;
    let mut bench = Bench { quick: options.quick, peers: peers::all(), folder, mesh, report: Report::default() };
    if bench.peers.is_empty() {
        eprintln!("built without `--features peers`: rankzero alone");
    }
    for (what, measure) in ALL {
        eprintln!("measuring {what}");
        measure(&mut bench)?;
    }
    Ok(bench.report)
}

fn mesh(options: &Options, folder: &Path) -> Result<PathBuf, BenchError> {
    let file = match &options.mesh {
        Some(file) => file.clone(),
        None => {
            let file = folder.join("figure.obj");
            fs::write(&file, surface::figure()).map_err(BenchError::io("write", &file))?;
            file
        }
    };
    file.canonicalize().map_err(BenchError::io("find", file))
}
