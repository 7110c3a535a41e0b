//! How a run tells its launch how it ended: a number in a file.

use std::path::{Path, PathBuf};

/// Names the file, in the environment of the ranks.
pub const OUTCOME_VARIABLE: &str = "RANKZERO_OUTCOME";

/// Tells the launch, if there is one, the exit code of the whole run. Called by rank 0 at the end, and by any rank that
/// refuses to start at all.
///
/// # Errors
/// What the system says to the writing of the file.
pub fn report_outcome(code: i32) -> std::io::Result<()> {
    match std::env::var_os(OUTCOME_VARIABLE) {
        Some(path) => std::fs::write(path, format!("{code}\n")),
        None => Ok(()),
    }
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

    pub(super) fn path(&self) -> &Path {
        &self.0
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
