//! What can go wrong with frames and pictures, each with the file it concerns and what to do about it.

use std::path::{Path, PathBuf};

/// An error of writing, reading or drawing frames.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// What was tried, as a verb phrase ("create the file").
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// The system's own word, with its errno.
        source: std::io::Error,
    },
    /// The arrays of a mesh disagree with each other, so that no file can hold it.
    #[error("mesh: {what}")]
    Mesh {
        /// Which arrays, with their lengths or values.
        what: String,
    },
    /// The file ends early or its parts contradict each other.
    #[error("{}: torn frame: {what}; delete it and write the frame again", path.display())]
    Torn {
        /// The file.
        path: PathBuf,
        /// What is missing or contradictory.
        what: String,
    },
    /// The file is whole for all we know, but nothing that rankzero writes.
    #[error("{}: not a frame of rankzero: {what}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was expected, and what was found.
        what: String,
    },
    /// The run has no frame at all.
    #[error("{}: no frames; run the job with `output.frames` enabled, or name another run directory", path.display())]
    NoFrames {
        /// The collection file or folder that was looked at.
        path: PathBuf,
    },
    /// The run has frames, but not the one asked for.
    #[error("{}: no frame of step {step}; there are {available}", path.display())]
    NoSuchFrame {
        /// The collection file.
        path: PathBuf,
        /// The step asked for.
        step: u64,
        /// The steps that exist, abridged.
        available: String,
    },
    /// An option of the renderer is out of its range.
    #[error("render: {option} is {found}, must be {allowed}")]
    Option {
        /// The option, as on the command line.
        option: &'static str,
        /// The value given.
        found: String,
        /// What is allowed.
        allowed: &'static str,
    },
}

impl FrameError {
    /// Wraps an I/O error; for use with `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn torn(path: &Path, what: impl Into<String>) -> Self {
        Self::Torn { path: path.to_owned(), what: what.into() }
    }

    pub(crate) fn foreign(path: &Path, what: impl Into<String>) -> Self {
        Self::Foreign { path: path.to_owned(), what: what.into() }
    }
}
