//! What can go wrong with checkpoints: what was tried, on which file, what is wrong, and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// An error of writing, reading or removing checkpoints. None of them touches any checkpoint but the one it names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}{}", path.display(), advice(source, *free))]
    Io {
        /// What was tried, as a verb phrase ("write the part").
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// The system's own word, with its errno.
        source: io::Error,
        /// Bytes that were free there, where a disk was full.
        free: Option<u64>,
    },
    /// A file is torn, altered, of another length, or contradicts another one.
    #[error(
        "{}: damaged: {what}; this checkpoint cannot be restored: take an older one, and remove it by `rankzero checkpoint rm`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is missing or contradictory.
        what: String,
    },
    /// There is no manifest: writing it was interrupted, or has not ended yet.
    #[error(
        "{}: unfinished: {what}; if no run is writing it, remove it by `rankzero checkpoint rm`, and restore an older one",
        path.display()
    )]
    Unfinished {
        /// The folder.
        path: PathBuf,
        /// What is there.
        what: String,
    },
    /// The file was written by a rankzero that keeps other files.
    #[error(
        "{}: version {found} of the format; this rankzero reads version {known}: restore with the rankzero that wrote it",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it says.
        found: u64,
        /// The version that is read here.
        known: u32,
    },
    /// The checkpoint is of another job than the one to be run.
    #[error(
        "{}: written by job `{job}` with fingerprint {found}, but the job to run has {expected}: the job file, a mesh or an \
         override has changed since; restore with what was run then (`job.yaml` in that run's directory), or start anew \
         without restoring",
        path.display()
    )]
    JobDiffers {
        /// The manifest.
        path: PathBuf,
        /// Name of the job that wrote it.
        job: String,
        /// Its fingerprint.
        found: String,
        /// Fingerprint of the job to be run.
        expected: String,
    },
    /// There is no checkpoint of that step.
    #[error("{}: no checkpoint of step {step}; there are {available}", dir.display())]
    NoSuchStep {
        /// The directory of checkpoints.
        dir: PathBuf,
        /// The step asked for.
        step: u64,
        /// The steps that exist, abridged.
        available: String,
    },
    /// There is no checkpoint that could be restored.
    #[error("{}: no checkpoint to restore{found}; name a checkpoint, a directory of checkpoints or a run directory", dir.display())]
    NoCheckpoint {
        /// The directory that was looked at.
        dir: PathBuf,
        /// What was there instead, and why it does not serve.
        found: String,
    },
    /// The checkpoint has fewer bodies.
    #[error("{}: asked for body {id}, but it holds bodies 0 to {bodies} (exclusive); is it of the job that is run?", path.display())]
    NoSuchBody {
        /// The folder of the checkpoint.
        path: PathBuf,
        /// The body asked for.
        id: u32,
        /// How many there are.
        bodies: u32,
    },
    /// The caller's words contradict each other, or what the ranks have written.
    #[error("checkpoint of step {step} is not written: {what}; the run goes on, older checkpoints are untouched")]
    Refused {
        /// The step.
        step: u64,
        /// What contradicts what.
        what: String,
    },
}

impl CheckpointError {
    /// Wraps an I/O error; for use with `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source, free: None }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }

    pub(crate) fn refused(step: u64, what: impl Into<String>) -> Self {
        Self::Refused { step, what: what.into() }
    }

    /// There is no checkpoint of `step` in `dir`, where there are `steps`.
    pub fn no_such_step(dir: &Path, step: u64, steps: &[u64]) -> Self {
        let available = match steps {
            [] => "none at all".to_owned(),
            [first, .., last] if steps.len() > 8 => format!("{} of them, of steps {first} to {last}", steps.len()),
            _ => format!("those of steps {}", steps.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
        };
        Self::NoSuchStep { dir: dir.to_owned(), step, available }
    }

    /// Whether the system said that there is no such file or folder.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether a disk was full, or a quota or a limit of sizes reached.
    pub fn is_full_disk(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// What to do about an error of the system.
fn advice(error: &io::Error, free: Option<u64>) -> String {
    use io::ErrorKind as Kind;
    let room = free.map(|bytes| format!(" ({} MB free)", bytes / 1_000_000)).unwrap_or_default();
    let what = match error.kind() {
        Kind::StorageFull => "; free some space, keep fewer checkpoints, or let them go to another disk",
        Kind::QuotaExceeded => "; your quota is used up: keep fewer checkpoints, or let them go elsewhere",
        Kind::FileTooLarge => "; files may not grow so large here: see `ulimit -f`, or use another file system",
        Kind::PermissionDenied => {
            "; give this user the right to read, write and enter the directory, or name another one"
        }
        Kind::ReadOnlyFilesystem => "; the file system is mounted read-only: name another directory",
        Kind::NotADirectory => "; a file stands where a directory is expected: name another one",
        Kind::NotFound => "; is the path right, and is the file system mounted on this node?",
        Kind::UnexpectedEof => "; the file is shorter than it was a moment ago: does another run write here?",
        Kind::StaleNetworkFileHandle => "; the file was replaced on another node: does another run write here?",
        _ => "; look at the file system and its disk",
    };
    format!("{room}{what}")
}
