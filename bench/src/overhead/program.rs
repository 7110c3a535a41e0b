//! The program that is measured: found or built, run on a job, its summary read.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use crate::error::BenchError;
use crate::process::{cargo, output, words};
use crate::target;

/// What a run says about itself; the part of `summary.json` that is measured here.
#[derive(Clone, Debug, Deserialize)]
pub struct Summary {
    /// BLAKE3 of the final state.
    pub digest: String,
    /// Seconds from the start to the first step.
    pub start_s: f64,
    /// CPU seconds of all ranks from the first step on.
    pub cpu_steps_s: f64,
    /// Tetrahedron substeps per CPU second.
    pub tet_substeps_per_cpu_s: f64,
    /// Bytes of canonical state.
    pub state_bytes: u64,
    /// Seconds of the ranks' main threads by kind of work.
    pub time_split: std::collections::BTreeMap<String, f64>,
    /// What went over each rung.
    pub bytes_by_fabric: Vec<Traffic>,
    /// Each rank's own figures.
    pub per_rank: Vec<RankFigures>,
    /// Losses that were made good.
    pub recoveries: Vec<Recovery>,
}

/// A loss that was made good: milliseconds from its first sign.
#[derive(Clone, Debug, Deserialize)]
pub struct Recovery {
    /// From the death to the first sign.
    pub detected_ms: Option<f64>,
    /// To the decision who goes on.
    pub elected_ms: f64,
    /// To the state restored.
    pub restored_ms: f64,
    /// To the end of the next step.
    pub resumed_ms: f64,
    /// Steps that had been done.
    pub at_step: u64,
    /// The step from which the run went on.
    pub from_step: u64,
}

/// Bytes over one rung.
#[derive(Clone, Debug, Deserialize)]
pub struct Traffic {
    /// The rung.
    pub fabric: String,
    /// Bytes sent by all ranks.
    pub sent_bytes: u64,
}

/// One rank's figures.
#[derive(Clone, Debug, Deserialize)]
pub struct RankFigures {
    /// Largest resident size, bytes.
    pub resident_bytes: u64,
    /// Bytes of copies sent.
    pub copied_bytes: u64,
    /// Epochs begun.
    pub epochs: u64,
}

/// A job and how it is run.
#[derive(Debug)]
pub struct Run<'a> {
    /// The job file.
    pub job: &'a Path,
    /// Ranks, each of one thread.
    pub ranks: u32,
    /// Overrides, `path=value`.
    pub set: &'a [&'a str],
    /// Folder of cooked meshes.
    pub cache: &'a Path,
}

/// The built program.
#[derive(Debug)]
pub struct Program {
    binary: PathBuf,
}

impl Program {
    /// `rankzero` beside this very program; cargo builds it first where it is missing or older than its
    /// sources.
    ///
    /// # Errors
    /// [`BenchError`] where it cannot be built.
    pub fn find() -> Result<Self, BenchError> {
        cargo(&["build", "--release", "-p", "rankzero"])?;
        Ok(Program { binary: target()?.join("release/rankzero") })
    }

    /// Runs a job in a folder of its own and reads its summary.
    ///
    /// # Errors
    /// [`BenchError`] where it fails.
    pub fn run(&self, run: &Run) -> Result<Summary, BenchError> {
        self.run_with(run, &[])
    }

    /// The same with more variables in its environment.
    ///
    /// # Errors
    /// As there.
    pub fn run_with(&self, run: &Run, environment: &[(&str, &str)]) -> Result<Summary, BenchError> {
        let folder = folder()?;
        let mut command = Command::new(&self.binary);
        command.arg("launch").arg(run.job).args(["-n", &run.ranks.to_string(), "--threads", "1", "--quiet", "--json"]);
        command.arg("--run-dir").arg(folder.path());
        command.args(run.set.iter().flat_map(|set| ["--set", set])).env("RANKZERO_CACHE_DIR", run.cache);
        command.envs(environment.iter().copied());
        let stdout = output(&mut command)?;
        serde_json::from_str(&stdout)
            .map_err(|error| BenchError::Unexpected { command: words(&command), what: error.to_string() })
    }
}

/// A folder that ends with its owner.
///
/// # Errors
/// [`BenchError::Io`] where there is no place for it.
pub fn folder() -> Result<TempDir, BenchError> {
    tempfile::tempdir().map_err(BenchError::io("create a folder in", std::env::temp_dir()))
}
