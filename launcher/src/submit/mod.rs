//! `rankzero submit JOB`: a batch script as a person would have written it, printed, kept, or given to sbatch.
//!
//! The script says what a reader has to know about the job; what is hard, `rankzero launch` does inside the allocation ([`crate::launch`]).

mod render;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rankzero_slurm::commands::{Slurm, SlurmError};
use rankzero_slurm::script::{NotADirective, NotAWord};

pub(crate) use render::{BEFORE_VARIABLE, REQUEUES_VARIABLE, resources, surroundings, wishes};
pub use render::{Request, render};

/// How long sbatch may take; a busy slurmctld takes its time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Why a job cannot be submitted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Slurm said no, or nothing.
    #[error("{0}")]
    Slurm(#[from] SlurmError),
    /// There is no Slurm here.
    #[error(
        "there is no `sbatch` on PATH: this is no machine of a Slurm cluster, or its module is not loaded; `--dry-run` prints the script, \
         `rankzero launch` starts the ranks on this machine"
    )]
    NoSlurm,
    /// A value that sbatch would read as something else.
    #[error(transparent)]
    Directive(#[from] NotADirective),
    /// A value that no shell can carry.
    #[error(transparent)]
    Word(#[from] NotAWord),
    /// The script cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A path of this process that is not Unicode.
    #[error("`{}` is not Unicode", .0.display())]
    NotUnicode(PathBuf),
}

/// Gives a script to sbatch; the job's number.
///
/// # Errors
/// [`SubmitError::NoSlurm`], [`SubmitError::Slurm`].
pub fn submit(slurm: &Slurm, script: &str) -> Result<u64, SubmitError> {
    if !slurm.has("sbatch") {
        return Err(SubmitError::NoSlurm);
    }
    let deadline = Instant::now() + PATIENCE;
    let version = slurm.version(deadline)?;
    if !version.is_known() {
        tracing::warn!(
            "Slurm {version} is not one that rankzero knows (21 to 25): if it has changed what its commands print, that is refused"
        );
    }
    Ok(slurm.submit(script, &[], deadline)?)
}
