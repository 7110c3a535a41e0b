//! The paths between ranks, each beside what its medium gives without us: shared memory and `memcpy`, TCP and plain sockets, MPI
//! and a plain MPI program, RDMA and perftest in the laboratory; the codec of differences beside copying and LZ4; and what it
//! costs to distribute a run over each rung.
//!
//! Programs do the measuring, the examples of `rankzero-comm` above all; this runs them by turns and gathers their figures.

mod lab;
mod lines;
mod mpi;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::BenchError;
use crate::overhead;
use crate::process::{cargo, output};
use crate::report::Report;
use crate::target;

/// How long it may take.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// Repeats within a program.
    within: usize,
    /// Runs of programs that take turns.
    runs: usize,
    /// Rounds in the laboratory.
    laboratory: usize,
    /// Messages that instructions are counted with.
    counted: usize,
}

/// Where the programs are.
#[derive(Debug)]
struct Programs {
    examples: PathBuf,
    /// What is built for this suite alone.
    own: PathBuf,
}

/// Measures everything into `report`, which keeps what was measured before something failed; `quick`: whether it all runs, with
/// figures that are not to be quoted.
///
/// # Errors
/// [`BenchError`] where a program cannot be built, or fails. A machine without MPI, or without the laboratory, is none.
pub fn measure(quick: bool, report: &mut Report) -> Result<(), BenchError> {
    cargo(&["build", "--release", "-p", "rankzero-comm", "--examples"])?;
    let target = target()?;
    let own = target.join("bench");
    std::fs::create_dir_all(&own).map_err(BenchError::io("create", &own))?;
    let programs = Programs { examples: target.join("release/examples"), own };
    let effort = if quick {
        Effort { within: 3, runs: 1, laboratory: 1, counted: 100 }
    } else {
        Effort { within: 31, runs: 9, laboratory: 5, counted: 1000 }
    };
    for (what, example) in
        [("shared memory", "shm_pingpong"), ("TCP", "tcp_pingpong"), ("the codec of differences", "delta")]
    {
        eprintln!("measuring {what}");
        let program = programs.examples.join(example);
        let text = output(Command::new(&program).arg("--json").arg(effort.within.to_string()))?;
        lines::add(report, &lines::parse(example, &text)?);
    }
    eprintln!("measuring MPI");
    mpi::measure(&programs, effort, report)?;
    eprintln!("measuring RDMA in the laboratory");
    lab::measure(&programs, effort, report)?;
    eprintln!("measuring 8 ranks against 1, by rung");
    overhead::ranks(report, if quick { 1 } else { effort.runs / 3 })
}

/// Compiles a program of one C file; `None` where there is no such compiler.
fn compile(compiler: &str, flags: &[&str], source: &Path, into: &Path) -> Result<Option<()>, BenchError> {
    let mut command = Command::new(compiler);
    command.args(["-O2", "-Wall", "-Wextra", "-o"]).arg(into).arg(source).args(flags);
    match output(&mut command) {
        Ok(_) => Ok(Some(())),
        Err(BenchError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
