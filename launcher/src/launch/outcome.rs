//! How a run tells its launch how it ended: a number in a file.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::LaunchError;

/// Names the file, in the environment of the ranks.
pub const OUTCOME_VARIABLE: &str = "RANKZERO_OUTCOME";

/// The exit code of a rank that misses another one: never the cause.
const PEER_FAILED: i32 = 4;

/// Tells the launch, if there is one, the exit code of the whole run. Every rank calls it as it ends, before it leaves MPI: after that
/// mpirun may kill it. The first failure counts, and the cause counts before its consequence: a rank that merely misses a peer does not
/// overwrite what another rank said.
///
/// # Errors
/// What the system says to the writing of the file.
pub fn report_outcome(code: i32) -> std::io::Result<()> {
    let Some(path) = std::env::var_os(OUTCOME_VARIABLE) else { return Ok(()) };
    let told = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<i32>().ok());
    match told {
        Some(told) if told != 0 && (told != PEER_FAILED || code == 0) => Ok(()),
        _ => std::fs::write(path, format!("{code}\n")),
    }
}

/// How a process ended, as a shell tells it: its exit code, or 128 and the signal that ended it.
pub fn code_of(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// The file, removed when dropped.
pub(super) struct OutcomeFile(PathBuf);

impl OutcomeFile {
    /// An empty file that nobody else has.
    pub(super) fn create() -> std::io::Result<OutcomeFile> {
        for attempt in 0..100u32 {
            let path = std::env::temp_dir().join(format!("rankzero-outcome-{}-{attempt}", std::process::id()));
            match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(_) => return Ok(OutcomeFile(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, "rankzero-outcome-*, a hundred times"))
    }

    /// The file of a launch whose ranks are on several nodes: in a directory that they share and nobody else uses.
    pub(super) fn within(dir: &Path) -> std::io::Result<OutcomeFile> {
        let path = dir.join("outcome");
        std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(OutcomeFile(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The exit code of a run whose processes have all ended: what was told, else how the first one ended that did not end well.
    ///
    /// # Errors
    /// [`LaunchError::NoOutcome`] for `whom`, where there is neither.
    pub(super) fn conclude(&self, bad: Option<ExitStatus>, whom: &str) -> Result<i32, LaunchError> {
        match (self.read(), bad) {
            (Some(code), _) => Ok(code),
            (None, Some(status)) => Ok(code_of(status)),
            (None, None) => Err(LaunchError::NoOutcome(format!("{whom} without a failure"))),
        }
    }

    /// The code that was told, if one was.
    pub(super) fn read(&self) -> Option<i32> {
        std::fs::read_to_string(&self.0).ok()?.trim().parse().ok()
    }
}

impl Drop for OutcomeFile {
    fn drop(&mut self) {
        // What remains is an empty file in the temporary folder.
        let _ = std::fs::remove_file(&self.0);
    }
}
