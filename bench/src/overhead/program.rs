//! The program that is measured: found or built, run on a job, its summary read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use tempfile::TempDir;

use crate::error::BenchError;
use crate::{root, target};

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
    /// Each rank's own figures.
    pub per_rank: Vec<RankFigures>,
}

/// One rank's figures.
#[derive(Clone, Debug, Deserialize)]
pub struct RankFigures {
    /// Largest resident size, bytes.
    pub resident_bytes: u64,
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

/// The built program and the folder of the workspace's build.
#[derive(Debug)]
pub struct Program {
    binary: PathBuf,
    target: PathBuf,
}

impl Program {
    /// `rankzero` beside this very program; cargo builds it first where it is missing or older than its
    /// sources.
    ///
    /// # Errors
    /// [`BenchError`] where it cannot be built.
    pub fn find() -> Result<Self, BenchError> {
        cargo(&["build", "--release", "-p", "rankzero"])?;
        let target = target()?;
        Ok(Program { binary: target.join("release/rankzero"), target })
    }

    /// Runs a job in a folder of its own and reads its summary.
    ///
    /// # Errors
    /// [`BenchError`] where it fails.
    pub fn run(&self, run: &Run) -> Result<Summary, BenchError> {
        let folder = folder()?;
        let mut command = Command::new(&self.binary);
        command.arg("launch").arg(run.job).args(["-n", &run.ranks.to_string(), "--threads", "1", "--quiet", "--json"]);
        command.arg("--run-dir").arg(folder.path());
        command.args(run.set.iter().flat_map(|set| ["--set", set])).env("RANKZERO_CACHE_DIR", run.cache);
        let stdout = output(&mut command)?;
        serde_json::from_str(&stdout)
            .map_err(|error| BenchError::Unexpected { command: words(&command), what: error.to_string() })
    }

    /// Builds an example of a package and runs it on two ranks of mpirun; what it printed. `None` without mpirun.
    ///
    /// # Errors
    /// [`BenchError`] where it cannot be built or fails.
    pub fn example_on_two_ranks(&self, package: &str, example: &str) -> Result<Option<String>, BenchError> {
        let plain =
            [OsStr::new("launch"), OsStr::new("any"), OsStr::new("-n"), OsStr::new("2"), OsStr::new("--dry-run")];
        let Ok(line) = output(Command::new(&self.binary).args(plain)) else { return Ok(None) };
        cargo(&["build", "--release", "-p", package, "--example", example])?;
        // The launcher and its options, up to the program.
        let binary = self.binary.display().to_string();
        let launcher: Vec<&str> = line.split_whitespace().take_while(|word| *word != binary).collect();
        let [mpirun, options @ ..] = launcher.as_slice() else { return Ok(None) };
        let file = self.target.join("release/examples").join(example);
        output(Command::new(mpirun).args(options).arg(file)).map(Some)
    }
}

/// A folder that ends with its owner.
///
/// # Errors
/// [`BenchError::Io`] where there is no place for it.
pub fn folder() -> Result<TempDir, BenchError> {
    tempfile::tempdir().map_err(BenchError::io("create a folder in", std::env::temp_dir()))
}

fn cargo(arguments: &[&str]) -> Result<(), BenchError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    output(Command::new(cargo).args(arguments).current_dir(root())).map(drop)
}

/// Runs a command to its end; what it printed.
fn output(command: &mut Command) -> Result<String, BenchError> {
    let program = PathBuf::from(command.get_program());
    let output = command.stdin(Stdio::null()).output().map_err(BenchError::io("start", program))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(BenchError::Failed { command: words(command), status: output.status, stderr });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn words(command: &Command) -> String {
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    all.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
