//! Why a sweep cannot go on, and its exit code.

use rankzero_job::JobError;
use rankzero_slurm::EnvError;
use rankzero_slurm::commands::SlurmError;
use rankzero_sweep::SweepError;

use crate::launch::LaunchError;
use crate::submit::SubmitError;

/// Why a sweep cannot begin, or go on. A run that fails is no such reason: it is a result.
#[derive(Debug, thiserror::Error)]
pub enum SweepFailure {
    /// The job is wrong, or cannot grow.
    #[error("{0}")]
    Job(#[from] JobError),
    /// The plan, or a file of the sweep.
    #[error("error: {0}")]
    Sweep(#[from] SweepError),
    /// Ranks cannot be started.
    #[error("error: {0}")]
    Launch(#[from] LaunchError),
    /// The launcher's environment makes no sense.
    #[error("error: {0}")]
    Environment(#[from] EnvError),
    /// The allocation is too small.
    #[error(
        "error: --nodes: {wanted} nodes, but the allocation {job} has {have}; leave the larger sizes out, or ask for more nodes (`salloc -N {wanted}`)"
    )]
    FewNodes {
        /// The largest size.
        wanted: u32,
        /// Nodes of the allocation.
        have: usize,
        /// Its number.
        job: u64,
    },
    /// Slurm is wanted, and there is no allocation.
    #[error(
        "error: --through steps: this is no allocation of Slurm; `salloc -N …` makes one, `--through jobs` asks for one for each run"
    )]
    NoAllocation,
    /// A job of Slurm cannot be made.
    #[error("error: {0}")]
    Batch(#[from] SubmitError),
    /// Slurm refused a job.
    #[error("error: {source}{}; `--through here` runs the sweep on this machine", taken_back(.submitted))]
    Submit {
        /// Its words.
        source: SlurmError,
        /// The jobs that it had taken before.
        submitted: Vec<u64>,
    },
    /// The point is not of this sweep.
    #[error("error: --point {0}: the sweep has no such run")]
    NoSuchPoint(rankzero_sweep::Point),
}

impl SweepFailure {
    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            SweepFailure::Job(_) | SweepFailure::Sweep(SweepError::Plan { .. }) | SweepFailure::NoSuchPoint(_) => 2,
            SweepFailure::Sweep(SweepError::Busy { .. })
            | SweepFailure::Launch(_)
            | SweepFailure::Environment(_)
            | SweepFailure::FewNodes { .. }
            | SweepFailure::NoAllocation
            | SweepFailure::Batch(_)
            | SweepFailure::Submit { .. } => 3,
            SweepFailure::Sweep(_) => 1,
        }
    }
}

fn taken_back(jobs: &[u64]) -> String {
    let numbers: Vec<String> = jobs.iter().map(u64::to_string).collect();
    if numbers.is_empty() {
        String::new()
    } else {
        format!("; `scancel {}` takes back the jobs before it", numbers.join(" "))
    }
}
